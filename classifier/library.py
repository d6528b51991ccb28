"""The language library's model, unpacked once on disk, so that processes share what they read.

py3langid unpacks its model anew in each process: a quarter of a second and 85 MB, most of which no
text ever touches. Unpacked into a folder and mapped, it takes a few ms, and the pages that texts
have touched once for all processes. Where there is no folder, it is held in memory, without the
languages that are not asked for.
"""

import mmap
import os
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier


_ROOM = 1 << 30  # bytes that must be free: 50 MB of convenience fill nobody's disk


class _Tables(NamedTuple):
    """The library's model, of the languages asked for: scores by feature and language, of each
    language by itself, and the automaton that finds features in bytes."""

    scores: NDArray[np.float16]
    languages: NDArray[np.float32]
    names: NDArray[np.str_]
    moves: NDArray[np.uint32]
    rows: NDArray[np.uint32]
    found: NDArray[np.int32]


def identifier(languages: Sequence[str], folder: Path | None) -> "LanguageIdentifier":
    """The library for these languages (ISO 639-1), its tables kept in ``folder`` from now on.

    A folder that cannot be written, has little room or holds something else costs memory only.
    """
    if folder is None:
        return _made(_unpacked(languages))
    which = zlib.crc32(" ".join(languages).encode())
    place = folder / f"language-{version('py3langid')}-{which:08x}"
    try:
        if not place.exists():
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < _ROOM:
                return _made(_unpacked(languages))
            _keep(_unpacked(languages), place)
        return _made(_mapped(place))
    except (OSError, ValueError, EOFError):
        return _made(_unpacked(languages))


def _made(tables: _Tables) -> "LanguageIdentifier":
    from py3langid.langid import LanguageIdentifier

    moves, rows, found = (
        memoryview(table)  # type: ignore[arg-type]
        for table in (tables.moves, tables.rows, tables.found)
    )
    names = tables.names.tolist()
    return LanguageIdentifier(
        np.asarray(tables.scores), tables.languages, names, moves, found, tk_row=rows
    )


def _unpacked(languages: Sequence[str]) -> _Tables:
    """The tables as the library reads them, a quarter of a second; no pickle in them."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    whole = LanguageIdentifier.from_model_file(MODEL_FILE)
    whole.set_languages(languages)
    return _Tables(
        np.ascontiguousarray(whole.nb_ptc),
        whole.nb_pc,
        np.array(whole.nb_classes),
        np.asarray(whole.tk_nextmove, np.uint32),
        np.asarray(whole.tk_row, np.uint32),
        np.array(whole.tk_output, np.int32),
    )


def _keep(tables: _Tables, place: Path) -> None:
    """Writes a folder of tables whole or not at all; ``OSError`` where it cannot be."""
    made = Path(tempfile.mkdtemp(prefix=".language-", dir=place.parent))
    try:
        for name, table in tables._asdict().items():
            with (made / f"{name}.npy").open("wb") as file:
                np.save(file, table, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())  # a name is only given to what is on the disk
        made.rename(place)
    except OSError:
        if not place.exists():  # else another process was first
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _mapped(place: Path) -> _Tables:
    """Tables of a folder: what is large stays on disk."""
    small = ("languages", "names")
    tables = {
        name: np.load(
            place / f"{name}.npy", mmap_mode=None if name in small else "r", allow_pickle=False
        )
        for name in _Tables._fields
    }
    for name, table in tables.items():
        if name not in small and hasattr(mmap, "MADV_NOHUGEPAGE"):
            # A text touches few places, far apart: two megabytes for each would be all of it.
            table._mmap.madvise(mmap.MADV_NOHUGEPAGE)
            table._mmap.madvise(mmap.MADV_RANDOM)
    return _Tables(**tables)
