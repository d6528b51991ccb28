"""Requirements of a worker that runs alone: it tells whether it lives, and its own metrics."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.conftest import ROOT, SECRET, until

WORKER = "import sys; sys.argv = ['winnow', 'worker']; from service.cli import main; main()"


def launch(home: Path, redis_url: str, port: int) -> subprocess.Popen[bytes]:
    environ = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "WINNOW_DATA_DIR": str(home),
        "WINNOW_REDIS_URL": redis_url, "WINNOW_SECRET": SECRET.hex(),
        "WINNOW_WORKER_PORT": str(port), "WINNOW_DRAIN_S": "1",
    }  # fmt: skip
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=home, env=environ, stderr=log, stdout=log
        )


def test_a_worker_alone_answers_livez_and_metrics_and_nothing_else(
    tmp_path: Path, redis_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    worker = launch(tmp_path, redis_url, port)
    try:
        base = f"http://127.0.0.1:{port}"

        def alive() -> httpx.Response | None:
            assert worker.poll() is None, (tmp_path / "log").read_text()
            try:
                return httpx.get(f"{base}/livez", timeout=5)
            except httpx.TransportError:
                return None

        assert until(alive, 60).json()["status"] == "alive"
        until(lambda: 'winnow_round_duration_seconds_count{round="reap"}' in text(base), 60)
        assert 'winnow_processes{role="worker"} 1.0' in text(base)
        # It loads a model when a comment waits for one: until then none is missing.
        assert "winnow_model_loaded{" not in text(base)
        assert httpx.get(f"{base}/v1/sites").status_code == 404
    finally:
        worker.terminate()
        assert worker.wait(30) == 0


def text(base: str) -> str:
    return httpx.get(f"{base}/metrics", timeout=20).text


def test_a_port_that_is_taken_stops_the_start_with_exit_code_78(
    tmp_path: Path, redis_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        worker = launch(tmp_path, redis_url, taken.getsockname()[1])
        assert worker.wait(60) == 78
    assert "worker_port" in (tmp_path / "log").read_text()
