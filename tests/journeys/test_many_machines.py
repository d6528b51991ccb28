"""Web processes and a worker that stand alone, as on several machines, on a Cluster."""

from __future__ import annotations

import json
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.conftest import Winnow, until
from tests.store import fleets

pytestmark = pytest.mark.fleet
PART = "from service.commands.serve import {0}; {0}(prog_name='winnow {0}')"


class WebOnly(Winnow):
    """`winnow serve --web-only` on a store of other machines."""

    def start(self) -> None:
        """Starts the command and waits until it listens."""
        self.process = self.part("serve", "--web-only")
        line = until(self._listening, 60)
        self.url = line.split()[3].rstrip(".")
        self.http = httpx.Client(base_url=self.url, timeout=20)

    def part(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Starts a part of the service with the same settings."""
        target = self._out if name == "serve" else self.home / name
        with target.open("wb") as out, self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", PART.format(name), *words],
                stdout=out,
                stderr=log,
                cwd=self.home,
                env=self._environ,
                start_new_session=True,
            )


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fleets.Cluster]:
    with fleets.running("cluster", tmp_path_factory.mktemp("machines") / "fleet") as running:
        yield running


@pytest.fixture(scope="module")
def web(fleet: fleets.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebOnly]:
    """Two web processes, and a worker, each without a store of its own."""
    started = WebOnly(
        tmp_path_factory.mktemp("web"),
        WINNOW_REDIS_URL=fleet.url,
        WINNOW_SECRET=secrets.token_hex(32),
        WINNOW_OUTGOING_NETWORKS="127.0.0.0/8",
    )
    worker = started.part("worker")
    # One that starts while no node answers says so and ends, for its own supervisor to start again.
    until(lambda: b"runs" in (started.home / "worker").read_bytes(), 60)
    yield started
    worker.send_signal(signal.SIGTERM)
    started.stop()
    assert worker.wait(30) == 0, started.log.read_text()[-3000:]


@pytest.fixture
def told() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """A webhook's receiver: its URL, and what it was told."""
    heard: queue.Queue[dict[str, Any]] = queue.Queue()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", heard
        server.shutdown()
        thread.join()


def test_a_comment_goes_all_the_way_through_a_cluster(
    web: WebOnly, told: tuple[str, queue.Queue[dict[str, Any]]]
) -> None:
    """Submit, queue, decide, event to the website: over web processes and a worker of their own."""
    url, heard = told
    ready = web.ask("GET", "/readyz").json()
    assert (ready["ready"], ready["durability_level"]) == (True, 2), ready
    site = web.site()
    hook = {"url": url, "events": ["comment.approved"]}
    answer = web.ask("POST", f"/v1/sites/{site.id}/webhooks", site.secret, json=hook)
    assert answer.status_code == 201, answer.text
    held = site.submitted()
    assert held["status"] == "pending"
    assert site.counts()["pending"] == 1
    assert site.decide(held["id"], "approve", 1).status_code == 200
    event = heard.get(timeout=60)
    assert event["type"] == "comment.approved"
    assert held["id"] in json.dumps(event["data"])
    assert web.admin("DELETE", f"/v1/sites/{site.id}").status_code in (202, 204)


def test_while_every_server_hangs_requests_are_refused_at_once_and_the_process_lives(
    web: WebOnly, fleet: fleets.Cluster
) -> None:
    """Neither does anybody wait for long, nor does the service need a restart afterwards."""
    site = web.site(plain=True)
    for node in fleet.servers:
        node.signal(signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 30
        took: list[float] = []
        while len(took) < 50 and time.monotonic() < deadline:
            began = time.monotonic()
            answer = site.submit()
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
            took.append(time.monotonic() - began)
            assert web.ask("GET", "/livez").status_code == 200
        assert sorted(took)[len(took) // 2] < 0.5, took
        assert web.ask("GET", "/readyz").status_code == 503
    finally:
        for node in fleet.servers:
            node.signal(signal.SIGCONT)
    until(lambda: site.submit().status_code == 201, 60)


def test_the_commands_of_an_operator_work_on_a_cluster(web: WebOnly, fleet: fleets.Cluster) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "service.cli", "doctor", "--json"],
        env=web._environ | {"WINNOW_PORT": "0"},
        cwd=web.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = {row["check"]: row for row in json.loads(said.stdout)["checks"]}
    assert found["store"]["state"] in ("ok", "warning"), found["store"]
    assert "on disk" in found["store"]["detail"]
    assert found["data"]["state"] == "ok"
