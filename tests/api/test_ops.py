"""Requirements of health, metrics, headers, limits and the OpenAPI document."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ORIGIN, Winnow, comment, until


def test_livez_answers_without_asking_anybody(winnow: Winnow) -> None:
    answer = winnow.ask("GET", "/livez")
    assert answer.status_code == 200
    assert answer.json()["status"] == "alive"


def test_readyz_names_each_check(winnow: Winnow) -> None:
    answer = winnow.ask("GET", "/readyz")
    assert answer.status_code == 200
    body = answer.json()
    assert body["ready"] is True
    assert {check["name"]: check["ok"] for check in body["checks"]} == {
        "store": True, "data": True, "draining": True, "model": True, "durability": True,
        "disk": True, "memory": True,
    }  # fmt: skip
    assert body["durability_level"] == 2


def test_metrics_are_prometheus_text_and_count_what_happened(
    launch_winnow: Callable[..., Winnow],
) -> None:
    winnow = launch_winnow()  # of its own: with a hundred sites, they are summed up
    site = winnow.site()
    made = site.submitted()
    site.decide(made["id"], "approve", 1)
    answer = winnow.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \S+ .*|[a-zA-Z_:][\w:]*(\{.*\})? [-+\w.]+", line), line
    assert f'winnow_queue_comments{{site="{site.id}",status="approved"}} 1.0' in text
    assert re.search(r'winnow_comments_submitted_total\{status="pending"\} [1-9]', text)
    assert re.search(r'winnow_decisions_total\{action="approve",source="key"\} [1-9]', text)
    assert "winnow_store_up 1.0" in text
    assert "winnow_durability_level 2.0" in text


def test_no_metric_is_labelled_with_what_callers_send(winnow: Winnow) -> None:
    winnow.ask("GET", "/v1/comments/canary-in-a-path")
    winnow.ask("GET", "/canary-in-a-path")
    assert "canary" not in winnow.ask("GET", "/metrics").text


# --------------------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/livez"), ("GET", "/v1/queues"), ("GET", "/nowhere"), ("POST", "/v1/comments"),
     ("OPTIONS", "/v1/comments"), ("GET", "/v1/nowhere")],
)  # fmt: skip
def test_every_answer_has_a_request_id(winnow: Winnow, method: str, path: str) -> None:
    ids = {winnow.ask(method, path).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    given = winnow.ask(method, path, headers={"X-Request-Id": "trace-42"})
    assert given.headers["x-request-id"] == "trace-42"
    wild = winnow.ask(method, path, headers={"X-Request-Id": 'x" <script>'})
    assert "script" not in wild.headers["x-request-id"]


def test_a_browser_may_ask_before_it_posts(winnow: Winnow) -> None:
    answer = winnow.ask(
        "OPTIONS", "/v1/comments",
        headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization,content-type"},
    )  # fmt: skip
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert {"authorization", "content-type", "idempotency-key"} <= set(allowed.split(", "))
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/queues", "/v1/nowhere", "/v1/comments/x"])
def test_a_problem_has_the_members_of_rfc_9457_and_our_own(winnow: Winnow, path: str) -> None:
    answer = winnow.ask("GET", path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(problem)
    assert problem["status"] == answer.status_code
    assert problem["instance"] == path
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_401_says_how_to_come_in(winnow: Winnow) -> None:
    answer = winnow.ask("POST", "/v1/comments", json=comment())
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


# -------------------------------------------------------------------------- document


@pytest.fixture(scope="module")
def document(winnow: Winnow) -> dict[str, Any]:
    return dict(winnow.ask("GET", "/openapi.json").json())


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            found.extend(v for k, v in value.items() if k == "$ref")
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(document)
    assert len(found) > 20
    for reference in set(found):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step.replace("~1", "/").replace("~0", "~")]
        assert isinstance(place, dict)


def test_every_operation_declares_its_answers_problems_and_parameters(
    document: dict[str, Any],
) -> None:
    ids = []
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        for method, operation in methods.items():
            where = f"{method} {path}"
            ids.append(operation["operationId"])
            assert operation["summary"], where
            named = set(re.findall(r"\{(\w+)\}", path))
            params = operation["parameters"]
            assert {p["name"] for p in params if p["in"] == "path"} == named, where
            assert all("schema" in p and p["in"] in ("path", "query", "header") for p in params)
            statuses = set(operation["responses"])
            assert any(status[0] in "23" for status in statuses), where
            for status, response in operation["responses"].items():
                assert response["description"], where
                if status[0] in "45" and path != "/readyz":
                    assert list(response["content"]) == ["application/problem+json"], where
            if operation.get("security"):
                assert {"401", "403"} <= statuses, where
            if "requestBody" in operation:
                assert "415" in statuses or "application/json" not in str(operation), where
    assert len(ids) == len(set(ids))


def test_the_document_has_every_route_of_the_contract(document: dict[str, Any]) -> None:
    there = {f"{m.upper()} {p}" for p, methods in document["paths"].items() for m in methods}
    for wanted in (
        "POST /v1/comments", "POST /v1/comments/batch", "GET /v1/comments/{comment_id}",
        "PATCH /v1/comments/{comment_id}", "GET /v1/receipts/{token}", "GET /v1/pages",
        "GET /v1/pages/comments", "POST /v1/score", "GET /v1/events", "GET /v1/queues",
        "GET /v1/queues/{status}", "POST /v1/queues/pending/claims",
        "PUT /v1/claims/{comment_id}", "DELETE /v1/claims/{comment_id}",
        "POST /v1/comments/{comment_id}/decisions", "POST /v1/decisions",
        "POST /v1/comments/{comment_id}/undo", "GET /v1/comments/{comment_id}/history",
        "PUT /v1/sites/{site}/bans/{ban_id}", "DELETE /v1/sites/{site}/bans/{ban_id}",
        "POST /v1/sites", "GET /v1/sites/{site}", "PATCH /v1/sites/{site}",
        "DELETE /v1/sites/{site}", "POST /v1/sites/{site}/keys", "GET /v1/sites/{site}/keys",
        "DELETE /v1/sites/{site}/keys/{key_id}", "POST /v1/moderators",
        "GET /v1/sites/{site}/policy", "PUT /v1/sites/{site}/policy", "GET /v1/model",
        "GET /livez", "GET /readyz", "GET /metrics",
    ):  # fmt: skip
        assert wanted in there


# ---------------------------------------------------------------------------- limits


def test_over_a_limit_a_caller_is_told_when_to_come_back(
    launch_winnow: Callable[..., Winnow],
) -> None:
    winnow = launch_winnow(WINNOW_RATE_LIMITS="on", WINNOW_WEB_PROCESSES="1")
    site = winnow.site()
    headers = {"Origin": ORIGIN}
    fine = site.submit(key=site.publishable, headers=headers)
    assert fine.status_code == 201
    # The author's limit is the tightest, so it is the one that is told.
    assert re.fullmatch(r'"author";q=10;w=60', fine.headers["ratelimit-policy"])
    assert re.fullmatch(r'"author";r=9;t=\d+', fine.headers["ratelimit"])
    over = [
        site.submit(key=site.publishable, headers=headers, email=f"r{n}@example.org")
        for n in range(34)
    ][-1]
    assert (over.status_code, over.json()["code"]) == (429, "throttled")
    assert int(over.headers["retry-after"]) >= 1
    assert over.headers["ratelimit-policy"] == '"reader";q=30;w=60'
    # One reader's limit is not the site's server's.
    assert site.submit().status_code == 201
    # Whoever is over the limit is refused before the body is read.
    unread = site.ask(
        "POST", "/v1/comments", site.publishable, content=b"{",
        headers=headers | {"Content-Type": "application/json"},
    )  # fmt: skip
    assert unread.status_code == 429
    assert winnow.stop() == 0


# ----------------------------------------------------------------------- store is gone


def test_with_a_hung_store_the_service_says_so_and_recovers(
    launch_winnow: Callable[..., Winnow],
) -> None:
    winnow = launch_winnow(WINNOW_WEB_PROCESSES="1")
    site = winnow.site()
    site.submitted()
    server = winnow.server_pid
    os.kill(server, signal.SIGSTOP)
    try:
        until(lambda: winnow.ask("GET", "/readyz").status_code == 503, 10)
        answer = winnow.ask("GET", "/readyz")
        checks = {check["name"]: check["ok"] for check in answer.json()["checks"]}
        assert (answer.json()["ready"], checks["store"]) == (False, False)
        assert winnow.ask("GET", "/livez").status_code == 200
        refused = site.submit()
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert "winnow_store_up 0.0" in winnow.ask("GET", "/metrics").text
    finally:
        os.kill(server, signal.SIGCONT)
    until(lambda: winnow.ask("GET", "/readyz").status_code == 200, 10)
    assert site.submit(body="After.").status_code == 201
    assert winnow.stop() == 0


def test_with_a_full_store_comments_are_refused_and_decisions_are_not(
    launch_winnow: Callable[..., Winnow],
) -> None:
    import redis

    winnow = launch_winnow(WINNOW_WEB_PROCESSES="1")
    site = winnow.site()
    made = site.submitted()
    with redis.Redis.from_url(winnow.admin_redis_url) as client:
        client.config_set("maxmemory", 1)
        refused = site.submit(body="No room.")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert site.decide(made["id"], "approve", 1).status_code == 200
        assert site.ask("GET", "/v1/queues/approved").json()["total"] == 1
        client.config_set("maxmemory", 0)
    assert site.submit(body="Room again.").status_code == 201
    assert winnow.stop() == 0
