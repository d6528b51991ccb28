"""Where an import stopped, kept beside its file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from service.commands.failures import BAD_DATA, CommandError
from service.importing.tally import Tally

DIGESTED: Final = 1 << 12
"""Bytes of a file's beginning that tell it apart from another one."""


class Cursor(Struct):
    """How far a file has been imported into a site."""

    site: str
    file: str
    """Digest of the beginning of the file, and its format."""
    line: int = 0
    """Lines or records."""
    offset: int = 0
    """Bytes, before compression."""
    tally: Tally = field(default_factory=Tally)

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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise CommandError(f"{path} is not the cursor of an import", BAD_DATA) from None
    if (kept.site, kept.file) != (expected.site, expected.file):
        what = "file" if kept.site == expected.site else f"site ({kept.site})"
        raise CommandError(f"{path} belongs to another {what}; remove it to begin anew", BAD_DATA)
    return kept


def digest_of(head: bytes, form: str) -> str:
    """What tells a file, read as some format, apart from another one: its beginning."""
    return f"{form} {hashlib.sha256(head[:DIGESTED]).hexdigest()}"
