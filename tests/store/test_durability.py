"""Requirements of the start: a store that promises too little is refused with one clear line."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.bootstrap import check_store
from service.ids import Secrets
from service.settings import Settings, SettingsError
from service.store import Store
from tests.conftest import ROOT
from tests.store import fleets
from tests.store.builders import build, make_site, put
from tests.store.ledger import Ledger

SECRETS = Secrets(bytes(range(32)))
PLAIN = ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction")


@pytest.fixture
def node(server_kind: str, tmp_path: Path) -> Iterator[fleets.Node]:
    """A durable server on a TCP port, as on another machine."""
    binary = fleets.binary(server_kind)
    if binary is None:
        pytest.skip(f"no {server_kind} is installed on this machine")
    started = fleets.Node(binary, tmp_path / "node", PLAIN)
    fleets.until(lambda: started.ask("PING"), "the start")
    yield started
    started.end()


def set_up(node: fleets.Node, **more: Any) -> Settings:
    return Settings(redis_url=f"redis://{node.address}", secret="ab" * 20, **more)


async def test_a_server_that_flushes_before_it_answers_is_accepted(node: fleets.Node) -> None:
    await check_store(set_up(node), f"redis://{node.address}")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru"),
        ("appendonly", "no", "appendonly is off"),
        ("appendfsync", "no", "appendfsync is no"),
    ],
)
async def test_one_that_promises_less_is_refused_unless_less_was_accepted(
    node: fleets.Node, name: str, value: str, said: str
) -> None:
    node.ask("CONFIG", "SET", name, value)
    with pytest.raises(SettingsError, match=said) as refused:
        await check_store(set_up(node), f"redis://{node.address}")
    assert "WINNOW_ACCEPT_WEAKER_DURABILITY" in str(refused.value)
    assert "\n" not in str(refused.value)
    with capture_logs() as lines:
        await check_store(set_up(node, accept_weaker_durability=True), f"redis://{node.address}")
    assert [line["event"] for line in lines] == ["weaker_durability"]
    store = Store(f"redis://{node.address}", SECRETS, weaker=True)
    await store.open()
    assert (await store.health.state()).durability < 2
    await store.close()


async def test_where_the_flush_can_be_waited_for_once_a_second_is_durable_too(
    node: fleets.Node, server_kind: str
) -> None:
    """`appendfsync everysec` alone loses what was acknowledged; WAITAOF holds the answers back."""
    node.ask("CONFIG", "SET", "appendfsync", "everysec")
    node.ask("CONFIG", "REWRITE")
    settings, url = set_up(node), f"redis://{node.address}"
    if server_kind == "redis-server":  # Debian's 7.0; WAITAOF came with 7.2
        with pytest.raises(SettingsError, match="appendfsync is everysec"):
            await check_store(settings, url)
        return
    await check_store(settings, url)
    store = Store(url, SECRETS)
    await store.open()
    assert (await store.health.state()).durability == 2
    ledger = Ledger()
    async with ledger.writing(store, [await make_site(store)], clients=20):
        await ledger.reach(60)
        await asyncio.to_thread(node.signal, signal.SIGKILL)
    node.start()
    fleets.until(lambda: node.ask("PING"), "the start")
    await store.open()
    assert ledger.other == []
    assert await ledger.lost(store) == []
    site, version = await make_site(store, "more")
    await put(store, build(site), version)
    assert node.client().info("commandstats")["cmdstat_waitaof"]["calls"] >= 1
    await store.close()


async def test_a_server_that_tells_nothing_is_believed_only_where_it_confirms_the_flush(
    node: fleets.Node, server_kind: str
) -> None:
    """Hosted servers refuse CONFIG; one that knows WAITAOF shows with each batch what it does."""
    node.ask("ACL", "SETUSER", "guest", "on", ">pw", "~*", "+@all", "-config")
    url = f"redis://guest:pw@{node.address}"
    settings = Settings(redis_url=url, secret="ab" * 20)
    if server_kind == "redis-server":
        with pytest.raises(SettingsError, match="does not tell"):
            await check_store(settings, url)
    else:
        await check_store(settings, url)


def test_the_command_refuses_with_exit_code_78_and_one_line(
    node: fleets.Node, tmp_path: Path
) -> None:
    node.ask("CONFIG", "SET", "appendonly", "no")
    said = subprocess.run(
        [sys.executable, "-m", "service.cli", "worker"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "WINNOW_CONFIG": os.devnull,
            "WINNOW_DATA_DIR": str(tmp_path / "data"),
            "WINNOW_REDIS_URL": f"redis://{node.address}",
            "WINNOW_SECRET": "ab" * 20,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 78
    assert said.stderr.splitlines()[-1].startswith("winnow: WINNOW_REDIS_URL: appendonly is off")
