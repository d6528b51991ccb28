"""Files of the data folder: locks, replacement that survives a crash, the server's log."""

import fcntl
import os
from pathlib import Path

LONGEST_LOG = 1 << 20
"""Bytes a log may have at a start."""


def try_lock(path: Path) -> int | None:
    """Lock a file for as long as the descriptor (and its copies) stay open; None if it is held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def write(path: Path, content: bytes) -> None:
    """Replace a file at once and for good: a reader or a crash sees the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    with open(new, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def rotate(path: Path) -> None:
    """Set a log aside once it is longer than `LONGEST_LOG`; one old log is kept."""
    if size(path) > LONGEST_LOG:
        path.replace(path.with_name(f"{path.name}.1"))


def size(path: Path) -> int:
    """The size of a file in bytes; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def tail(path: Path, start_at: int) -> str:
    """Up to 64 KiB of a file from a byte on."""
    with path.open("rb") as file:
        file.seek(start_at)
        return file.read(1 << 16).decode(errors="replace")
