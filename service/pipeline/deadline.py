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

_ARMED: Final = threading.Event()
"""Whether the main thread is inside `deadline`: an alarm that rings later is nobody's."""


class TookTooLong(Exception):
    """A computation was given up."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Ends what runs inside once it has used this much processor time, in seconds.

    Not to be nested. Whatever was interrupted may have left its own state half changed.

    Raises:
        TookTooLong: it took longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGVTALRM, _ring)
    _ARMED.set()
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        _ARMED.clear()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _ring(number: int, frame: object) -> None:
    if _ARMED.is_set():
        _ARMED.clear()
        raise TookTooLong
