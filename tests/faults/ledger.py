"""What each client knows, on disk before it goes on: the checker believes nothing else.

One file per client, one JSON object per line. An intention is written before the request is sent;
an outcome is written and flushed to disk (fdatasync) before the client does anything more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec


class Row(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One line of a ledger."""

    kind: Literal["intended", "comment", "decision", "hook", "event"]
    key: str
    """The Idempotency-Key with the item's number; for a webhook its id, for an event its cursor."""
    id: str = ""
    """The comment."""
    body: str = ""
    """A comment's text, as SHA-256."""
    action: str = ""
    """What was decided; an event's type."""
    version: int = 0
    """The version that was reached; 0 for a decision that was refused."""
    code: int = 0
    """The answer's status."""


class Ledger:
    """The ledger of one client."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def intend(self, *rows: Row) -> None:
        """Notes what is about to be asked."""
        self._write(rows)

    def settle(self, *rows: Row) -> None:
        """Notes outcomes; on disk when it returns."""
        self._write(rows)
        os.fdatasync(self._file)

    def _write(self, rows: tuple[Row, ...]) -> None:
        os.write(self._file, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def rows(folder: Path) -> Iterator[Row]:
    """Every line of every ledger in a folder."""
    decode = msgspec.json.Decoder(Row).decode
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            yield decode(line)


def digest(text: str) -> str:
    """A text as ledgers know it."""
    return hashlib.sha256(text.encode()).hexdigest()
