"""An operator's journey: whatever is killed, what was answered 201 is there afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis

from tests.conftest import Site, Winnow, comment, until
from tests.store.invariants import violations

SEED = int(os.environ.get("WINNOW_TEST_SEED", "20261"))
LOAD = 8
"""Clients at once."""


class Load:
    """Clients that post, each with a key per comment, and retry until they know the outcome."""

    def __init__(self, winnow: Winnow, site: Site) -> None:
        self.winnow, self.site = winnow, site
        self.answered: dict[str, str] = {}
        self.unknown = 0
        self.stopping = False

    async def run(self, wanted: int, during: Callable[[], Any], at: int) -> None:
        """Posts until `wanted` are answered; calls `during` once, after `at` of them."""
        left = iter(range(wanted))
        disturbed = False
        async with httpx.AsyncClient(timeout=10) as http:

            async def client() -> None:
                nonlocal disturbed
                for i in left:
                    await self._post(http, i)
                    if len(self.answered) >= at and not disturbed:
                        disturbed = True
                        await asyncio.to_thread(during)

            async with asyncio.timeout(90):
                await asyncio.gather(*(client() for _ in range(LOAD)))

    async def _post(self, http: httpx.AsyncClient, number: int) -> None:
        key = f"comment-{number}"
        headers = {"Authorization": f"Bearer {self.site.secret}", "Idempotency-Key": key}
        body = comment(body=f"This is comment number {number}.")
        while True:
            url = self.winnow.url + "/v1/comments"
            with contextlib.suppress(httpx.HTTPError):
                answer = await http.post(url, json=body, headers=headers)
                if answer.status_code == 201:
                    self.answered[key] = answer.json()["id"]
                    return
                # Not now, and nothing else: never a 500, never a lost key.
                assert answer.status_code == 503, answer.text
                assert answer.headers["retry-after"]
            self.unknown += 1
            await asyncio.sleep(0.02)  # a client's pause before it asks again

    def check(self) -> None:
        """Every answered comment is there once, and everything agrees."""

        async def look() -> tuple[list[str], int]:
            store = self.winnow.open_store()
            try:
                stored = await store.comments.read_many(self.site.id, list(self.answered.values()))
                wrong = await violations(store, self.site.id)
                total = sum(row.count for row in await store.queues.waiting(self.site.id))
                return wrong + ["lost"] * stored.count(None), total
            finally:
                await store.close()

        assert asyncio.run(look()) == ([], len(self.answered))


@pytest.fixture(scope="module")
def own(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """A service that may be broken."""
    return launch_winnow()


def test_kill_9_of_a_web_process_loses_and_doubles_nothing(own: Winnow) -> None:
    choose = random.Random(SEED)
    load = Load(own, own.site())

    def kill() -> None:
        os.kill(choose.choice(own.children("service.process web")), signal.SIGKILL)

    asyncio.run(load.run(240, kill, at=80))
    assert len(load.answered) == 240
    load.check()
    until(lambda: len(own.children("service.process web")) == 2)


def test_kill_9_of_the_embedded_server_loses_and_doubles_nothing(own: Winnow) -> None:
    load = Load(own, own.site())
    before = own.server_pid
    asyncio.run(load.run(240, lambda: os.kill(before, signal.SIGKILL), at=80))
    assert len(load.answered) == 240
    load.check()
    assert own.server_pid != before


def test_kill_9_of_the_worker_is_made_good(own: Winnow) -> None:
    (worker,) = own.children("service.process worker")
    os.kill(worker, signal.SIGKILL)
    until(lambda: own.children("service.process worker") not in ([], [worker]))


@pytest.mark.parametrize("also_the_server", [False, True])
def test_kill_9_of_everything_and_a_restart_lose_and_double_nothing(
    own: Winnow, also_the_server: bool
) -> None:
    site = own.site()
    load = Load(own, site)

    def kill_all() -> None:
        server, web = own.server_pid, own.children("service.process")
        for pid in (own.process.pid, *web, *([server] if also_the_server else [])):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        own.process.wait()
        own.http.close()
        own.start()

    asyncio.run(load.run(200, kill_all, at=60))
    assert len(load.answered) == 200
    load.check()
    # Keys, moderators and policies are there as well.
    assert site.submitted(body="After the restart.")["status"] == "pending"


def test_an_orderly_stop_and_start_keep_everything_and_leave_no_process(own: Winnow) -> None:
    site = own.site()
    made = site.submitted()
    processes = [*own.children(), own.server_pid]
    assert own.stop() == 0
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", ",".join(map(str, processes))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [stat for stat in listed.stdout.split() if not stat.startswith("Z")] == []
    own.start()
    assert site.ask("GET", f"/v1/comments/{made['id']}").json()["status"] == "pending"
    with redis.Redis.from_url(own.redis_url) as client:
        assert client.config_get("appendfsync")["appendfsync"] == "always"
