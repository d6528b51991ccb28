"""A model as a folder: arrays, manifest, card. Nothing in it is ever executed.

``weights.npy`` int16 (rows, 8): quantised weights, memory-mapped and shared by processes.
``manifest.json``: labels, features version, scales, bias, calibration, data fingerprints,
SHA-256 of the array, metrics and self-test vectors. ``CARD.md``: the same for people.
``SHA256SUMS``: seals the other three, in the format of ``sha256sum -c``.

An array is trusted only after its header agrees with the manifest, its size with its header
and its bytes with their SHA-256; NumPy's own reader, and so pickle, never sees a bad file.
"""

import hashlib
import io
import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from classifier.errors import ArtifactError
from classifier.features import FEATURES_VERSION
from classifier.labels import LABELS

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "weights.npy"
CARD: Final = "CARD.md"
SUMS: Final = "SHA256SUMS"
_SEALED: Final = (CARD, MANIFEST, WEIGHTS)
LARGEST_MANIFEST: Final = 1 << 20  # bytes
LARGEST_TABLE_BITS: Final = 20  # rows of one table: 2 ** 20


class SelfTest(msgspec.Struct, frozen=True):
    """A text and the scores it had when the model was made (8 values, 0..1)."""

    text: str
    scores: list[float]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a model but its weights.

    Margin of a label = ``bias`` + sum of ``weights * scale`` over the text's distinct rows /
    sqrt(number of rows); score = 1 / (1 + exp(-(``slope`` * margin + ``offset``))).
    """

    format: int
    version: str
    features_version: int
    labels: list[str]
    char_bits: int
    word_bits: int
    scale: list[float]
    bias: list[float]
    slope: list[float]
    offset: list[float]
    window: int
    window_penalty: list[float]
    shape: list[int]
    dtype: str
    sha256: dict[str, str]
    self_test: list[SelfTest]
    seed: int = 0
    data: dict[str, str] = {}
    metrics: dict[str, Any] = {}


def save(folder: Path, manifest: Manifest, weights: NDArray[np.int16], card: str) -> None:
    """Write a model folder beside its place and move it in, replacing any older one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    fresh.chmod(0o755)
    np.save(fresh / WEIGHTS, np.ascontiguousarray(weights), allow_pickle=False)
    sealed = msgspec.structs.replace(manifest, sha256={WEIGHTS: _sha256(fresh / WEIGHTS)})
    encoded = msgspec.json.format(msgspec.json.encode(sealed), indent=1)
    (fresh / MANIFEST).write_bytes(encoded + b"\n")
    (fresh / CARD).write_text(card, encoding="utf-8")
    seal(fresh)
    for path in fresh.iterdir():
        _sync(path)
    _swap(fresh, folder)


def seal(folder: Path) -> None:
    """Write the checksums of a model folder's files."""
    (folder / SUMS).write_text(_sums(folder), encoding="ascii")


def read(folder: Path) -> tuple[Manifest, NDArray[np.int16]]:
    """The manifest and the memory-mapped weights, checked; ``ArtifactError`` otherwise."""
    manifest = read_manifest(folder)
    weights = _read_array(folder / WEIGHTS, tuple(manifest.shape), manifest.sha256.get(WEIGHTS, ""))
    _check_seal(folder)
    return manifest, weights


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, checked against what this program understands."""
    path = folder / MANIFEST
    raw = _read_bytes(path, LARGEST_MANIFEST)
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: not a manifest: {error}") from error
    problem = _manifest_problem(manifest)
    if problem:
        raise ArtifactError(f"{path}: {problem}")
    return manifest


def _manifest_problem(m: Manifest) -> str:
    """What is wrong with the manifest, in words; empty if nothing is."""
    if m.format != FORMAT:
        return f"format {m.format}, this program reads {FORMAT}"
    if m.features_version != FEATURES_VERSION:
        return f"features version {m.features_version}, this program makes {FEATURES_VERSION}"
    if tuple(m.labels) != LABELS:
        return "labels are not this program's labels"
    if not all(8 <= bits <= LARGEST_TABLE_BITS for bits in (m.char_bits, m.word_bits)):
        return "table sizes out of range"
    if m.shape != [(1 << m.char_bits) + (1 << m.word_bits), len(LABELS)] or m.dtype != "<i2":
        return "shape or dtype do not fit the table sizes"
    if not 50 <= m.window <= 100_000:
        return "window out of range"
    return _number_problem(m)


def _number_problem(m: Manifest) -> str:
    for name in ("scale", "bias", "slope", "offset", "window_penalty"):
        values = np.asarray(getattr(m, name), np.float64)
        if values.shape != (len(LABELS),) or not np.isfinite(values).all():
            return f"{name} is not {len(LABELS)} finite numbers"
    if not m.self_test:
        return "no self-test"
    return ""


def _check_seal(folder: Path) -> None:
    written = _read_bytes(folder / SUMS, LARGEST_MANIFEST).splitlines()
    actual = _sums(folder).encode("ascii").splitlines()
    for name, line in zip(_SEALED, actual, strict=True):
        if line not in written:
            raise ArtifactError(f"{folder / name}: SHA-256 differs from {SUMS}")
    if written != actual:
        raise ArtifactError(f"{folder / SUMS}: not the checksums of this model")


def _sums(folder: Path) -> str:
    return "".join(f"{_sha256(folder / name)}  {name}\n" for name in _SEALED)


def _read_array(path: Path, shape: tuple[int, ...], digest: str) -> NDArray[np.int16]:
    expected_header = _header(shape)
    size = len(expected_header) + int(np.prod(shape)) * 2
    try:
        with path.open("rb") as file:
            actual = os.fstat(file.fileno()).st_size
            if actual != size:
                raise ArtifactError(f"{path}: {actual} bytes, expected {size}")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
    if data[: len(expected_header)] != expected_header:
        raise ArtifactError(f"{path}: header is not that of int16 {shape}")
    if hashlib.sha256(data).hexdigest() != digest:
        raise ArtifactError(f"{path}: SHA-256 differs from the manifest")
    flat = np.frombuffer(data, "<i2", offset=len(expected_header))
    return flat.reshape(shape)


def _header(shape: tuple[int, ...]) -> bytes:
    """The exact .npy header (version 1.0) of a C-ordered int16 array of ``shape``."""
    header = io.BytesIO()
    fields = {"descr": "<i2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def _read_bytes(path: Path, largest: int) -> bytes:
    try:
        if path.stat().st_size > largest:
            raise ArtifactError(f"{path}: larger than {largest} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _swap(fresh: Path, folder: Path) -> None:
    """Put ``fresh`` where ``folder`` is; an older folder is set aside first, then removed."""
    if not folder.exists():
        fresh.rename(folder)
        return
    old = fresh.with_name(f"{fresh.name}.old")
    folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old)
