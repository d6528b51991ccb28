"""Requirements of log lines about requests: failed and slow ones have a line each, which names the
request and nobody's words; an outage does not become a flood of lines."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from service import log
from service.api.trouble import LINES, SLOW_S, Trouble
from tests.conftest import Winnow, comment, until

REQUEST = {"path_template": "/v1/comments", "method": "POST", "request_id": "r1"}


@pytest.fixture
def said() -> Iterator[Callable[[int], list[dict[str, Any]]]]:
    """Gives the log's lines as soon as there are so many."""
    stream = io.StringIO()
    log.configure("info", "json", stream)

    def lines(count: int) -> list[dict[str, Any]]:
        until(lambda: stream.getvalue().count("\n") >= count)
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield lines
    log.configure()


def lines(winnow: Winnow) -> list[dict[str, Any]]:
    found = [json.loads(s) for s in winnow.log.read_text().splitlines() if s.startswith("{")]
    return [line for line in found if line.get("part") == "request"]


def test_a_request_the_store_could_not_serve_has_one_line_with_its_id(
    launch_winnow: Callable[..., Winnow],
) -> None:
    winnow = launch_winnow(WINNOW_WEB_PROCESSES="1", WINNOW_LOG_FORMAT="json")
    site = winnow.site(plain=True)
    assert site.submit().status_code == 201
    assert lines(winnow) == []
    store = winnow.server_pid
    os.kill(store, signal.SIGSTOP)
    try:
        answer = httpx.post(
            f"{winnow.url}/v1/comments",
            headers={"Authorization": f"Bearer {site.secret}"},
            json=comment(body="canary-text", email="canary@example.org"),
            timeout=30,
        )
    finally:
        os.kill(store, signal.SIGCONT)
    assert answer.status_code == 503
    request_id = answer.headers["x-request-id"]
    mine = until(lambda: [s for s in lines(winnow) if s["request_id"] == request_id], 30)
    assert len(mine) == 1
    (line,) = mine
    assert {"ts", "level", "event", "method", "route", "status", "dur_ms"} <= set(line)
    assert (line["route"], line["status"]) == ("/v1/comments", 503)
    assert line["dur_ms"] > 0
    assert "canary" not in winnow.log.read_text()


def test_every_line_of_a_service_says_when_how_bad_and_what(winnow: Winnow) -> None:
    found = [s for s in winnow.log.read_text().splitlines() if s.strip()]
    assert found
    for line in map(json.loads, found):
        assert {"ts", "level", "event"} <= set(line), line
        assert line["ts"].endswith("Z")


def test_slow_and_failed_requests_are_told_and_others_are_not(
    said: Callable[[int], list[dict[str, Any]]],
) -> None:
    trouble = Trouble()
    for status, seconds in ((201, 0.1), (422, 0.1), (500, 0.1), (200, SLOW_S + 1)):
        trouble.tell(REQUEST, status, seconds, 5.0)
    events = [(line["event"], line["status"], line["request_id"]) for line in said(2)]
    assert events == [("request_failed", 500, "r1"), ("request_slow", 200, "r1")]


def test_an_outage_is_told_ten_times_a_second_and_then_how_often(
    said: Callable[[int], list[dict[str, Any]]],
) -> None:
    trouble = Trouble()
    for _ in range(1000):
        trouble.tell(REQUEST, 503, 0.1, 7.2)
    trouble.tell(REQUEST, 503, 0.1, 8.0)
    found = said(LINES + 1)
    assert len(found) == LINES + 1
    assert found[-1]["left_out"] == 1000 - LINES
    assert "left_out" not in found[0]
