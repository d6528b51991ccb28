"""What tuning learnt as a folder: arrays, manifest, card. Nothing in it is ever executed.

``changes.safetensors`` float16: low-rank changes to the base's weights and the head.
``manifest.json``: labels, base and its SHA-256, calibration, data fingerprints, metrics and
self-test vectors. ``CARD.md``: the same for people. ``SHA256SUMS`` seals the other three, in the
format of ``sha256sum -c``. An array is trusted only after the bytes agree with their SHA-256 and
names, shapes and types with what this program expects.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from classifier.artifact import (
    CARD,
    LARGEST_MANIFEST,
    MANIFEST,
    SUMS,
    SelfTest,
    checked_manifest,
    read_bytes,
    swap,
    sync,
)
from classifier.errors import ArtifactError
from classifier.labels import LABELS
from classifier.semantic import minilm
from classifier.semantic.weights import shapes

if TYPE_CHECKING:
    from classifier.semantic.weights import Array, Arrays

FORMAT: Final = 1
CHANGES: Final = "changes.safetensors"
LARGEST_CHANGES: Final = 8 << 20  # bytes
LARGEST_RANK: Final = 64
_SEALED: Final = (CARD, CHANGES, MANIFEST)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a tuned encoder but its arrays.

    A passage's margins are the network's output. A text's margin for a label is that of its
    first passage or, if higher, that of another one less ``window_penalty``; its log-odds are
    ``slope`` * margin + ``offset``. Both stages together: ``joint_slope`` * (mean of the stages'
    log-odds) + ``joint_offset``.
    """

    format: int
    version: str
    labels: list[str]
    base: str
    base_version: str
    base_sha256: dict[str, str]
    rank: int
    window: int
    slope: list[float]
    offset: list[float]
    window_penalty: list[float]
    joint_slope: list[float]
    joint_offset: list[float]
    sha256: dict[str, str]
    self_test: list[SelfTest]
    seed: int = 0
    data: dict[str, str] = {}
    metrics: dict[str, Any] = {}


def default_folder() -> Path:
    """The folder of the encoder that ships with Winnow."""
    return Path(__file__).parents[1] / "data" / "semantic"


def save(folder: Path, manifest: Manifest, changes: Arrays, card: str) -> None:
    """Write an encoder's folder beside its place and move it in, replacing any older one."""
    from safetensors.numpy import save as encode

    raw = encode({name: array.astype(np.float16) for name, array in sorted(changes.items())})
    sealed = msgspec.structs.replace(manifest, sha256={CHANGES: hashlib.sha256(raw).hexdigest()})
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    fresh.chmod(0o755)
    (fresh / CHANGES).write_bytes(raw)
    (fresh / MANIFEST).write_bytes(
        msgspec.json.format(msgspec.json.encode(sealed), indent=1) + b"\n"
    )
    (fresh / CARD).write_text(card, encoding="utf-8")
    seal(fresh)
    for path in fresh.iterdir():
        sync(path)
    swap(fresh, folder)


def seal(folder: Path) -> None:
    """Write the checksums of a folder's files."""
    (folder / SUMS).write_text(_sums(folder), encoding="ascii")


def read(folder: Path) -> tuple[Manifest, dict[str, Array]]:
    """The manifest and the changes as float32, checked; ``ArtifactError`` otherwise."""
    manifest = read_manifest(folder)
    raw = read_bytes(folder / CHANGES, LARGEST_CHANGES)
    if hashlib.sha256(raw).hexdigest() != manifest.sha256.get(CHANGES):
        raise ArtifactError(f"{folder / CHANGES}: SHA-256 differs from the manifest")
    if read_bytes(folder / SUMS, LARGEST_MANIFEST) != _sums(folder).encode("ascii"):
        raise ArtifactError(f"{folder / SUMS}: not the checksums of this model")
    return manifest, _arrays(folder / CHANGES, raw, manifest.rank)


def digest(folder: Path) -> str:
    """The SHA-256 (hex) that stands for everything in the folder."""
    return hashlib.sha256(read_bytes(folder / SUMS, LARGEST_MANIFEST)).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, checked against what this program understands."""
    return checked_manifest(folder / MANIFEST, Manifest, _manifest_problem)


def _manifest_problem(m: Manifest) -> str:
    """What is wrong with the manifest, in words; empty if nothing is."""
    if m.format != FORMAT:
        return f"format {m.format}, this program reads {FORMAT}"
    if tuple(m.labels) != LABELS:
        return "labels are not this program's labels"
    if (m.base, m.base_version, m.base_sha256) != (minilm.PACKAGE, minilm.VERSION, minilm.SHA256):
        return "tuned on another base than this program knows"
    if not 1 <= m.rank <= LARGEST_RANK or not 16 <= m.window <= 512:
        return "rank or window out of range"
    for name in ("slope", "offset", "window_penalty", "joint_slope", "joint_offset"):
        values = np.asarray(getattr(m, name), np.float64)
        if values.shape != (len(LABELS),) or not np.isfinite(values).all():
            return f"{name} is not {len(LABELS)} finite numbers"
    return "" if m.self_test else "no self-test"


def _arrays(path: Path, raw: bytes, rank: int) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        found = load(raw)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"{path}: not arrays: {error}") from error
    if {name: array.shape for name, array in found.items()} != shapes(rank):
        raise ArtifactError(f"{path}: names or shapes are not those of rank {rank}")
    if any(array.dtype != np.float16 or not np.isfinite(array).all() for array in found.values()):
        raise ArtifactError(f"{path}: not finite float16 numbers")
    return {name: array.astype(np.float32) for name, array in found.items()}


def _sums(folder: Path) -> str:
    raws = [(read_bytes(folder / name, LARGEST_CHANGES), name) for name in _SEALED]
    return "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for raw, name in raws)
