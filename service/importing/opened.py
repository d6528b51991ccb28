"""A file as readers see it: unpacked, its beginning known, and how far it has been read."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tempfile
import zlib
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Final, Self, cast

from service.errors import Malformed

GZIP: Final = b"\x1f\x8b"
HEAD: Final = 1 << 16
"""Bytes of the beginning that tell a format."""


class Opened:
    """A file or standard input (`-`), read once; a context manager that closes it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path(name)
        self.streamed = name == "-"
        self.size = 0 if self.streamed else self.path.stat().st_size
        self.offset = 0
        """Bytes given so far, before compression."""
        opened = sys.stdin.buffer if self.streamed else self.path.open("rb")
        self._raw = cast("BufferedReader", opened)
        self.zipped = self._raw.peek(2)[:2] == GZIP
        unpacked = gzip.GzipFile(fileobj=self._raw) if self.zipped else self._raw
        self._file = cast("BufferedReader", unpacked)
        self.head = self._beginning()
        self._ahead = io.BytesIO(self.head)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; standard input stays open."""
        if not self.streamed:
            self._raw.close()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            Malformed: the compressed data are damaged.
        """
        data = self._ahead.read(size) or self._some(size)
        self.offset += len(data)
        return data

    def readline(self, size: int) -> bytes:
        """One line with its end, or `size` bytes of it; none at the end of the file.

        Raises:
            Malformed: as `read`.
        """
        line = self._ahead.readline(size)
        if len(line) < size and not line.endswith(b"\n"):
            try:
                line += self._file.readline(size - len(line))
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise _damaged(error) from None
        self.offset += len(line)
        return line

    def seek(self, offset: int) -> None:
        """Goes on at a byte of a file that is not compressed."""
        self._file.seek(offset)
        self._ahead = io.BytesIO()
        self.offset = offset

    def position(self) -> int:
        """Bytes of the file read so far, compressed as they are; 0 where nobody knows."""
        with suppress(OSError):
            return self._raw.tell() if self.size else 0
        return 0

    def on_disk(self) -> Path:
        """The content as a file that can be read anywhere in it: itself, or a temporary copy.

        Raises:
            Malformed: as `read`.
        """
        if not self.streamed and not self.zipped:
            return self.path
        with tempfile.NamedTemporaryFile(prefix="winnow-import-", delete=False) as copy:
            shutil.copyfileobj(cast("IO[bytes]", self), copy, 1 << 20)
        return Path(copy.name)

    def _beginning(self) -> bytes:
        head = b""
        with suppress(Malformed):  # whoever reads on is told
            while len(head) < HEAD and (more := self._some(HEAD - len(head))):
                head += more
        return head

    def _some(self, size: int) -> bytes:
        try:
            # All there is in one go: what stands before a damage must not be lost with it.
            return self._file.read1(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _damaged(error) from None


def _damaged(error: Exception) -> Malformed:
    return Malformed(f"the compressed file is damaged: {error}")
