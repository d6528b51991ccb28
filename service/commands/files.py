"""Files that commands write: whole or not at all, and readable by their owner alone."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast


@contextmanager
def written_to(name: str | None) -> Iterator[Callable[[bytes], object]]:
    """Writes to standard output, or to a file that appears when it is whole."""
    if name is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    path, part = Path(name), Path(name + ".part")
    try:
        with _create(part, zipped=name.endswith(".gz")) as opened:
            yield opened.write
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _create(path: Path, *, zipped: bool) -> IO[bytes]:
    """A file that only its owner can read: it holds addresses."""
    path.touch(mode=0o600)
    return cast("IO[bytes]", gzip.open(path, "wb") if zipped else path.open("wb"))
