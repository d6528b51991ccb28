"""What `winnow serve` tells systemd (sd_notify(3)): ready, stopping, still alive.

A service of `Type=notify` gets a datagram socket in NOTIFY_SOCKET; without one, nothing is told.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Meant for the supervisor, and not passed on to its children."""


def tell(environ: Mapping[str, str], *states: str) -> None:
    """Send some states, for example `READY=1`; a systemd that does not listen is no failure."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out, suppress(OSError):
        out.setblocking(False)
        # An address in the abstract name space is written with an @ for its first NUL.
        out.sendto("\n".join(states).encode(), address.replace("@", "\0", 1))


def reloading() -> str:
    """The states that announce a reload; READY=1 ends it."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"


def watchdog_s(environ: Mapping[str, str]) -> float:
    """How often to send `WATCHDOG=1`, in seconds: half of what systemd allows; 0 for never."""
    text, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not text.isdigit() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(text) / 2_000_000
