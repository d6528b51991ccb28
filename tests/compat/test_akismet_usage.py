"""Requirements of Akismet's door: account calls answer from real counts; quotas are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from service.store.keys import bucket
from tests.compat.akismet_wire import SPAM, ask, check
from tests.conftest import Site, Winnow

MONTH = datetime.now(UTC).strftime("%Y-%m")


@pytest.fixture(scope="module")
def busy(winnow: Winnow) -> tuple[Site, str]:
    """A site with three hosts that asked different things."""
    site = winnow.site()
    key = site.key("compat")
    for blog, spam, ham in (("https://a.example", 1, 4), ("http://b.example:8080", 3, 0)):
        for i in range(spam):
            check(site, key, blog=blog, comment_content=f"{SPAM} {i}")
        for i in range(ham):
            check(site, key, blog=blog, comment_content=f"I agree with point {i}.")
    check(site, key, blog="c.example/blog")
    check(site, key, blog="https://a.example", is_test="1")
    for _ in range(2):
        ask(site, "/1.1/submit-ham", key, blog="http://b.example")
    ask(site, "/1.1/submit-spam", key, blog="https://c.example")
    return site, key


def sites(busy: tuple[Site, str], **query: Any) -> dict[str, Any]:
    site, key = busy
    answer = site.winnow.http.get("/1.2/key-sites", params={"api_key": key} | query)
    assert answer.headers["content-type"].startswith("application/json")
    return dict(answer.json())


def test_usage_is_what_was_asked_this_month_without_tests(busy: tuple[Site, str]) -> None:
    site, key = busy
    plain = {"limit": "none", "usage": 9, "percentage": "0.00", "throttled": False}
    http = site.winnow.http
    assert http.get("/1.2/usage-limit", params={"api_key": key}).json() == plain
    assert http.post("/1.2/usage-limit", data={"api_key": key}).json() == plain
    extended = http.get("/1.2/usage-limit", params={"api_key": key, "extended": "true"}).json()
    assert extended == plain | {"notice_level": "NOTICE_NONE", "upgrade": False}


def test_key_sites_tells_each_host_with_numbers_as_text(busy: tuple[Site, str]) -> None:
    told = sites(busy)
    assert told[MONTH][0] == {
        "site": "a.example",
        "api_calls": "5",
        "spam": "1",
        "ham": "4",
        "missed_spam": "0",
        "false_positives": "0",
        "is_revoked": False,
    }
    assert (told["limit"], told["offset"], told["total"]) == (500, 0, 3)


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        ({}, "abc"),
        ({"order": "total"}, "abc"),
        ({"order": "spam"}, "bac"),
        ({"order": "ham"}, "acb"),
        ({"order": "missed_spam"}, "cab"),
        ({"order": "false_positives"}, "bac"),
        ({"order": "nonsense", "limit": "x", "offset": "-1", "month": "then"}, "abc"),
        ({"limit": "2"}, "ab"),
        ({"limit": "2", "offset": "2"}, "c"),
        ({"offset": "9"}, ""),
        ({"filter": "B.EX"}, "b"),
        ({"month": MONTH}, "abc"),
    ],
)
def test_key_sites_sorts_filters_and_pages(
    busy: tuple[Site, str], query: dict[str, str], hosts: str
) -> None:
    told = sites(busy, **query)
    assert "".join(row["site"][0] for row in told[MONTH]) == hosts
    assert told["total"] == (1 if "filter" in query else 3)


def test_key_sites_as_csv(busy: tuple[Site, str]) -> None:
    site, key = busy
    query = {"api_key": key, "format": "csv", "limit": "10", "month": MONTH}
    answer = site.winnow.http.get("/1.2/key-sites", params=query)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.split("\n") == [
        f"Active sites for {key} during {MONTH} (limit:10, offset: 0, total: 3)",
        "Site,Total API Calls,Spam,Ham,Missed Spam,False Positives,Is Revoked",
        "a.example,5,1,4,0,0,false",
        "b.example,3,3,0,0,2,false",
        "c.example,1,0,1,1,0,false",
    ]


def test_a_month_in_which_nobody_asked_is_empty(busy: tuple[Site, str]) -> None:
    told = sites(busy, month="2020-01")
    assert (told["2020-01"], told["total"]) == ([], 0)


@pytest.mark.parametrize(("span", "months"), [("60-days", 3), ("6-months", 7), ("all", 13)])
def test_stats_tell_the_whole_and_each_month(
    busy: tuple[Site, str], span: str, months: int
) -> None:
    site, key = busy
    told = ask(site, "/1.1/get-stats", key, **{"from": span}).json()
    whole = {"spam": 4, "ham": 5, "missed_spam": 1, "false_positives": 2, "accuracy": "66.67"}
    assert {name: told[name] for name in whole} == whole
    assert len(told["breakdown"]) == months
    assert told["breakdown"][MONTH] == whole | {"da": f"{MONTH}-01"}


def test_one_sites_counts_are_not_anothers(busy: tuple[Site, str], site: Site) -> None:
    query = {"api_key": site.key("compat")}
    assert site.winnow.http.get("/1.2/usage-limit", params=query).json()["usage"] == 0


def test_a_caller_over_quota_is_told_when_to_come_back(
    launch_winnow: Callable[..., Winnow],
) -> None:
    """The PHP SDK reads Retry-After; WordPress holds the comment, for this is no answer."""
    own = launch_winnow(WINNOW_RATE_LIMITS="on", WINNOW_WEB_PROCESSES="1")
    site = own.site()
    key = site.key("compat")
    (row,) = (
        row
        for row in own.admin("GET", f"/v1/sites/{site.id}/keys").json()["items"]
        if row["kind"] == "compat"
    )
    far_ahead_us = int((time.time() + 60) * 1_000_000)
    with redis.Redis.from_url(own.redis_url) as client:
        client.set(bucket("secret", row["id"], site.id), far_ahead_us, px=60_000)
    for path in ("/1.1/comment-check", "/1.1/submit-spam", "/1.1/verify-key"):
        refused = ask(site, path, key)
        assert (refused.status_code, refused.text) == (429, "throttled")
        assert 50 <= int(refused.headers["retry-after"]) <= 90
        assert refused.headers["content-type"].startswith("text/plain")
        assert "x-akismet-debug-help" not in refused.headers
