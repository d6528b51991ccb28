"""A whole service for one measurement: `winnow serve` on a free port and a new folder."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cpu


@dataclass
class Running:
    """A running service."""

    url: str
    admin_key: str
    ready_s: float
    """Seconds from start to ready."""
    pid: int

    def memory_mb(self) -> dict[str, float]:
        """Proportional set size (PSS) of the supervisor and every process below it, in MB."""
        sizes: dict[str, float] = {}
        for pid in cpu.below(self.pid):
            name = _name(pid)
            sizes[name] = sizes.get(name, 0.0) + cpu.pss_mb(pid)
        sizes["all"] = sum(sizes.values())
        return {name: round(size, 1) for name, size in sizes.items()}

    def pids(self) -> dict[str, list[int]]:
        """The processes by name: supervisor, web, worker, store."""
        found: dict[str, list[int]] = {}
        for pid in cpu.below(self.pid):
            with contextlib.suppress(OSError):
                found.setdefault(_name(pid), []).append(pid)
        return found


@contextlib.contextmanager
def running(web_processes: int = 2, **settings: str) -> Iterator[Running]:
    """Starts a service without rate limits, and stops it."""
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        port, admin_key = free_port(), "ak_" + secrets.token_hex(12)
        environ = {
            **os.environ,
            "WINNOW_DATA_DIR": folder,
            "WINNOW_PORT": str(port),
            "WINNOW_ADMIN_KEY": admin_key,
            "WINNOW_WEB_PROCESSES": str(web_processes),
            "WINNOW_RATE_LIMITS": "off",
            "WINNOW_LOG_LEVEL": "warning",
            **settings,
        }
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"],
            env=environ,
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_ready(url, process)
            yield Running(url, admin_key, time.monotonic() - started, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def free_port() -> int:
    """A TCP port that nobody uses at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with {process.returncode}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url + "/readyz", timeout=2)
            return
        time.sleep(0.02)
    raise TimeoutError("the service did not become ready")


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    if "service.process" in words:
        return words[words.index("service.process") + 1]
    return "store" if "server" in words[0] else "supervisor"
