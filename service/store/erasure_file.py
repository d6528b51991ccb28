"""The file of erasures: who was erased, beside the data, for a backup that is older than that.

A restored backup knows nothing of an erasure that came after it; this file does. It holds keyed
hashes, never an address, and each line is on disk before an erasure begins.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from service.store import folder

NAME: Final = "erasures.jsonl"


class Line(Struct, frozen=True):
    """One author was asked to be erased."""

    site: str
    author: str
    """The keyed hash of the address."""
    token: str
    """Names this time; the store's own record carries the same."""
    at: int
    """When, in ms; decides only when the line goes."""


def add(data_dir: Path, line: Line) -> None:
    """Writes a line for good, unless it is there already.

    Raises:
        OSError: it cannot be written.
    """
    with _locked(data_dir):
        if any(there.token == line.token for there in read(data_dir)):
            return
        with _opened(data_dir / NAME) as descriptor:
            os.write(descriptor, _ending(descriptor) + msgspec.json.encode(line) + b"\n")
            os.fsync(descriptor)


def read(data_dir: Path) -> list[Line]:
    """Every line, oldest first; none where there is no file.

    A line that a crash cut off is left out: its erasure had not begun.

    Raises:
        OSError: it cannot be read.
    """
    return read_file(data_dir / NAME)


def read_file(path: Path) -> list[Line]:
    """As `read`, of a file that may lie elsewhere."""
    try:
        rows = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for row in rows:
        try:
            found.append(msgspec.json.decode(row, type=Line))
        except msgspec.MsgspecError:
            continue
    return found


def forget(data_dir: Path, before: int) -> int:
    """Drops lines older than that (ms); how many.

    Raises:
        OSError: it cannot be written.
    """
    if not any(line.at < before for line in read(data_dir)):
        return 0
    with _locked(data_dir):
        lines = read(data_dir)
        kept = [line for line in lines if line.at >= before]
        encoded = b"".join(msgspec.json.encode(line) + b"\n" for line in kept)
        folder.write(data_dir / NAME, encoded)
    return len(lines) - len(kept)


def _ending(descriptor: int) -> bytes:
    """What ends a line that a crash cut off."""
    size = os.fstat(descriptor).st_size
    return b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Several processes write this file, each for a moment."""
    with _opened(data_dir / f"{NAME}.lock") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
