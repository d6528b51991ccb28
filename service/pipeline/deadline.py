"""Deadline: gives up on a computation that takes too long.

A timer of the operating system interrupts the interpreter between two of its steps, also inside a
regular expression, at no cost while nothing is late. It counts the processor time of this process:
on a machine that is too busy nothing is given up that would have been done. It works in a process'
main thread, which is where the event loop of every process of Winnow turns; elsewhere there is no
deadline.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class TookTooLong(Exception):
    """A computation was given up."""


class _Alarm:
    """The process's one timer."""

    def __init__(self) -> None:
        self._listening = False
        self._armed = False
        """Whether the main thread is inside `deadline`: an alarm that rings later is nobody's."""

    def set(self, seconds: float) -> None:
        if not self._listening:  # installing it each time would cost ten times the rest
            signal.signal(signal.SIGVTALRM, self._ring)
            self._listening = True
        self._armed = True
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)

    def unset(self) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _ring(self, number: int, frame: object) -> None:
        if self._armed:
            self._armed = False
            raise TookTooLong


_ALARM: Final = _Alarm()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Ends what runs inside once it has used this much processor time, in seconds.

    Not to be nested. Whatever was interrupted may have left its own state half changed.

    Raises:
        TookTooLong: it took longer.
    """
    if threading.get_ident() != threading.main_thread().ident:
        yield
        return
    _ALARM.set(seconds)
    try:
        yield
    finally:
        _ALARM.unset()
