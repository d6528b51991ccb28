"""Requirement: a bulk decision whose web processes are killed goes on under the same key."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

import httpx
import redis

from service.store.keys import SiteKeys
from tests.conftest import Winnow, comment, until

COUNT = 3000


async def test_a_bulk_decision_survives_the_death_of_every_web_process(
    launch_winnow: Callable[..., Winnow],
) -> None:
    """The counts of the last answer are those of the whole, and nothing is decided twice."""
    from tests.store.invariants import violations

    winnow = launch_winnow()
    site = winnow.site()
    for start in range(0, COUNT, 500):
        items = [
            comment(email=f"r{i}@example.org", body=f"Point number {i} is wrong.")
            for i in range(start, start + 500)
        ]
        answer = site.ask("POST", "/v1/comments/batch", json={"items": items})
        assert answer.status_code == 200, answer.text
    assert site.counts()["pending"] == COUNT
    headers = {"Authorization": f"Bearer {site.secret}", "Idempotency-Key": "all of it"}

    def ask() -> httpx.Response:
        with httpx.Client(base_url=winnow.url, timeout=60, headers=headers) as client:
            return client.post("/v1/decisions/matching", json={"action": "reject"})

    def ask_and_lose() -> None:
        with suppress(httpx.HTTPError):
            ask()

    store, client = winnow.open_store(), redis.Redis.from_url(winnow.redis_url)

    def decided() -> int:
        return int(client.zcard(SiteKeys(site.id).queue("rejected")))

    for share in (0.1, 0.5):
        asking = threading.Thread(target=ask_and_lose)
        asking.start()
        until(lambda least=share * COUNT: decided() > least, 60)
        for pid in winnow.children("service.process web"):
            os.kill(pid, signal.SIGKILL)
        asking.join()

    def answered() -> httpx.Response | None:
        with suppress(httpx.HTTPError):
            return ask()
        return None

    assert COUNT / 2 < decided() < COUNT, "killed in the middle"
    body = until(answered, 60).json()
    assert (body["matched"], body["done"], body["left"], body["more"]) == (COUNT, COUNT, 0, False)
    winnow.http.close()  # its connections died with the processes
    winnow.http = httpx.Client(base_url=winnow.url, timeout=60)
    assert site.counts() == {"pending": 0, "approved": 0, "rejected": COUNT, "spam": 0}
    assert await violations(store, site.id) == []
    back = site.ask("POST", f"/v1/operations/{body['operation']}/undo").json()
    assert (back["done"], back["left"]) == (COUNT, 0)
    assert site.counts()["pending"] == COUNT
    await store.close()
    client.close()
