"""Reading a file of lines, plain or gzipped, in constant memory; and where an import stopped."""

from __future__ import annotations

import gzip
import hashlib
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Final, cast

import msgspec
from msgspec import Struct

from service.commands.failures import BAD_DATA, CommandError

GZIP: Final = b"\x1f\x8b"
HEAD: Final = 1 << 12
"""Bytes of a file that tell it apart from another one."""


class Cursor(Struct):
    """How far a file has been imported into a site; kept beside the file."""

    site: str
    file: str
    """Digest of the beginning of the file."""
    line: int = 0
    offset: int = 0
    """Bytes, before compression."""
    imported: int = 0
    known: int = 0
    bad: int = 0

    def write(self, path: Path) -> None:
        """Keeps it, whole or not at all.

        Raises:
            OSError.
        """
        from service.store import folder

        folder.write(path, msgspec.json.encode(self))


def read_cursor(path: Path, expected: Cursor) -> Cursor:
    """The kept cursor, or `expected` (the beginning) where none is kept.

    Raises:
        CommandError: it belongs to another file or site, or cannot be read.
    """
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Cursor)
    except FileNotFoundError:
        return expected
    except msgspec.MsgspecError:
        raise CommandError(f"{path} is not the cursor of an import", BAD_DATA) from None
    if (kept.site, kept.file) != (expected.site, expected.file):
        what = "file" if kept.site == expected.site else f"site ({kept.site})"
        raise CommandError(f"{path} belongs to another {what}; remove it to begin anew", BAD_DATA)
    return kept


class Lines:
    """The numbered lines of a file, or of standard input (`-`)."""

    def __init__(self, name: str, line_max: int) -> None:
        self._line_max = line_max
        self._raw = _open(name)
        self.size = 0 if name == "-" else Path(name).stat().st_size
        self._zipped = self._raw.peek(2)[:2] == GZIP
        unzipped = gzip.GzipFile(fileobj=self._raw) if self._zipped else self._raw
        self._file = cast("IO[bytes]", unzipped)
        self.line = 0
        self.offset = 0

    def position(self) -> int:
        """Bytes of the file read so far, compressed as they are; 0 where nobody knows."""
        with suppress(OSError):
            return self._raw.tell() if self.size else 0
        return 0

    def skip_to(self, cursor: Cursor) -> None:
        """Goes on where an earlier import stopped."""
        if cursor.offset and not self._zipped:
            self._file.seek(cursor.offset)
            self.line, self.offset = cursor.line, cursor.offset
        while self.line < cursor.line and self._next() is not None:
            pass

    def chunks(self, size: int) -> Iterator[list[tuple[int, bytes]]]:
        """Numbered lines, `size` at a time; blank ones are passed over.

        Raises:
            CommandError: the compressed data are damaged; what stands before was yielded.
        """
        chunk: list[tuple[int, bytes]] = []
        damage: CommandError | None = None
        while damage is None:
            try:
                text = self._next()
            except CommandError as error:
                damage, text = error, None
            if text is not None and text.strip():
                chunk.append((self.line, text))
            if chunk and (text is None or len(chunk) == size):
                yield chunk
                chunk = []
            if text is None:
                break
        if damage is not None:
            raise damage

    def _next(self) -> bytes | None:
        try:
            text = self._file.readline(self._line_max + 1)
            self.offset += len(text)
            if len(text) > self._line_max and not text.endswith(b"\n"):
                self._drop_line()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CommandError(
                f"the compressed file is damaged behind line {self.line}: {error}", BAD_DATA
            ) from None
        if not text:
            return None
        self.line += 1
        return text

    def _drop_line(self) -> None:
        """Reads past the rest of a line that is too long."""
        while more := self._file.readline(1 << 16):
            self.offset += len(more)
            if more.endswith(b"\n"):
                break


def _open(name: str) -> BufferedReader:
    """Read to its end and closed with the process: there is one file a command."""
    return cast("BufferedReader", sys.stdin.buffer if name == "-" else open(name, "rb"))  # noqa: PTH123


def digest_of(name: str) -> str:
    """What tells a file apart from another one: its beginning."""
    with Path(name).open("rb") as file:
        return hashlib.sha256(file.read(HEAD)).hexdigest()
