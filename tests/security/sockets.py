"""Plain connections, for what no HTTP client would send, and a process's memory."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import Winnow


@contextmanager
def raw(winnow: Winnow, *, timeout_s: float = 40) -> Iterator[socket.socket]:
    """A plain connection to a service."""
    url = urlsplit(winnow.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=timeout_s) as open_:
        yield open_


def answer_of(connection: socket.socket) -> bytes:
    """Everything the other side says until it ends the connection."""
    said = b""
    try:
        while part := connection.recv(65_536):
            said += part
    except ConnectionResetError:
        pass  # it had not read all we sent; what it said is what counts
    return said


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MiB."""
    with Path(f"/proc/{pid}/status").open() as status:
        rows: Any = (line.split() for line in status)
        return next(int(row[1]) for row in rows if row[0] == "VmRSS:") / 1024
