"""Signs of life between `winnow serve` and its children: some numbers in memory they share.

Each child raises its own number once a second, from its event loop: a process that exists but does
nothing more (stopped, swapped out, caught in a loop) shows by a number that stands still. The
supervisor counts there what it did; the web processes read that for the metrics.
"""

import asyncio
import mmap
import os
import struct
import tempfile
from typing import Final

BEAT_S: Final = 1.0
"""Seconds between two beats of a child, and between two looks of the supervisor."""
COUNTERS: Final = (
    "web_restarts",
    "worker_restarts",
    "hung",
    "store_restarts",
    "store_silent_s",
    "ballast",
)
"""What the supervisor tells: children replaced by role, those of them that hung, servers replaced,
seconds since the server answered last (0 while it does), whether the ballast is kept."""
_NUMBER: Final = struct.Struct("=Q")


class Board:
    """The shared numbers; a number is written by one process and read by the others."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._shared = mmap.mmap(descriptor, os.fstat(descriptor).st_size)

    @classmethod
    def create(cls, slots: int) -> "Board":
        """A board for so many children; the descriptor is to be passed to them."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("winnow-beats")
        else:  # macOS: a file without a name
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, (len(COUNTERS) + slots) * _NUMBER.size)
        return cls(descriptor)

    def beat(self, slot: int) -> None:
        """Raise a child's number."""
        self._write(len(COUNTERS) + slot, self.beats(slot) + 1)

    def beats(self, slot: int) -> int:
        """A child's number; 0 before its first beat."""
        return self._read(len(COUNTERS) + slot)

    def told(self) -> dict[str, int]:
        """What the supervisor counted, by name."""
        return {name: self._read(at) for at, name in enumerate(COUNTERS)}

    def count(self, name: str) -> None:
        """Raise one of the supervisor's numbers."""
        self.tell(name, self._read(COUNTERS.index(name)) + 1)

    def tell(self, name: str, number: int) -> None:
        """Set one of the supervisor's numbers."""
        self._write(COUNTERS.index(name), number)

    def close(self) -> None:
        """Give the memory back; the others keep theirs."""
        self._shared.close()
        os.close(self.descriptor)

    def _read(self, at: int) -> int:
        number: int = _NUMBER.unpack_from(self._shared, at * _NUMBER.size)[0]
        return number

    def _write(self, at: int, number: int) -> None:
        _NUMBER.pack_into(self._shared, at * _NUMBER.size, number)


async def beat(board: Board, slot: int) -> None:
    """Beat for ever."""
    while True:
        board.beat(slot)
        await asyncio.sleep(BEAT_S)


class Watch:
    """Whether the number of one child still moves."""

    def __init__(self) -> None:
        self._last, self._still = 0, 0

    def begin(self, beats: int) -> None:
        """A new process fills the place: what its predecessor did counts no longer."""
        self._last, self._still = beats, 0

    def stood_still(self, beats: int) -> int:
        """For how many looks in a row the number has not moved; 0 before its first beat.

        Looks are counted, not seconds: if the supervisor itself was stopped for a while, or the
        machine slept, nobody is blamed for that time.
        """
        if beats != self._last:
            self._last, self._still = beats, 1
        elif self._still:
            self._still += 1
        return max(0, self._still - 1)
