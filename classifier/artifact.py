"""A model as a folder: arrays, manifest, card. Nothing in it is ever executed.

``weights.npy`` int16 (rows, 8) and ``weights-LANGUAGE.npy`` (rows, labels): quantised weights
of each head, memory-mapped and shared by processes. ``lexicon.tsv``: the words the model has
met. ``manifest.json``: heads with scales, bias and calibration, features version, data
fingerprints, SHA-256 of arrays and lexicon, metrics and self-test vectors. ``CARD.md``: the
same for people. ``SHA256SUMS``: seals all others, in the format of ``sha256sum -c``.

An array is trusted only after its header agrees with the manifest, its size with its header
and its bytes with their SHA-256; NumPy's own reader, and so pickle, never sees a bad file.
"""

import hashlib
import io
import mmap
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from classifier import lexicon
from classifier.errors import ArtifactError
from classifier.features import FEATURES_VERSION
from classifier.heads import HeadRecord
from classifier.labels import LABELS
from classifier.lexicon import Lexicon

FORMAT: Final = 2
MANIFEST: Final = "manifest.json"
LEXICON: Final = "lexicon.tsv"
CARD: Final = "CARD.md"
SUMS: Final = "SHA256SUMS"
MOST_HEADS: Final = 32
LARGEST_MANIFEST: Final = 1 << 20  # bytes
LARGEST_TABLE_BITS: Final = 20  # rows of one table: 2 ** 20
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?|general")


class SelfTest(msgspec.Struct, frozen=True):
    """A text and the scores it had when the model was made (8 values, 0..1)."""

    text: str
    scores: list[float]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a model but its weights and words.

    The first of ``heads`` is the general one, with all eight labels; ``marked`` are the
    languages that words of the lexicon may mark besides English.
    """

    format: int
    version: str
    features_version: int
    heads: list[HeadRecord]
    marked: list[str]
    sha256: dict[str, str]
    self_test: list[SelfTest]
    seed: int = 0
    data: dict[str, str] = {}
    teacher: str = ""
    metrics: dict[str, Any] = {}


Weights = NDArray[np.int16]
Kind = TypeVar("Kind")


def weights_name(place: int, record: HeadRecord) -> str:
    """The name of a head's file."""
    return f"weights-{record.language}.npy" if place else "weights.npy"


def save(
    folder: Path, manifest: Manifest, tables: Sequence[Weights], words: Lexicon, card: str
) -> None:
    """Write a model folder beside its place and move it in, replacing any older one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    fresh.chmod(0o755)
    names = _names(manifest)
    for name, weights in zip(names, tables, strict=True):
        np.save(fresh / name, np.ascontiguousarray(weights), allow_pickle=False)
    (fresh / LEXICON).write_bytes(lexicon.encode(words))
    digests = {name: _sha256(fresh / name) for name in (*names, LEXICON)}
    sealed = msgspec.structs.replace(manifest, sha256=digests)
    encoded = msgspec.json.format(msgspec.json.encode(sealed), indent=1)
    (fresh / MANIFEST).write_bytes(encoded + b"\n")
    (fresh / CARD).write_text(card, encoding="utf-8")
    seal(fresh)
    for path in fresh.iterdir():
        sync(path)
    swap(fresh, folder)


def seal(folder: Path) -> None:
    """Write the checksums of a model folder's files."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    (folder / SUMS).write_text(_sums(folder, names), encoding="ascii")


def read(folder: Path) -> tuple[Manifest, list[Weights], Lexicon]:
    """Manifest, memory-mapped weights of each head and words; ``ArtifactError`` otherwise."""
    manifest = read_manifest(folder)
    names = _names(manifest)
    tables = [
        _read_array(folder / name, _shape(record), manifest.sha256.get(name, ""))
        for name, record in zip(names, manifest.heads, strict=True)
    ]
    raw = read_bytes(folder / LEXICON, lexicon.LARGEST)
    if hashlib.sha256(raw).hexdigest() != manifest.sha256.get(LEXICON, ""):
        raise ArtifactError(f"{folder / LEXICON}: SHA-256 differs from the manifest")
    _check_seal(folder, sorted((CARD, LEXICON, MANIFEST, *names)))
    return manifest, tables, lexicon.decode(raw)


def _names(manifest: Manifest) -> list[str]:
    return [weights_name(place, record) for place, record in enumerate(manifest.heads)]


def _shape(record: HeadRecord) -> tuple[int, int]:
    return record.shape.rows, len(record.labels)


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, checked against what this program understands."""
    return checked_manifest(folder / MANIFEST, Manifest, _manifest_problem)


def checked_manifest(path: Path, kind: type[Kind], problem_of: Callable[[Kind], str]) -> Kind:
    """A manifest of some kind; ``problem_of`` says what is wrong with it, empty if nothing is."""
    raw = read_bytes(path, LARGEST_MANIFEST)
    try:
        manifest = msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: not a manifest: {error}") from error
    problem = problem_of(manifest)
    if problem:
        raise ArtifactError(f"{path}: {problem}")
    return manifest


def _manifest_problem(m: Manifest) -> str:
    """What is wrong with the manifest, in words; empty if nothing is."""
    if m.format != FORMAT:
        return f"format {m.format}, this program reads {FORMAT}"
    if m.features_version != FEATURES_VERSION:
        return f"features version {m.features_version}, this program makes {FEATURES_VERSION}"
    if not m.heads or tuple(m.heads[0].labels) != LABELS:
        return "labels are not this program's labels"
    if len(m.heads) > MOST_HEADS or not all(_LANGUAGE.fullmatch(h.language) for h in m.heads):
        return "heads are not one a language"
    if len({h.language for h in m.heads}) != len(m.heads):
        return "two heads for one language"
    if not m.self_test:
        return "no self-test"
    return next((problem for h in m.heads if (problem := _head_problem(h))), "")


def _head_problem(record: HeadRecord) -> str:
    if not record.labels or not set(record.labels) <= set(LABELS):
        return f"labels of {record.language} are not this program's labels"
    bits = (record.char_bits, record.word_bits)
    if not all(8 <= size <= LARGEST_TABLE_BITS for size in bits):
        return f"table sizes of {record.language} out of range"
    for name in ("scale", "bias", "mix", "penalty", "slope", "offset"):
        with np.errstate(over="ignore"):  # they are kept as float32: what is too large is infinite
            values = np.asarray(getattr(record, name), np.float32)
        if values.shape != (len(record.labels),) or not np.isfinite(values).all():
            return f"{name} of {record.language} is not {len(record.labels)} finite numbers"
    return ""


def _check_seal(folder: Path, names: list[str]) -> None:
    written = read_bytes(folder / SUMS, LARGEST_MANIFEST).splitlines()
    actual = _sums(folder, names).encode("ascii").splitlines()
    for name, line in zip(names, actual, strict=True):
        if line not in written:
            raise ArtifactError(f"{folder / name}: SHA-256 differs from {SUMS}")
    if written != actual:
        raise ArtifactError(f"{folder / SUMS}: not the checksums of this model")


def _sums(folder: Path, names: list[str]) -> str:
    return "".join(f"{_sha256(folder / name)}  {name}\n" for name in names)


def _read_array(path: Path, shape: tuple[int, ...], digest: str) -> Weights:
    expected_header = _header(shape)
    size = len(expected_header) + int(np.prod(shape)) * 2
    _check_file(path)
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


def read_bytes(path: Path, largest: int) -> bytes:
    """A file of at most ``largest`` bytes; ``ArtifactError`` if it is larger, none or missing."""
    _check_file(path)
    try:
        with path.open("rb") as file:
            found = file.read(largest + 1)
        if len(found) > largest:
            raise ArtifactError(f"{path}: larger than {largest} bytes")
        return found
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error


def _check_file(path: Path) -> None:
    """Nothing but files is opened: a pipe would be waited for without end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise ArtifactError(f"{path}: not a file")


def _sha256(path: Path) -> str:
    _check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error


def sync(path: Path) -> None:
    """Have a file's bytes on disk before going on."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def swap(fresh: Path, folder: Path) -> None:
    """Put ``fresh`` where ``folder`` is; an older folder is set aside first, then removed."""
    if not folder.exists():
        fresh.rename(folder)
        return
    old = fresh.with_name(f"{fresh.name}.old")
    folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old)
