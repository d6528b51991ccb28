"""Kept: answers that many ask for and that change seldom, as they were last sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple

MOST: Final = 16 << 20
"""Bytes kept in one process; beyond, what was not asked for longest goes first."""
BESIDE: Final = 1024
"""Bytes that an answer takes besides its body: anybody may ask for pages that hold nothing."""
LARGEST: Final = 1 << 20
"""Bytes of one body; larger ones are made anew each time."""


class Sent(NamedTuple):
    """An answer as it was sent: its ETag, its own headers and its body."""

    tag: str
    headers: dict[str, str]
    body: bytes


class Kept:
    """The last answer to each question; of use only while its ETag is still the right one."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._answers: OrderedDict[Hashable, Sent] = OrderedDict()

    def get(self, question: Hashable, tag: str) -> Sent | None:
        """The answer sent with this ETag before, if it is still here; an older one is dropped."""
        found = self._answers.get(question)
        if found is None:
            return None
        if found.tag != tag:
            self._drop(question)
            return None
        self._answers.move_to_end(question)
        return found

    def put(self, question: Hashable, sent: Sent) -> None:
        """Keeps an answer in the place of the last one to the same question."""
        self._drop(question)
        if len(sent.body) > LARGEST:
            return
        self._answers[question] = sent
        self._size += len(sent.body) + BESIDE
        while self._size > self._most:
            self._drop(next(iter(self._answers)))

    def _drop(self, question: Hashable) -> None:
        gone = self._answers.pop(question, None)
        if gone is not None:
            self._size -= len(gone.body) + BESIDE
