"""Who takes part in `intake.py`: Winnow, its ceiling, and what people use today.

Each is started fresh on a free port with a store of its own (`appendfsync always` for whoever uses
Redis), behind uvicorn with uvloop and httptools (Isso, which is WSGI: gunicorn).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bodies
import cpu
from load import Bodies, Pids
from running import free_port, running

from service.settings import Settings
from service.store import embedded

HERE = Path(__file__).parent
RIVALS = HERE / "rivals"
RIVALS_PYTHON = HERE.parent / ".venv-rivals" / "bin" / "python"


@dataclass
class Contestant:
    """A running service, ready for load."""

    url: str
    bodies: Bodies
    key: str
    pids: Pids


@contextlib.contextmanager
def winnow(texts: list[str], processes: int) -> Iterator[Contestant]:
    """The whole service: `winnow serve` with its supervisor, worker and embedded store."""
    with running(processes) as service:
        key = make_site(service.url, service.admin_key, "bench")
        rows: list[tuple[str, object]] = [
            ("/v1/comments", bodies.submission(k, text, "bench")) for k, text in enumerate(texts)
        ]
        found = service.pids()
        pids = Pids([pid for some in found.values() for pid in some], found["store"])
        yield Contestant(service.url, Bodies(rows), key, pids)


@contextlib.contextmanager
def ceiling(texts: list[str], processes: int) -> Iterator[Contestant]:
    """Bare ASGI, the same decoder, the same Lua over a bare connection; no scoring, no rules."""
    rows: list[tuple[str, object]] = [
        ("/v1/comments", bodies.submission(k, text, "bench")) for k, text in enumerate(texts)
    ]
    with store_alone() as store:
        given = {"WINNOW_TEST_STORE": store.admin_url}
        with _uvicorn(sys.executable, "ceiling:app", processes, given) as (url, pid):
            yield Contestant(url, Bodies(rows), "", Pids([*cpu.below(pid), store.pid], [store.pid]))


@contextlib.contextmanager
def echo(texts: list[str], processes: int) -> Iterator[Contestant]:
    """Bare ASGI that reads the body and says 201."""
    rows: list[tuple[str, object]] = [
        ("/v1/comments", bodies.submission(k, text, "bench")) for k, text in enumerate(texts)
    ]
    with _uvicorn(sys.executable, "echo:app", processes, {}) as (url, pid):
        yield Contestant(url, Bodies(rows), "", Pids(cpu.below(pid), []))


@contextlib.contextmanager
def usual(texts: list[str], processes: int, model: Path) -> Iterator[Contestant]:
    """FastAPI, redis-py and scikit-learn, as a developer would write it."""
    rows: list[tuple[str, object]] = [
        ("/v1/comments", bodies.submission(k, text, "bench")) for k, text in enumerate(texts)
    ]
    with store_alone() as store:
        given = {"WINNOW_TEST_STORE": store.admin_url, "WINNOW_TEST_MODEL": str(model)}
        with _uvicorn(str(RIVALS_PYTHON), "usual:app", processes, given) as (url, pid):
            yield Contestant(url, Bodies(rows), "", Pids([*cpu.below(pid), store.pid], [store.pid]))


@contextlib.contextmanager
def isso(texts: list[str], processes: int) -> Iterator[Contestant]:
    """Isso behind gunicorn, its guard off, its SQLite file as it comes; it scores nothing."""
    rows: list[tuple[str, object]] = []
    for k, text in enumerate(texts):
        query, body = bodies.isso(k, text)
        rows.append((f"/new?{query}", body))
    with tempfile.TemporaryDirectory(prefix="winnow-isso-") as folder:
        config = Path(folder) / "isso.cfg"
        config.write_text(
            f"[general]\ndbpath = {folder}/comments.db\nhost = http://127.0.0.1/\n"
            "notify = \n[moderation]\nenabled = true\n[guard]\nenabled = false\n"
            "[server]\nlisten = http://127.0.0.1:0\n"
        )
        port = free_port()
        command = [str(RIVALS_PYTHON), "-m", "gunicorn", "isso.run:application"]
        command += ["-w", str(processes), "-b", f"127.0.0.1:{port}", "--log-level", "critical"]
        command += ["-k", "gthread", "--threads", "8", "--keep-alive", "30"]
        with _process(command, {"ISSO_SETTINGS": str(config)}, port) as pid:
            url = f"http://127.0.0.1:{port}"
            yield Contestant(url, Bodies(rows), "", Pids(cpu.below(pid), []))


def make_site(url: str, admin_key: str, site: str) -> str:
    """A new site; returns a secret key of it."""
    ask(url, admin_key, "/v1/sites", {"id": site})
    return str(ask(url, admin_key, f"/v1/sites/{site}/keys", {"kind": "secret"})["key"])


def ask(url: str, key: str, path: str, content: Any = None, method: str = "POST") -> Any:
    """One call of the API."""
    request = urllib.request.Request(
        url + path,
        None if content is None else json.dumps(content).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read() or b"null")


@contextlib.contextmanager
def store_alone() -> Iterator[embedded.EmbeddedServer]:
    """A server as `winnow serve` starts it."""
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        server = embedded.start(Settings(data_dir=Path(folder)))
        server.wait_ready()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def _uvicorn(
    python: str, app: str, processes: int, environ: dict[str, str]
) -> Iterator[tuple[str, int]]:
    port = free_port()
    command = [python, "-m", "uvicorn", app, "--app-dir", str(RIVALS), "--port", str(port)]
    command += ["--workers", str(processes), "--no-access-log", "--log-level", "error"]
    command += ["--loop", "uvloop", "--http", "httptools"]
    command += ["--timeout-graceful-shutdown", "1"]
    with _process(command, environ, port) as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextlib.contextmanager
def _process(command: list[str], environ: dict[str, str], port: int) -> Iterator[int]:
    process = subprocess.Popen(
        command, env={**os.environ, **environ}, cwd=HERE.parent, stdout=subprocess.DEVNULL
    )
    try:
        _wait(port, process)
        yield process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            time.sleep(3)  # until every worker process has loaded
            return
        time.sleep(0.05)
    raise TimeoutError(f"{process.args!r} does not listen")
