"""Requirements of metrics: every stage is counted and measured, in base units and with help; a
scrape costs the same however many comments there are; where the store is away, no zero lies."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service import vitals
from service.api.gauges import SITES_SHOWN
from service.services import Services
from service.store import Store
from service.store.census import LOOKED_AT, Census
from service.workers.rounds import ROUNDS
from tests.conftest import PAGE, Site, Winnow, until
from tests.store.builders import build, make_site, put

STAGES = {"submit", "validate", "score", "decide", "enqueue", "review", "publish"}
PROMTOOL = shutil.which("promtool")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(winnow: Winnow) -> Samples:
    """Every sample of one scrape by its name and labels."""
    text = winnow.ask("GET", "/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def test_every_stage_of_the_journey_is_counted_and_measured(
    winnow: Winnow, plain_site: Site
) -> None:
    made = plain_site.submitted()
    plain_site.decide(made["id"], "reject", 1)
    plain_site.ask("GET", "/v1/pages/comments", params={"site": plain_site.id, "page": PAGE})
    samples = scrape(winnow)
    for stage in STAGES:
        assert value(samples, "winnow_stage_duration_seconds_count", stage=stage) >= 1, stage
        assert value(samples, "winnow_stage_duration_seconds_sum", stage=stage) > 0, stage
    assert value(samples, "winnow_comment_score_count", label="spam") >= 1
    assert value(samples, "winnow_decisions_total", action="reject", source="key") >= 1
    assert value(samples, "winnow_store_command_duration_seconds_count") > 0


def test_a_moderators_decision_is_told_from_a_programs(winnow: Winnow, site: Site) -> None:
    made = site.submitted()
    before = scrape(winnow).get(
        ("winnow_decisions_total", (("action", "spam"), ("source", "moderator"))), 0.0
    )
    assert site.decide(made["id"], "spam", 1, key=site.person("moderator")).status_code == 200
    after = value(scrape(winnow), "winnow_decisions_total", action="spam", source="moderator")
    assert after == before + 1


def test_the_machine_and_its_processes_are_told(winnow: Winnow) -> None:
    samples = scrape(winnow)
    assert value(samples, "winnow_store_up") == 1
    assert 0 < value(samples, "winnow_store_memory_ratio") < 1
    assert value(samples, "winnow_store_aof_last_write_ok") == 1
    assert 0 < value(samples, "winnow_store_write_seconds") < 2
    assert value(samples, "winnow_store_connected_replicas") == 0
    assert value(samples, "winnow_disk_size_bytes") > value(samples, "winnow_disk_free_bytes") > 0
    for role, count in {"web": 2, "worker": 1, "supervisor": 1, "store": 1}.items():
        assert value(samples, "winnow_processes", role=role) == count, role
        assert value(samples, "winnow_process_resident_memory_bytes", role=role) > 1e6
        fds = value(samples, "winnow_process_open_fds", role=role)
        assert 3 < fds < value(samples, "winnow_process_max_fds", role=role)
        assert value(samples, "winnow_process_start_time_seconds", role=role) > 1.7e9
    beats = until(lambda: scrape(winnow).get(("winnow_event_loop_lag_seconds_count", ())))
    assert beats > 0


def test_requests_under_way_are_told_and_those_of_dead_processes_forgotten(
    launch_winnow: Callable[..., Winnow],
) -> None:
    winnow = launch_winnow(WINNOW_WEB_PROCESSES="1")
    site = winnow.site(plain=True)
    key = {"Authorization": f"Bearer {site.secret}"}

    def under_way() -> float:
        return value(scrape(winnow), "winnow_in_flight_requests")

    with winnow.http.stream("GET", "/v1/events", params={"site": site.id}, headers=key) as events:
        assert events.status_code == 200
        until(lambda: under_way() >= 1, 30)
        os.kill(winnow.children("web")[0], signal.SIGKILL)
    winnow.http.close()
    winnow.http = httpx.Client(base_url=winnow.url, timeout=20)

    def settled() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return under_way() <= 1  # the scrape itself
        return False

    until(settled, 60)


def test_every_round_of_the_worker_is_measured(winnow: Winnow) -> None:
    names = {work.__name__ for _, work in ROUNDS} | {"deliver"}

    def measured() -> bool:
        found = scrape(winnow)
        told = {dict(k[1]).get("round") for k in found if k[0].startswith("winnow_round_duration")}
        return told >= names

    until(measured, 60)


def test_a_killed_process_is_seen_in_the_time_its_successor_began(
    launch_winnow: Callable[..., Winnow],
) -> None:
    winnow = launch_winnow()
    before = value(scrape(winnow), "winnow_process_start_time_seconds", role="worker")
    os.kill(winnow.children("worker")[0], signal.SIGKILL)

    def replaced() -> bool:
        samples = scrape(winnow)
        started = samples.get(("winnow_process_start_time_seconds", (("role", "worker"),)), before)
        return started > before and value(samples, "winnow_processes", role="worker") == 1

    until(replaced, 60)


def test_a_store_that_is_away_is_told_without_false_zeros(
    launch_winnow: Callable[..., Winnow],
) -> None:
    """A gauge at 0 would say that nothing is durable, or that the last write failed."""
    winnow = launch_winnow()
    store = winnow.server_pid
    os.kill(store, signal.SIGSTOP)
    try:
        samples = scrape(winnow)
        assert value(samples, "winnow_store_up") == 0
        names = {name for name, _ in samples}
        assert not names & {
            "winnow_durability_level", "winnow_store_aof_last_write_ok", "winnow_sites",
            "winnow_outbox_lag_seconds", "winnow_webhook_dead_letters", "winnow_store_memory_ratio",
        }  # fmt: skip
        assert value(samples, "winnow_disk_free_bytes") > 0
    finally:
        os.kill(store, signal.SIGCONT)


def test_names_and_units_are_as_prometheus_wants_them(winnow: Winnow) -> None:
    text = [winnow.ask("GET", "/metrics").text for _ in range(4)][-1]  # of both processes
    families = list(text_string_to_metric_families(text))
    assert len(families) > 50
    for family in families:
        assert family.name.startswith("winnow_"), family.name
        assert family.documentation.endswith("."), family.name
        assert not re.search(r"_(ms|milliseconds|kb|mb|percent|minutes)\b", family.name)
        for sample in family.samples:
            known = set(sample.labels) - {"le"}
            assert not any(label in ("id", "pid") or label.endswith("_id") for label in known), (
                sample.name
            )
    if PROMTOOL is None:
        pytest.skip("no promtool is installed (Debian: apt-get install prometheus)")
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ----------------------------------------------------------------------------- cost


async def sent(store: Store) -> int:
    """Commands the server has done so far, without this question."""
    info = await store.wire.execute("INFO", "stats")
    return int(info["total_commands_processed"])


async def test_a_census_costs_the_same_however_many_comments_there_are(store: Store) -> None:
    site, version = await make_site(store, "blog")
    await store.census.take()  # scripts are loaded

    async def cost() -> int:
        before = await sent(store)
        await store.census.take()
        return await sent(store) - before

    first = await cost()
    for number in range(150):
        await put(store, build(site, body=f"Comment number {number}"), version)
    assert await cost() == first < 25
    standing = (await store.census.take())["blog"]
    assert sum(standing.counts.values()) == 150


async def test_a_census_of_many_sites_is_taken_in_turns(store: Store) -> None:
    for number in range(5):
        await make_site(store, f"site-{number}")
    some = Census(store.wire, store.sites, looked_at=2)
    assert len(await some.take()) == 2
    assert len(await some.take()) == 4
    assert len(await some.take()) == 5
    assert LOOKED_AT > SITES_SHOWN


async def test_of_many_sites_sums_and_the_worst_are_told(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.api import gauges, health

    monkeypatch.setattr(gauges, "SITES_SHOWN", 1)
    store = services.store
    for number, name in enumerate(("one", "two"), 1):
        site, version = await make_site(store, name)
        await put(store, build(site, at=1_000 * number), version)
    registry = await health._store_registry(services)
    assert (
        registry.get_sample_value("winnow_queue_comments", {"site": "", "status": "pending"}) == 2
    )
    assert registry.get_sample_value("winnow_sites") == 2
    oldest = registry.get_sample_value("winnow_queue_oldest_age_seconds", {"site": ""})
    assert oldest == pytest.approx(services.now() / 1000 - 1, abs=60)


def test_the_vitals_of_a_process_that_is_gone_are_none(tmp_path: Path) -> None:
    assert vitals.read("web", 2**22 + 1) is None
    assert vitals.read_all(str(tmp_path / "nothing")) == []
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    assert vitals.read_all(str(tmp_path)) == []  # a process, but none of ours
    mine = vitals.read("web", os.getpid())
    assert mine is not None
    assert mine.resident > 1_000_000
