"""Requirements of a store whose memory fills up: it stops taking comments before it has to."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis

from service.settings import Settings
from service.store import memory
from service.store.launching import most_memory
from tests.conftest import Site, Winnow, until


@pytest.fixture
def service(launch_winnow: Callable[..., Winnow]) -> Iterator[Winnow]:
    winnow = launch_winnow(WINNOW_WEB_PROCESSES="1")
    yield winnow
    assert winnow.stop() == 0


def limit(winnow: Winnow, share: float) -> None:
    """Sets the store's limit so that it uses that share of it now; 0 for none."""
    with redis.Redis.from_url(winnow.admin_redis_url) as operator:
        used = operator.info("memory")["used_memory"]
        operator.config_set("maxmemory", int(used / share) if share else 0)


def readyz(winnow: Winnow) -> tuple[int, bool, str]:
    answer = winnow.ask("GET", "/readyz")
    found = {each["name"]: each for each in answer.json()["checks"]}["memory"]
    return answer.status_code, found["ok"], found["detail"]


def test_comments_are_refused_before_memory_is_full_and_all_else_goes_on(service: Winnow) -> None:
    """At 85 %: 503 with Retry-After, and still ready; decisions and erasures work; it heals."""
    site = service.site(plain=True)
    made = [site.submitted(body=f"Text {n}.", email=f"r{n}@example.org") for n in range(4)]
    assert readyz(service)[:2] == (200, True)
    limit(service, 0.9)
    refusal = until(lambda: refused(site))
    assert refusal["code"] == "unavailable"
    assert "out of memory" in refusal["detail"]
    status, well, detail = readyz(service)
    assert (status, well) == (200, False)
    assert re.search(r"[\d,]+ of [\d,]+ bytes used; new comments are refused", detail)
    text = service.ask("GET", "/metrics").text
    assert 'winnow_intake_open{short_of="memory"} 0.0' in text
    assert re.search(r'winnow_intake_closed_total\{short_of="memory"\} [1-9]', text)
    assert site.decide(made[0]["id"], "reject", 1).status_code == 200
    assert erased(site, "r1@example.org").status_code in (200, 202)
    limit(service, 0.001)
    until(lambda: site.submit(body="Room again.").status_code == 201)
    assert readyz(service)[1]
    assert service.log.read_text().count('"intake closed"') == 1


def test_beyond_the_hard_limit_people_can_still_empty_the_store(service: Winnow) -> None:
    """More is used than allowed: nothing new is stored, and decisions still are."""
    site = service.site(plain=True)
    made = [site.submitted(body=f"Text {n}.", email=f"r{n}@example.org") for n in range(4)]
    limit(service, 2.0)
    until(lambda: refused(site))
    assert site.decide(made[0]["id"], "spam", 1).status_code == 200
    assert site.ask("GET", f"/v1/comments/{made[0]['id']}").json()["status"] == "spam"
    limit(service, 0)
    until(lambda: site.submit(body="Room again.").status_code == 201)


def test_memory_that_fills_up_under_load_loses_nothing(service: Winnow) -> None:
    """Comments come until they are refused: every answer is 201 or 503, and each 201 is there."""
    site = service.site(plain=True)
    acked = [site.submitted()["id"]]
    with redis.Redis.from_url(service.admin_redis_url) as operator:
        used = operator.info("memory")["used_memory"]
        operator.config_set("maxmemory", int((used + (256 << 10)) / 0.85))
    until_refused = time.monotonic() + 60
    answers = []
    while 503 not in answers and time.monotonic() < until_refused:
        answer = site.submit(body=f"Comment {len(answers)}. " + "A long one. " * 300)
        answers.append(answer.status_code)
        if answer.status_code == 201:
            acked.append(answer.json()["id"])
    assert set(answers) == {201, 503}
    assert all(site.ask("GET", f"/v1/comments/{each}").status_code == 200 for each in acked)
    limit(service, 0)


def refused(site: Site) -> dict[str, str] | None:
    answer = site.submit(body="No room.")
    if answer.status_code != 503:
        return None
    assert int(answer.headers["retry-after"]) > 0
    return dict(answer.json())


def erased(site: Site, email: str) -> httpx.Response:
    return site.ask("POST", f"/v1/sites/{site.id}/erasures", json={"email": email})


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/a/b\n", {"a/memory.max": "1000", "a/b/memory.max": "max"}, 1000),
        ("0::/a/b\n", {"a/memory.max": "1000", "a/b/memory.max": "500"}, 500),
        ("0::/\n", {"memory.max": "700"}, 700),
        ("5:cpu,memory:/x\n", {"memory/x/memory.limit_in_bytes": "300"}, 300),
        ("5:cpu:/x\n", {"memory/x/memory.limit_in_bytes": "300"}, None),
        ("5:memory:/x\n", {"memory/x/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("0::/a\n", {}, None),
    ],
)
def test_a_containers_limit_counts_as_its_memory(
    tmp_path: Path, lines: str, files: dict[str, str], expected: int | None
) -> None:
    """Control groups of both versions; the least limit on the way up holds."""
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "own").write_text(lines)
    found = memory.available(tmp_path / "groups", tmp_path / "own")
    whole = memory.available(tmp_path / "none", tmp_path / "none")
    assert found == (whole if expected is None else expected)


def test_the_store_may_fill_sixty_hundredths_of_it_by_default() -> None:
    """A setting beats that, and 0 means no limit."""
    assert most_memory(Settings()) == int(memory.available() * 0.6) > 0
    assert most_memory(Settings(redis_maxmemory=5)) == 5
    assert most_memory(Settings(redis_maxmemory=0)) == 0
