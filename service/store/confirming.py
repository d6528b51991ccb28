"""What must have happened to a write before its caller hears of it: replicas have it, on disk.

A batch of writes ends in WAIT (Redis 7.0) and WAITAOF (Redis 7.2, Valkey), which hold the answers
back on the server; one of each serves the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from service.store.keys import confirmation

WAIT_MS: Final = 600
"""How long replicas may take to receive a batch."""
DISK_MS: Final = 1_400
"""How long the disks may take behind that; the two together are the deadline of a round trip.

`appendfsync everysec` needs up to a second of it."""


class Confirmation:
    """How a batch of writes is confirmed.

    WAIT and WAITAOF count what *this connection* wrote last. A batch that only found what an
    earlier try had written would wait for nothing, so each batch writes a key of its own first.

    WAITAOF alone takes a second where WAIT and WAITAOF together take one millisecond (measured on
    Valkey 9.1): a replica answers the first question before it has flushed, and after that speaks
    up once a second; the second question comes when it has.
    """

    def __init__(self, replicas: int, *, disk: bool) -> None:
        self.replicas = replicas
        self.disk = disk
        """Whether the disks are asked, too; until a server says that it does not know how."""

    @property
    def needed(self) -> bool:
        """Whether there is anything to wait for."""
        return self.replicas > 0 or self.disk

    @property
    def length(self) -> int:
        """How many commands that are."""
        return 1 + (self.replicas > 0) + self.disk

    def commands(self, tag: str) -> list[tuple[Any, ...]]:
        """What ends a batch of writes; `tag` is the hash tag of a slot that this server has."""
        rows: list[tuple[Any, ...]] = [("SET", confirmation(tag), "", "EX", 60)]
        if self.replicas:
            rows.append(("WAIT", self.replicas, WAIT_MS))
        if self.disk:
            rows.append(("WAITAOF", 1, self.replicas, DISK_MS))
        return rows

    def touched(self, answers: Sequence[Any]) -> bool:
        """Whether the batch's own key was written; a slot that moves may refuse it."""
        return not isinstance(answers[0], Exception)

    def met(self, answers: Sequence[Any]) -> bool:
        """Whether the answers to `commands` say that the batch is safe."""
        _, *rest = answers
        if self.replicas and not _reached(rest.pop(0), self.replicas):
            return False
        if not rest:
            return True
        if isinstance(rest[0], ResponseError) and _cannot(rest[0]):
            self.disk = False  # Redis 7.0, or no append-only file: the start-up check says so
            return True
        if isinstance(rest[0], RedisError):
            return False
        local, others = rest[0]
        return int(local) >= 1 and int(others) >= self.replicas


def _reached(answer: Any, wanted: int) -> bool:
    # UNBLOCKED: the master was made a replica meanwhile.
    return not isinstance(answer, Exception) and int(answer) >= wanted


def _cannot(error: ResponseError) -> bool:
    said = str(error).lower()
    return "unknown command" in said or "appendonly is disabled" in said
