"""Requirements of `winnow serve`'s supervisor: real processes, a real server, a tiny real child."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from service.children import ChildContext, Pauses, read_child_context
from service.settings import Settings, SettingsError
from service.store import embedded

ROOT = Path(__file__).parents[2]

CHILD = r"""
import json, os, select, signal, socket, sys, time
import redis
from service.children import announce_ready, await_store, read_child_context
from service.setting_sources import load

context, settings = read_child_context(os.environ), load(os.environ)
manner = os.environ.get("WINNOW_TEST_MANNER", "")
with open(settings.data_dir / "pids", "a") as pids:
    pids.write(f"{context.role} {os.getpid()}\n")
if manner == "misconfigured":
    sys.exit(78)
if manner == "broken":
    sys.exit(1)
redis_url = await_store(context)
stop_in, stop_out = os.pipe()
signal.signal(signal.SIGTERM, lambda *_: manner == "stubborn" or os.close(stop_out))
listener = socket.socket(fileno=context.listen_fd) if context.listen_fd is not None else None
if listener:
    listener.setblocking(False)
watched = [context.alive_fd, stop_in] + ([listener] if listener else [])
announce_ready(context)
while True:
    ready, _, _ = select.select(watched, [], [])
    if context.alive_fd in ready or stop_in in ready:
        sys.exit(0)
    try:
        connection, _ = listener.accept()
    except BlockingIOError:  # the other web process was faster
        continue
    connection.setblocking(True)
    with connection, redis.Redis.from_url(redis_url) as store:
        connection.recv(65536)
        try:
            count = store.incr("count")
        except redis.RedisError:
            count = None
        answer = json.dumps({"pid": os.getpid(), "count": count, "port": settings.port}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + answer)
"""

SERVE = r"""
import json, os, sys, time
from service import log
from service.setting_sources import load
from service.supervise import run

def bootstrap(url, settings):
    say("bootstrap", redis=url)
    time.sleep(float(os.environ.get("WINNOW_TEST_BOOTSTRAP_S", 0)))

def on_ready(url, first_start):
    say("ready", url=url, first_start=first_start)

def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)

log.configure()
role, child = sys.argv[1:]
command = (sys.executable, child)
sys.exit(run(load(os.environ), role=role, bootstrap=bootstrap, on_ready=on_ready, command=command))
"""


def eventually(done: Callable[[], Any], timeout_s: float = 15) -> Any:
    until = time.monotonic() + timeout_s
    while not (found := done()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
    return found


def runs(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return state.stdout.strip() != "" and not state.stdout.strip().startswith("Z")


class Serving:
    """One `serve` process on one data folder."""

    def __init__(self, tmp_path: Path, role: str = "all", **environ: str) -> None:
        self.home = tmp_path / "data"
        said = Path(tempfile.mkdtemp(dir=tmp_path))
        self._out, self._err = said / "out", said / "err"
        (tmp_path / "child.py").write_text(CHILD)
        (tmp_path / "serve.py").write_text(SERVE)
        given = {
            "WINNOW_DATA_DIR": str(self.home),
            "WINNOW_PORT": "0",
            "WINNOW_DRAIN_S": "5",
            "WINNOW_WEB_PROCESSES": "1",
        }
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, tmp_path / "serve.py", role, tmp_path / "child.py"],
                stdout=out,
                stderr=err,
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | given | environ,
            )

    def said(self, event: str) -> dict[str, Any] | None:
        lines = [
            json.loads(line) for line in self._out.read_text().splitlines() if line.endswith("}")
        ]
        return next((line for line in lines if line["event"] == event), None)

    def ready(self) -> dict[str, Any]:
        return eventually(self._ready_or_ended)

    def _ready_or_ended(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, self.complaint()
        return self.said("ready")

    def ended(self) -> int:
        return self.process.wait(20)

    def complaint(self) -> str:
        return self._err.read_text()

    def ask(self) -> dict[str, Any]:
        host, port = self.ready()["url"].removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        try:
            connection.request("GET", "/")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def pids(self, role: str = "") -> list[int]:
        """Of every child that ever started."""
        path = self.home / "pids"
        lines = path.read_text().split("\n") if path.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith(role) and line]

    def server_pid(self) -> int:
        return json.loads((self.home / "server.json").read_text())["pid"]

    def end_all(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    started: list[Serving] = []

    def start(role: str = "all", **environ: str) -> Serving:
        started.append(Serving(tmp_path, role, **environ))
        return started[-1]

    yield start
    for each in started:
        each.end_all()
    if started and embedded.running_url(started[-1].home):
        embedded.start(Settings(data_dir=started[-1].home)).stop()


def test_everything_comes_up_and_says_so_once(serve):
    """The keys are made first, then children run, then the real URL is reported."""
    service = serve(WINNOW_WEB_PROCESSES="3")
    ready = service.ready()
    assert ready["first_start"] is True
    assert service.said("bootstrap")["redis"] == embedded.running_url(service.home)
    assert service.ask()["port"] == int(ready["url"].rpartition(":")[2])
    assert len(service.pids("worker")) == 1
    assert len(service.pids("web")) == 3


def test_children_load_while_the_store_starts_and_go_on_only_once_all_is_made(serve):
    """They run before the keys are made, and serve after that."""
    service = serve(WINNOW_TEST_BOOTSTRAP_S="2")
    eventually(lambda: service.said("bootstrap"))
    eventually(lambda: len(service.pids()) == 2)
    time.sleep(0.5)
    assert service.said("ready") is None
    service.ready()
    assert len(service.pids()) == 2


def test_children_that_still_wait_for_the_store_end_with_their_supervisor(serve):
    """kill -9 before the store was told of: nobody stays behind."""
    service = serve(WINNOW_TEST_BOOTSTRAP_S="20")
    eventually(lambda: service.said("bootstrap") and len(service.pids()) == 2)
    service.process.kill()
    service.process.wait()
    eventually(lambda: not any(runs(pid) for pid in service.pids()))


def test_a_stop_does_not_wait_for_children_that_wait(serve):
    """SIGTERM during the bootstrap: exit code 0 within its length, no child left."""
    service = serve(WINNOW_TEST_BOOTSTRAP_S="2")
    eventually(lambda: service.said("bootstrap") and len(service.pids()) == 2)
    service.process.terminate()
    assert service.ended() == 0
    assert not any(runs(pid) for pid in service.pids())


def test_only_the_first_start_is_a_first_start(serve):
    """Data survive a stop, and the second start says that the folder is not new."""
    first = serve()
    count = first.ask()["count"]
    first.end_all()
    second = serve()
    assert second.ready()["first_start"] is False
    assert second.ask()["count"] == count + 1


def test_a_second_start_is_refused_at_once_and_names_the_first(serve):
    """Exit code 75, and the running process in the message."""
    first = serve()
    first.ready()
    second = serve()
    assert second.ended() == 75
    assert f"already runs on {first.home} (process {first.process.pid})" in second.complaint()
    assert first.ask()["count"]


def test_a_crashed_web_process_is_replaced(serve):
    """kill -9 of a child: another answers in its place, on the same port."""
    service = serve()
    pid = service.ask()["pid"]
    os.kill(pid, signal.SIGKILL)
    assert service.ask()["pid"] != pid


def test_a_crashed_worker_is_replaced(serve):
    """kill -9 of the worker: another takes its place."""
    service = serve()
    service.ready()
    os.kill(service.pids("worker")[0], signal.SIGKILL)
    eventually(lambda: len(service.pids("worker")) == 2)


def test_a_killed_server_comes_back_with_its_data(serve):
    """kill -9 of the embedded server: the same URL serves again, nothing acknowledged is lost."""
    service = serve()
    acked = [service.ask()["count"] for _ in range(5)][-1]
    pid = service.server_pid()
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: service.ask()["count"]) == acked + 1
    assert service.server_pid() != pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_leaves_no_process_behind(serve, number):
    """SIGTERM, Ctrl-C and a closed terminal: drained, exit code 0, nothing left."""
    service = serve()
    service.ready()
    pids = [*service.pids(), service.server_pid()]
    os.kill(service.process.pid, number)
    assert service.ended() == 0
    assert not any(map(runs, pids))
    assert not (service.home / "redis.sock").exists()


def test_a_stop_during_the_start_leaves_no_process_behind(serve):
    """SIGTERM as soon as there is a server, before any child is ready."""
    service = serve()
    eventually((service.home / "server.json").exists)
    service.process.terminate()
    assert service.ended() == 0
    assert embedded.running_url(service.home) is None
    assert not (service.home / "pids").exists() or not any(map(runs, service.pids()))


def test_ctrl_c_in_the_terminal_reaches_the_supervisor_only(serve):
    """Every child and the server live in sessions of their own."""
    service = serve()
    service.ready()
    assert all(os.getsid(pid) == pid for pid in [*service.pids(), service.server_pid()])


def test_a_killed_supervisor_leaves_no_children_and_its_server_is_adopted(serve):
    """kill -9 of the supervisor: children go by themselves; the next start adopts the server."""
    service = serve()
    acked = service.ask()["count"]
    port = service.ready()["url"].rpartition(":")[2]
    server, pids = service.server_pid(), service.pids()
    service.process.kill()
    service.process.wait()
    again = serve(WINNOW_PORT=port)
    assert again.ask()["count"] == acked + 1
    assert again.server_pid() == server
    eventually(lambda: not any(map(runs, pids)))
    os.kill(server, signal.SIGKILL)
    assert eventually(lambda: again.ask()["count"]) == acked + 2


def test_a_child_that_does_not_drain_is_killed(serve):
    """After `drain_s` and a little more nobody waits any longer; the exit code tells."""
    service = serve(WINNOW_TEST_MANNER="stubborn", WINNOW_DRAIN_S="0")
    service.ready()
    service.process.terminate()
    assert service.ended() == 1
    assert not any(map(runs, service.pids()))


def test_a_second_ctrl_c_hurries(serve):
    """The drain is cut short; still nothing is left."""
    service = serve(WINNOW_TEST_MANNER="stubborn", WINNOW_DRAIN_S="600")
    service.ready()
    service.process.send_signal(signal.SIGINT)
    eventually(lambda: "stopping" in service.complaint())
    service.process.send_signal(signal.SIGINT)
    assert service.ended() == 1
    assert not any(map(runs, service.pids()))
    assert embedded.running_url(service.home) is None


@pytest.mark.parametrize(
    ("manner", "code", "text"),
    [
        ("broken", 70, "ended 3 times before it was ready (last exit code 1)"),
        ("misconfigured", 78, "refused its configuration"),
    ],
)
def test_children_that_cannot_work_end_the_start(serve, manner, code, text):
    """A start that cannot succeed ends with one clear line instead of trying for ever."""
    service = serve(WINNOW_TEST_MANNER=manner)
    assert service.ended() == code
    assert text in service.complaint()
    assert embedded.running_url(service.home) is None


def test_a_port_in_use_ends_the_start(serve):
    """Exit code 69, before anything was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = serve(WINNOW_PORT=str(taken.getsockname()[1]))
        assert service.ended() == 69
    assert "cannot listen on 127.0.0.1 port" in service.complaint()
    assert not (service.home / "server.json").exists()


def test_refused_data_end_the_start_with_their_own_code(serve):
    """Exit code 65 and the reason, when the folder's data are gone."""
    service = serve()
    service.ready()
    service.end_all()
    (service.home / "epoch").write_text("somebody else's\n")
    again = serve()
    assert again.ended() == 65
    assert "another installation's" in again.complaint()
    assert embedded.running_url(service.home) is None


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_part_alone_needs_a_redis(serve, role):
    """Only `serve` as a whole has an embedded server."""
    service = serve(role)
    assert service.ended() == 78
    assert f"WINNOW_REDIS_URL: needed to run only the {role} part" in service.complaint()


def test_parts_run_apart_on_one_redis(serve, tmp_path):
    """Web processes and worker as two services, beside each other, on a server of somebody else."""
    server = embedded.start(Settings(data_dir=tmp_path / "elsewhere"))
    try:
        server.wait_ready()
        (tmp_path / "data").mkdir()
        web, worker = serve("web", WINNOW_REDIS_URL=server.url), serve_worker(tmp_path, server.url)
        worker.ready()
        assert web.ask()["count"] == 1
        assert web.ready()["first_start"] is False
        web.end_all()
        worker.end_all()
        assert len(web.pids("worker")) == 1
        with redis.Redis.from_url(server.url) as talk:
            assert talk.ping()
    finally:
        server.stop()


def serve_worker(tmp_path: Path, url: str) -> Serving:
    (tmp_path / "worker").mkdir()
    return Serving(
        tmp_path / "worker",
        "worker",
        WINNOW_REDIS_URL=url,
        WINNOW_DATA_DIR=str(tmp_path / "data"),
    )


def test_a_child_cannot_be_started_by_hand():
    """Without the supervisor's word there is nothing to serve on."""
    with pytest.raises(SettingsError, match="started by `winnow serve`"):
        read_child_context({"WINNOW_CHILD": '{"role": "cook"}'})


def test_a_child_reads_what_the_supervisor_wrote():
    """The hand-over is one JSON object."""
    text = '{"role":"web","index":1,"store_fd":2,"alive_fd":3,"ready_fd":4,"listen_fd":5}'
    told = read_child_context({"WINNOW_CHILD": text})
    assert told == ChildContext("web", 1, 2, 3, 4, 5)


def test_pauses_between_restarts_grow_and_are_forgiven():
    """0.1 s doubles up to 5 s; whoever ran for a while starts anew."""
    pauses = Pauses()
    assert [pauses.after(0) for _ in range(7)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert pauses.after(10) == 0.1
