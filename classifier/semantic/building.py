"""From the shipped changes and the base to the graph that runs, kept in a cache folder.

The graph is made once per machine (in about a second) and named by everything it was made from: the
artifact, the base and this program's way of writing graphs. A cached graph is used only while
its SHA-256 is the one written down beside it; otherwise it is made again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from classifier.artifact import read_bytes
from classifier.errors import ArtifactError
from classifier.semantic import artifact, minilm
from classifier.semantic.weights import merge

if TYPE_CHECKING:
    from classifier.semantic.weights import Arrays

GRAPH_VERSION: Final = 1  # raise it when graphs are written differently
_LARGEST: Final = 256 << 20  # bytes


def default_cache() -> Path:
    """Where graphs are kept unless told otherwise: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "winnow"


def graph(folder: Path, changes: Arrays, cache: Path | None) -> bytes:
    """The graph of a checked artifact, from the cache or made now.

    A cache that cannot be written costs the time to make the graph, at every start, and no more.
    """
    path = (cache or default_cache()) / f"semantic-{_name(folder)}.onnx"
    kept = _kept(path)
    if kept is not None:
        return kept
    made = build(changes)
    _keep(path, made)
    return made


def build(changes: Arrays) -> bytes:
    """The graph of these changes to the base."""
    from classifier.semantic.graph import encode

    return encode(merge(minilm.read(), changes))


def _name(folder: Path) -> str:
    parts = [artifact.digest(folder), *sorted(minilm.SHA256.values()), str(GRAPH_VERSION)]
    return hashlib.sha256("\n".join(parts).encode("ascii")).hexdigest()[:32]


def _kept(path: Path) -> bytes | None:
    """The cached graph; None if there is none or it is not what was written."""
    try:
        digest = _digest_path(path).read_text(encoding="ascii").strip()
        raw = read_bytes(path, _LARGEST)
    except (OSError, ArtifactError, UnicodeDecodeError):
        return None
    return raw if hashlib.sha256(raw).hexdigest() == digest else None


def _keep(path: Path, raw: bytes) -> None:
    """Write graph and digest, each whole or not at all: several processes may do so at once."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, raw)
        _write(_digest_path(path), hashlib.sha256(raw).hexdigest().encode("ascii"))
    except OSError:
        return


def _write(path: Path, raw: bytes) -> None:
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        Path(fresh).replace(path)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise


def _digest_path(path: Path) -> Path:
    return path.with_suffix(".sha256")
