"""Requirements of processes that exist but do nothing more, of systemd, and of reloads."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service.beats import COUNTERS, Board, Watch
from tests.conftest import Site, Winnow, comment, until


def metric(winnow: Winnow, name: str) -> float:
    rows = winnow.ask("GET", "/metrics").text.splitlines()
    return next(float(row.split()[-1]) for row in rows if row.startswith(f"winnow_{name} "))


@pytest.fixture(scope="module")
def hasty(launch_winnow: Callable[..., Winnow]) -> Iterator[Winnow]:
    """A service that soon thinks that a process hangs."""
    winnow = launch_winnow(WINNOW_HANG_S="4")
    yield winnow
    assert winnow.stop() == 0


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_process_that_hangs_is_replaced(hasty: Winnow, role: str) -> None:
    """SIGSTOP: it does not end, but stops beating; after `hang_s` it is killed and replaced."""
    before, hung = hasty.children(f" {role}"), metric(hasty, "children_hung")
    os.kill(before[0], signal.SIGSTOP)
    until(lambda: before[0] not in hasty.children(f" {role}"), 40)
    until(lambda: len(hasty.children(f" {role}")) == len(before), 40)
    site = hasty.site(plain=True)
    assert [site.submit(body=f"Text {n}").status_code for n in range(10)] == [201] * 10
    until(lambda: metric(hasty, "children_hung") == hung + 1)
    assert metric(hasty, f'child_restarts{{role="{role}"}}') == 1
    assert '"child hangs"' in hasty.log.read_text()


def test_nobody_is_killed_for_a_while_in_which_the_supervisor_slept(hasty: Winnow) -> None:
    """The whole service stopped for longer than `hang_s`, as when a machine sleeps: all live on."""
    before = sorted(hasty.children())
    everyone = [hasty.process.pid, *before]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(6)
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    assert hasty.site(plain=True).submit().status_code == 201
    assert sorted(hasty.children()) == before


def test_a_server_that_does_not_answer_is_told_of_and_not_killed(hasty: Winnow) -> None:
    """A stopped server (a hung disk looks the same): 503 and a metric; it goes on where it was."""
    site, pid = hasty.site(plain=True), hasty.server_pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: hasty.ask("GET", "/readyz").status_code == 503, 20)
    assert hasty.ask("GET", "/livez").status_code == 200
    answer = site.submit()
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    until(lambda: metric(hasty, "store_silent_seconds") > 0, 40)
    os.kill(pid, signal.SIGCONT)
    until(lambda: site.submit(body="Again.").status_code == 201, 20)
    until(lambda: metric(hasty, "store_silent_seconds") == 0, 40)
    assert hasty.server_pid == pid


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self.told += self._socket.recv(4096).decode().split("\n")


def test_systemd_is_told_of_start_life_reload_and_stop(
    launch_winnow: Callable[..., Winnow], tmp_path: Path
) -> None:
    """READY=1 once it serves, WATCHDOG=1 while it lives, STOPPING=1 as soon as it stops.

    On the way: settings that are refused at a reload change nothing, and a stop with
    `drain_wait_s` says so on /readyz before it refuses requests.
    """
    systemd = Systemd(tmp_path / "notify")
    (tmp_path / "winnow.toml").write_text("log_level = 'info'\n")
    winnow = launch_winnow(
        tmp_path,
        WINNOW_WEB_PROCESSES="1",
        WINNOW_DRAIN_WAIT_S="4",
        NOTIFY_SOCKET=str(tmp_path / "notify"),
        WATCHDOG_USEC="2000000",
    )
    until(lambda: systemd.told.count("WATCHDOG=1") >= 3)
    assert systemd.told.index("READY=1") < systemd.told.index("WATCHDOG=1")
    assert f"MAINPID={winnow.process.pid}" in systemd.told
    environ = Path(f"/proc/{winnow.children(' web')[0]}/environ").read_bytes()
    assert b"NOTIFY_SOCKET" not in environ
    assert b"WATCHDOG" not in environ
    for number, word in enumerate(("loud", "error"), start=1):
        (tmp_path / "winnow.toml").write_text(f"log_level = '{word}'\n")
        winnow.process.send_signal(signal.SIGUSR2)
        until(lambda n=number: systemd.told.count("READY=1") == 1 + n, 60)
        assert level(winnow) == {"loud": "info", "error": "error"}[word]
    assert '"settings refused; the old ones stay"' in winnow.log.read_text()
    assert systemd.told.count("RELOADING=1") == 2
    stopped_beating(winnow, systemd)
    site: Site = winnow.site(plain=True)
    winnow.process.send_signal(signal.SIGTERM)
    until(lambda: winnow.ask("GET", "/readyz").status_code == 503, 3)
    assert site.submit().status_code == 201
    assert httpx.get(f"{winnow.url}/livez").status_code == 200
    assert "STOPPING=1" in systemd.told
    assert winnow.process.wait(20) == 0


def stopped_beating(winnow: Winnow, systemd: Systemd) -> None:
    """A supervisor that hangs tells systemd nothing, so that systemd restarts the service."""
    winnow.process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    before = systemd.told.count("WATCHDOG=1")
    time.sleep(3)
    assert systemd.told.count("WATCHDOG=1") == before
    winnow.process.send_signal(signal.SIGCONT)


def level(winnow: Winnow) -> str:
    environ = Path(f"/proc/{winnow.children(' web')[0]}/environ").read_bytes().split(b"\0")
    return next(v[17:].decode() for v in environ if v.startswith(b"WINNOW_LOG_LEVEL="))


def test_a_reload_replaces_every_process_and_loses_no_request(
    hasty: Winnow,
) -> None:
    """New processes with new settings take over one by one, under load, at the same address."""
    winnow = hasty
    site = winnow.site(plain=True)
    before = set(winnow.children("service.process"))
    stop, failed, answered = threading.Event(), [], []

    def send(number: int) -> None:
        with httpx.Client(base_url=winnow.url, timeout=30) as client:
            while not stop.is_set():
                given = comment(body=f"{number}: comment {len(answered)}.")
                headers = {"Authorization": f"Bearer {site.secret}"}
                try:
                    answer = client.post("/v1/comments", json=given, headers=headers)
                except (httpx.RemoteProtocolError, httpx.ReadError) as error:
                    # An idle connection may be closed just as a request leaves; clients retry.
                    failed.append(f"closed: {error}")
                    continue
                (answered if answer.status_code == 201 else failed).append(answer.text)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(answered) > 20, 30)
    winnow.process.send_signal(signal.SIGUSR2)
    until(lambda: '"reloaded"' in winnow.log.read_text(), 90)
    count = len(answered)
    until(lambda: len(answered) > count + 20, 30)
    stop.set()
    for thread in threads:
        thread.join()
    assert [each for each in failed if not each.startswith("closed")] == []
    assert len(failed) <= 3 * len(before)
    assert before.isdisjoint(winnow.children("service.process"))
    assert len(winnow.children("service.process")) == len(before)


def test_a_board_shows_each_childs_beats_and_what_the_supervisor_told() -> None:
    """Numbers of different children and counters do not mix."""
    board = Board.create(3)
    other = Board(os.dup(board.descriptor))
    board.beat(0)
    other.beat(2)
    other.beat(2)
    assert [board.beats(slot) for slot in range(3)] == [1, 0, 2]
    board.count("hung")
    board.tell("store_silent_s", 7)
    assert other.told() == dict.fromkeys(COUNTERS, 0) | {"hung": 1, "store_silent_s": 7}
    other.close()
    board.close()


def test_only_a_number_that_moved_before_can_stand_still() -> None:
    """Whoever has not beaten yet is still starting; a successor is not judged by the one before."""
    watch = Watch()
    watch.begin(5)
    assert [watch.stood_still(5) for _ in range(3)] == [0, 0, 0]
    assert [watch.stood_still(beats) for beats in (6, 6, 6, 7, 7)] == [0, 1, 2, 0, 1]
    watch.begin(7)
    assert watch.stood_still(7) == 0
