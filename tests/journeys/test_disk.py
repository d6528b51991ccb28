"""Requirements of a disk that fills up, on a small one of its own: nothing acknowledged is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service.store import disk
from tests.conftest import ROOT, Site, Winnow, until

SIZE = 64 << 20


class Disk:
    """A small file system that holds a data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def free(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Takes up room until only so much is left."""
        with (self.path / "filler").open("ab") as file:
            while (wanted := self.free - leave) > 0:
                try:
                    file.write(bytes(min(wanted, 1 << 20)))
                    file.flush()
                except OSError:
                    return

    def ease(self) -> None:
        """Gives the room back."""
        (self.path / "filler").unlink(missing_ok=True)

    def grow(self, size: int) -> None:
        """As an operator enlarges a volume."""
        command = ["mount", "-o", f"remount,size={size}", str(self.path)]
        subprocess.run(command, check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 64 MiB, mounted as the data folder of `tmp_path`."""
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    options = f"size={SIZE},mode=0700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "winnow-test", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield Disk(path)
    subprocess.run(["umount", "-l", str(path)], check=False)


class Senders:
    """Websites that send comments as fast as they are taken, and note what they were told."""

    def __init__(self, site: Site, count: int = 2) -> None:
        self.acked: list[str] = []
        self.refused: list[httpx.Response] = []
        self.broken: list[str] = []
        self._site = site
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _send(self, number: int) -> None:
        with httpx.Client(base_url=self._site.winnow.url, timeout=20) as client:
            headers = {"Authorization": f"Bearer {self._site.secret}"}
            sent = 0
            while not self._stop.is_set():
                sent += 1
                given = {
                    "page": "https://news.example/a/1",
                    "name": "A reader",
                    "email": f"reader{number}@example.org",
                    "body": f"Sender {number}, comment {sent}. " + "Quite a long one. " * 40,
                }
                try:
                    answer = client.post("/v1/comments", headers=headers, json=given)
                except httpx.HTTPError as error:
                    self.broken.append(repr(error))
                    continue
                if answer.status_code == 201:
                    self.acked.append(answer.json()["id"])
                else:
                    self.refused.append(answer)
                    time.sleep(0.02)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def sending() -> Iterator[Callable[[Site], Senders]]:
    """Starts senders; they end with the test."""
    started: list[Senders] = []

    def start(site: Site) -> Senders:
        started.append(Senders(site))
        return started[-1]

    yield start
    for senders in started:
        senders.stop()


def check(winnow: Winnow, name: str) -> tuple[int, bool]:
    """The status of /readyz, and whether one of its checks is well."""
    answer = winnow.ask("GET", "/readyz")
    found = {each["name"]: each["ok"] for each in answer.json()["checks"]}
    return answer.status_code, found[name]


def metric(winnow: Winnow, name: str) -> float:
    rows = winnow.ask("GET", "/metrics").text.splitlines()
    return next(float(row.split()[-1]) for row in rows if row.startswith(f"winnow_{name} "))


def imported(winnow: Winnow, site: Site, line: str) -> tuple[int, str]:
    """The exit code and complaint of `winnow import`, beside the running service."""
    given = winnow.home / "given.jsonl"
    given.write_text(line + "\n")
    done = subprocess.run(
        [sys.executable, "-c", "from service.cli import main; main()", "import", site.id, given],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WINNOW_DATA_DIR": str(winnow.home / "data")},
        check=False,
    )
    return done.returncode, done.stderr


def all_there(site: Site, ids: list[str]) -> bool:
    return all(site.ask("GET", f"/v1/comments/{each}").status_code == 200 for each in ids)


def test_intake_stops_before_the_disk_is_full_and_all_else_goes_on(
    launch_winnow: Callable[..., Winnow],
    small: Disk,
    sending: Callable[[Site], Senders],
    tmp_path: Path,
) -> None:
    """503 with Retry-After below the reserve; decisions, reads and erasures work; it heals."""
    winnow = launch_winnow(tmp_path)
    site = winnow.site(plain=True)
    first = site.submitted()
    senders = sending(site)
    until(lambda: len(senders.acked) > 20)
    assert check(winnow, "disk") == (200, True)
    pid = winnow.server_pid
    small.fill(leave=disk.room(small.path, None).reserve // 2)
    refusal = until(lambda: next(iter(senders.refused), None), 20)
    assert (refusal.status_code, refusal.json()["code"]) == (503, "unavailable")
    assert "out of disk" in refusal.json()["detail"]
    assert int(refusal.headers["retry-after"]) > 0
    time.sleep(1.5)  # each web process looks for itself
    assert check(winnow, "disk") == (200, False)
    assert metric(winnow, 'intake_open{short_of="disk"}') == 0
    assert metric(winnow, "disk_free_bytes") < metric(winnow, "disk_reserve_bytes")
    assert site.decide(first["id"], "reject", 1).status_code == 200
    assert site.ask("GET", "/v1/queues/rejected").json()["total"] == 1
    erased = site.ask("POST", f"/v1/sites/{site.id}/erasures", json={"email": "reader@example.org"})
    assert erased.status_code in (200, 202)
    assert winnow.server_pid == pid
    line = '{"page": "/a", "name": "A", "email": "a@example.org", "body": "From elsewhere."}'
    code, said = imported(winnow, site, line)
    assert (code, "out of disk" in said) == (69, True)
    small.ease()
    count = len(senders.acked)
    until(lambda: len(senders.acked) > count, 20)
    time.sleep(1.5)
    assert check(winnow, "disk") == (200, True)
    senders.stop()
    assert imported(winnow, site, line)[0] == 0
    assert senders.broken == []
    assert {each.status_code for each in senders.refused} == {503}
    assert all_there(site, senders.acked)
    said = winnow.log.read_text()
    assert said.count('"intake closed"') == said.count('"intake open"') == 2  # one a web process
    assert winnow.stop() == 0


def test_a_full_disk_loses_nothing_and_heals_when_it_grows(
    launch_winnow: Callable[..., Winnow],
    small: Disk,
    sending: Callable[[Site], Senders],
    tmp_path: Path,
) -> None:
    """The server ends at a write it cannot do; the ballast lets it start; decisions go on."""
    winnow = launch_winnow(tmp_path)
    site = winnow.site(plain=True)
    first = site.submitted()
    ballast = small.path / "ballast"
    until(ballast.exists, 30)
    assert ballast.stat().st_blocks * 512 >= SIZE // 100 - 4096
    senders = sending(site)
    until(lambda: len(senders.acked) > 20)
    pid = winnow.server_pid
    small.fill()
    until(lambda: "ballast dropped" in winnow.log.read_text(), 30)
    until(lambda: serves(winnow) and winnow.server_pid != pid, 30)
    senders.stop()
    answer = until(lambda: ok(site, first), 30)
    assert answer["status"] == "rejected"
    small.grow(2 * SIZE)
    again = sending(site)
    until(lambda: len(again.acked) > 20, 40)
    again.stop()
    until(ballast.exists, 40)
    assert all_there(site, senders.acked + again.acked)
    assert {each.status_code for each in senders.refused} <= {503}
    # Counting into a file that has holes, on a full disk, would kill: the metrics are elsewhere.
    assert "child ended" not in winnow.log.read_text()
    assert winnow.stop() == 0


def serves(winnow: Winnow) -> bool:
    try:
        return check(winnow, "store")[1] and bool(winnow.server_pid)
    except Exception:  # the server is just being replaced
        return False


def ok(site: Site, made: dict[str, object]) -> dict[str, object] | None:
    answer = site.decide(str(made["id"]), "reject", 1)
    if answer.status_code == 409:  # an earlier try was written, and its answer lost
        return dict(site.ask("GET", f"/v1/comments/{made['id']}").json())
    return dict(answer.json()) if answer.status_code == 200 else None


def test_a_server_that_cannot_start_is_not_tried_without_pause(
    launch_winnow: Callable[..., Winnow], small: Disk, tmp_path: Path
) -> None:
    """On a disk that stays full and has no ballast left: some starts, ever further apart."""
    winnow = launch_winnow(tmp_path, WINNOW_DISK_RESERVE="0", WINNOW_WEB_PROCESSES="1")
    site = winnow.site(plain=True)
    acked = [site.submitted(body=f"Text {n}.")["id"] for n in range(5)]
    until((small.path / "ballast").exists, 30)
    small.fill()
    until(lambda: "ballast dropped" in winnow.log.read_text() or not site_writes(site), 30)
    small.fill()
    until(lambda: not site_writes(site), 30)
    starts = winnow.log.read_text().count("embedded server ended")
    time.sleep(6)
    tried = winnow.log.read_text().count("embedded server ended") - starts
    assert tried <= 8
    small.grow(2 * SIZE)
    until(lambda: site_writes(site), 40)
    assert all_there(site, acked)
    assert winnow.stop() == 0


def site_writes(site: Site) -> bool:
    return site.submit(body="Is there room?").status_code == 201


def test_the_reserve_is_small_on_a_small_disk(small: Disk) -> None:
    """A twentieth of it, and the append-only file's size; the default never asks for more."""
    assert disk.room(small.path, None).reserve == int(SIZE * disk.MARGIN_SHARE)
    data = small.path / "redis" / "appendonlydir"
    data.mkdir(parents=True)
    (data / "x.aof").write_bytes(bytes(1 << 20))
    assert disk.room(small.path, None).reserve == int(SIZE * disk.MARGIN_SHARE) + (1 << 20)
    assert disk.room(small.path, 5 << 20).reserve == 6 << 20
    assert disk.room(small.path, 0).reserve == 0
    (data.parent / "temp-rewriteaof-1.aof").write_bytes(bytes(2 << 20))
    assert disk.room(small.path, None).free == small.free + (2 << 20)


def test_the_ballast_takes_real_room_and_gives_it_back(small: Disk) -> None:
    """Its blocks are allocated; it is dropped only when little is free, and made again later."""
    ballast, before = disk.Ballast(small.path), small.free
    assert ballast.restore(None)
    assert not ballast.restore(None)
    assert before - small.free >= ballast.size()
    assert not ballast.drop()
    small.fill()
    assert not disk.Ballast(small.path).restore(None)
    assert ballast.drop()
    assert not ballast.drop()
    assert small.free >= ballast.size()
    assert not ballast.restore(None)
    small.ease()
    assert ballast.restore(None)
