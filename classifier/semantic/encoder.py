"""Running the encoder: texts in, log-odds of the eight labels out.

A text longer than one passage is read in overlapping passages, so that one sentence cannot hide
in it; the strongest decides, less a small penalty learnt for having looked more often. Text that
is not in Latin script is beyond the base: its row is NaN, and ``combine`` leaves it to the first
stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.errors import ArtifactError
from classifier.labels import LABELS, column
from classifier.semantic import artifact, building, minilm, reading

if TYPE_CHECKING:
    from classifier.semantic.artifact import Manifest

Floats = NDArray[np.float32]

# Scores differ a little between processors, because they quantise what flows on the way.
SELF_TEST_TOLERANCE: Final = 0.05
_ANY_LANGUAGE: Final = slice(column("spam"), column("spam") + 1)
PARTS: Final = ("onnx", "onnxruntime", "safetensors", "tokenizers", minilm.PACKAGE)


class Encoder:
    """A loaded encoder. Immutable, and safe to share between threads."""

    def __init__(self, manifest: Manifest, raw: bytes) -> None:
        self.manifest = manifest
        self._session = _session(raw)
        self._tokenizer = minilm.tokenizer(0)
        self._slope = np.array(manifest.slope, np.float32)
        self._offset = np.array(manifest.offset, np.float32)
        self._penalty = np.array(manifest.window_penalty, np.float32)
        self._joint_slope = np.array(manifest.joint_slope, np.float32)
        self._joint_offset = np.array(manifest.joint_offset, np.float32)

    @property
    def version(self) -> str:
        """Name of the encoder, for example ``semantic-1``."""
        return self.manifest.version

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the columns."""
        return LABELS

    def margins(self, texts: Sequence[str]) -> Floats:
        """Calibrated log-odds, float32 (n, 8), one row a text; NaN where it cannot judge."""
        whole, others = self.read_margins(texts)
        strongest: Floats = np.maximum(whole, others - self._penalty)
        return strongest * self._slope + self._offset

    def read_margins(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Uncalibrated margins of each text's first passage and of its strongest other one.

        The second is -inf for a text of one passage; both are NaN where the base cannot judge.
        """
        whole = np.full((len(texts), len(LABELS)), np.nan, np.float32)
        others = whole.copy()
        for row, text in enumerate(texts):
            plain = reading.plain(text)
            if reading.readable(plain):
                judged = slice(None) if self._english(plain) else _ANY_LANGUAGE
                found = self._passages(plain)[:, judged]
                whole[row, judged] = found[0]
                others[row, judged] = found[1:].max(0, initial=-np.inf)
        return whole, others

    def refine(self, texts: Sequence[str], scores: Floats) -> Floats:
        """Probabilities of both stages from the texts and the first stage's probabilities.

        Rows of texts that the encoder cannot judge at all are NaN.
        """
        second = self.margins(texts)
        both = self.combine(log_odds(scores), second)
        both[np.isnan(second).all(1)] = np.nan
        return both

    def combine(self, first: Floats, second: Floats) -> Floats:
        """Probabilities of both stages, float32 (n, 8), from the log-odds of each.

        The mean of the two, recalibrated; where the second is NaN the first decides alone.
        """
        joint = (first + second) / 2 * self._joint_slope + self._joint_offset
        return logistic(np.where(np.isnan(second), first, joint))

    def _english(self, plain: str) -> bool:
        kept = reading.without_addresses(plain)
        return reading.english(self._tokenizer.encode(kept, add_special_tokens=False).tokens)

    def _passages(self, plain: str) -> Floats:
        """Margins of each passage of a text, (passages, 8)."""
        ids = self._tokenizer.encode(plain, add_special_tokens=False).ids
        found = reading.passages(ids, self.manifest.window)
        return np.concatenate([self._run(passage) for passage in found])

    def _run(self, ids: Sequence[int]) -> Floats:
        out: Floats = self._session.run(None, {"ids": np.array([ids], np.int64)})[0]
        return out


def logistic(log_odds: Floats) -> Floats:
    """Probabilities of log-odds."""
    half: Floats = 0.5 + 0.5 * np.tanh(0.5 * log_odds)
    return half.astype(np.float32, copy=False)


def log_odds(scores: Floats) -> Floats:
    """Log-odds of probabilities, which are kept away from 0 and 1."""
    kept = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)), np.float32)


def load(folder: Path | None = None, cache: Path | None = None) -> Encoder:
    """The encoder in ``folder`` (default: the shipped one); its graph is kept in ``cache``.

    ``ArtifactError`` if it is missing, altered or misbehaves, or if a package of the extra
    ``winnow[semantic]`` is not installed.
    """
    folder = folder or artifact.default_folder()
    missing = missing_packages()
    if missing:
        raise ArtifactError(f"not installed (winnow[semantic]): {', '.join(missing)}")
    manifest, changes = artifact.read(folder)
    encoder = Encoder(manifest, building.graph(folder, changes, cache))
    _self_test(encoder, folder)
    return encoder


def missing_packages() -> list[str]:
    """The packages of the extra that are not installed; empty if all are."""
    from importlib.util import find_spec

    return [name for name in PARTS if find_spec(name) is None]


def _self_test(encoder: Encoder, folder: Path) -> None:
    vectors = encoder.manifest.self_test
    scores = logistic(encoder.margins([vector.text for vector in vectors]))
    expected = np.array([vector.scores for vector in vectors], np.float32)
    if expected.shape != scores.shape or not np.allclose(
        scores, expected, atol=SELF_TEST_TOLERANCE
    ):
        raise ArtifactError(f"{folder}: the encoder does not reproduce its self-test")


def _session(raw: bytes) -> Any:
    """An ONNX Runtime session on one core: texts in parallel are the caller's business."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(raw, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise ArtifactError(f"ONNX Runtime refuses the graph: {error}") from error
