"""The way out for log lines: a bounded queue and a thread of its own.

A terminal that is stopped, a pipe that nobody reads or a disk that is full must never hold a
request: what cannot be written in time is dropped and counted, and a line says how much.
"""

import atexit
import json
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

HELD_MAX: Final = 4 << 20
"""Bytes that may wait; some ten thousand lines."""
LAST_WORDS_S: Final = 1.0
"""How long the end of the process waits for what is still held."""


class Outlet:
    """A text stream that takes whole lines and never blocks."""

    def __init__(self, descriptor: int, on_drop: Callable[[int], None] | None = None) -> None:
        """`on_drop` is told how many lines were dropped, as often as some were."""
        self.on_drop = on_drop
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._held = 0
        self._lost = 0
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Take a line, or drop it."""
        line = text.encode(errors="backslashreplace")
        with self._changed:
            taken = self._held + len(line) <= HELD_MAX
            if taken:
                self._lines.append(line)
                self._held += len(line)
                self._start()
                self._changed.notify_all()
        if not taken:
            self._drop(1)
        return len(text)

    def flush(self) -> None:
        """Nothing to do: lines leave by themselves."""

    def isatty(self) -> bool:
        """Whether somebody reads along."""
        return os.isatty(self._descriptor)

    def close(self) -> None:
        """Wait a little for what is held."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held, LAST_WORDS_S)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="log", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _drop(self, count: int) -> None:
        with self._changed:
            self._lost += count
        if self.on_drop is not None:
            self.on_drop(count)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                lines, self._lines = list(self._lines), deque()
                lost, self._lost = self._lost, 0
            self._put(lines, lost)
            with self._changed:
                self._held -= sum(map(len, lines))
                self._changed.notify_all()

    def _put(self, lines: list[bytes], lost: int) -> None:
        """Writes lines, and behind them how many were lost before."""
        notice = [_notice(lost)] if lost else []
        rest = b"".join([*lines, *notice])
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # whoever shares the pipe made it non-blocking
                select.select([], [self._descriptor], [], 1.0)
            except OSError:  # a full disk, a closed pipe
                with self._changed:
                    self._lost += lost  # still to be told
                self._drop(rest.count(b"\n") - len(notice))
                time.sleep(0.05)  # the log's own pace, so that a broken one costs nothing
                return


def _notice(lost: int) -> bytes:
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    fields = {"ts": at, "level": "warning", "event": "log lines dropped", "count": lost}
    return json.dumps(fields | {"part": "log"}).encode() + b"\n"
