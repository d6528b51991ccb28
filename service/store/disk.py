"""The disk under the data folder: what must stay free, and a ballast to drop when nothing is.

With `appendfsync always` a server that cannot write ends rather than lie, and on a disk that is
still full it ends again at its first write. So new comments are refused while there is still room
for everything else (`reserve`), and a ballast file is kept that can be given up when the disk is
full nevertheless: the server then starts again, and people can go on deciding and erasing.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

MARGIN: Final = 256 << 20
"""Bytes to keep free on a disk that is large enough for it to be little."""
MARGIN_SHARE: Final = 0.05
"""Of a smaller disk."""
BALLAST: Final = 64 << 20
BALLAST_SHARE: Final = 0.01
"""Of the disk, where that is less than `BALLAST`."""
REOPEN: Final = 1.1
"""How many times the reserve must be free again, so that nothing opens and closes each second."""
_REWRITTEN: Final = "temp-rewriteaof-*.aof"
"""What the server's fork writes; it replaces the append-only file, or is thrown away."""


class Room(NamedTuple):
    """How a disk stands, in bytes."""

    free: int
    """What we may still write, and what a rewriting of the append-only file has taken so far."""
    reserve: int
    """Below this nothing new is taken in."""

    @property
    def short(self) -> bool:
        """Whether intake must stop."""
        return self.free < self.reserve

    @property
    def ample(self) -> bool:
        """Whether intake may start again."""
        return self.free >= self.reserve * REOPEN


def room(home: Path, margin: int | None) -> Room:
    """How the disk of a data folder stands.

    The reserve is the margin plus the size of the append-only file, which needs as much again while
    it is rewritten.

    Args:
        home: the data folder.
        margin: in bytes; None for the default, 0 for no reserve at all.

    Raises:
        OSError: the folder is gone.
    """
    found = os.statvfs(home)
    total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    if margin is None:
        margin = min(MARGIN, int(total * MARGIN_SHARE))
    data = home / "redis"
    rewritten = sum(_sizes(data, _REWRITTEN))
    return Room(free + rewritten, margin + sum(_sizes(data / "appendonlydir")) if margin else 0)


def _sizes(folder: Path, pattern: str = "*") -> list[int]:
    sizes = []
    for path in folder.glob(pattern):
        with suppress(OSError):  # replaced meanwhile
            sizes.append(path.stat().st_size)
    return sizes


class Ballast:
    """A file of the data folder that only takes up room."""

    def __init__(self, home: Path) -> None:
        self._path = home / "ballast"

    @property
    def kept(self) -> bool:
        """Whether it is there."""
        return self._path.exists()

    def size(self) -> int:
        """Its bytes when it is whole: 64 MiB, or one hundredth of a smaller disk."""
        found = os.statvfs(self._path.parent)
        return min(BALLAST, int(found.f_blocks * found.f_frsize * BALLAST_SHARE))

    def restore(self, margin: int | None) -> bool:
        """Make it where it is missing and there is ample room; whether it was made just now.

        Its blocks are allocated: a sparse file would give nothing back.
        """
        if self.kept:
            return False
        size, now = self.size(), room(self._path.parent, margin)
        if size == 0 or now.free - 2 * size < now.reserve * REOPEN:
            return False
        new = self._path.with_name("ballast.new")
        try:
            _allocate(new, size)
            new.replace(self._path)
        except OSError:  # somebody else took the room meanwhile
            new.unlink(missing_ok=True)
            return False
        return True

    def remove(self) -> None:
        """Give it back, at a stop; the next start makes it anew."""
        self._path.unlink(missing_ok=True)

    def drop(self) -> bool:
        """Give it up where less than it holds is free; whether it was there and is gone."""
        found = os.statvfs(self._path.parent)
        if not self.kept or found.f_bavail * found.f_frsize >= self.size():
            return False
        self._path.unlink(missing_ok=True)
        return True


def _allocate(path: Path, size: int) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        block = bytes(1 << 20)
        for at in range(0, size, len(block)):
            file.write(block[: size - at])
