"""Requirements of the appeal: once, only of what was refused, and silent about shadow bans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.conftest import Site
from tests.store.invariants import violations

WHY = "I only quoted the mayor, word for word."


def token_of(comment: dict[str, Any]) -> str:
    return str(comment["receipt"]).rpartition("/r/")[2]


def appeal(site: Site, comment: dict[str, Any], text: Any = WHY, **more: Any) -> httpx.Response:
    asked = more.pop("json", {"text": text})
    return site.winnow.ask("POST", f"/v1/receipts/{token_of(comment)}/appeal", json=asked, **more)


def told(site: Site, comment: dict[str, Any]) -> dict[str, Any]:
    return dict(site.winnow.ask("GET", f"/v1/receipts/{token_of(comment)}").json())


def refused(site: Site, action: str = "reject", **fields: Any) -> dict[str, Any]:
    comment = site.submitted(**fields)
    assert site.decide(comment["id"], action, 1).status_code == 200
    return comment


def pending(site: Site, **query: str) -> list[dict[str, Any]]:
    answer = site.ask("GET", "/v1/queues/pending", params={"site": site.id} | query)
    return list(answer.json()["items"])


@pytest.mark.parametrize("action", ["reject", "spam"])
def test_an_appeal_brings_a_refused_comment_back_with_a_chip_of_its_own(
    site: Site, action: str
) -> None:
    comment = refused(site, action)
    assert told(site, comment)["appeal"] == "open"
    answer = appeal(site, comment, f"  {WHY}\r\nTruly.  ")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["appeal"]) == ("pending", "waiting")
    assert answer.json()["reason"] == "A moderator will look at your comment again."
    (item,) = pending(site, reason="appeal")
    assert item["verdict"]["reasons"][0]["code"] == "appeal"
    assert item["appeal"] == f"{WHY}\nTruly."
    assert (item["version"], item["decision"]) == (3, None)
    steps = site.ask("GET", f"/v1/comments/{comment['id']}/history").json()["items"]
    assert [step["action"] for step in steps] == ["submit", action, "appeal"]
    last = steps[-1]
    assert (last["by"], last["note"], last["status"]) == ("author", f"{WHY}\nTruly.", "pending")
    assert steps[1]["verdict"]["reasons"] != last["verdict"]["reasons"]


def test_an_appeal_stands_before_quiet_newcomers_and_behind_threats(site: Site) -> None:
    comment = refused(site)
    quiet = site.submitted(body="A quiet first comment.", email="new@example.org")
    appeal(site, comment)
    assert [item["id"] for item in pending(site)] == [comment["id"], quiet["id"]]
    assert pending(site)[0]["priority"] == 3


@pytest.mark.parametrize(
    ("action", "status", "standing"),
    [("approve", "approved", "granted"), ("reject", "rejected", "denied"),
     ("spam", "spam", "denied")],
)  # fmt: skip
def test_what_is_decided_on_an_appeal_is_final(
    site: Site, action: str, status: str, standing: str
) -> None:
    comment = refused(site)
    appeal(site, comment)
    assert site.decide(comment["id"], action, 3).status_code == 200
    assert (told(site, comment)["status"], told(site, comment)["appeal"]) == (status, standing)
    again = appeal(site, comment, "Please, please look once more.")
    assert (again.status_code, again.json()["code"]) == (409, "already_appealed")
    assert told(site, comment)["status"] == status


def test_a_decision_on_an_appeal_can_be_undone_and_the_appeal_waits_again(site: Site) -> None:
    comment = refused(site)
    appeal(site, comment)
    path = f"/v1/comments/{comment['id']}/undo"
    assert site.ask("POST", path, json={"version": 3}).json()["code"] == "nothing_to_undo"
    site.decide(comment["id"], "approve", 3)
    assert site.ask("POST", path, json={"version": 4}).status_code == 200
    assert told(site, comment)["appeal"] == "waiting"
    assert pending(site)[0]["verdict"]["reasons"][0]["code"] == "appeal"


@pytest.mark.parametrize("action", ["", "approve"])
def test_only_what_was_refused_can_be_appealed(site: Site, action: str) -> None:
    comment = site.submitted()
    if action:
        site.decide(comment["id"], action, 1)
    assert told(site, comment)["appeal"] is None
    answer = appeal(site, comment)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_refused")


def test_under_a_shadow_ban_an_appeal_reads_as_on_any_comment_that_waits(site: Site) -> None:
    waiting = site.submitted()
    ban = {"kind": "domain", "value": "rude.example", "shadow": True}
    assert site.winnow.admin("PUT", f"/v1/sites/{site.id}/bans/b1", json=ban).status_code == 200
    banned = site.submit(key=site.publishable, headers={"Origin": "https://news.example"},
                         email="me@rude.example", ip=None).json()  # fmt: skip
    assert banned["status"] == "pending"
    answers = [appeal(site, comment).json() for comment in (waiting, banned)]
    for answer in answers:
        del answer["request_id"], answer["instance"]
    assert answers[0] == answers[1]
    shown = [told(site, comment) for comment in (waiting, banned)]
    assert shown[0]["appeal"] is shown[1]["appeal"] is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": "too short"}, 422, "too_short"),
        ({"text": " " * 40}, 422, "empty"),
        ({"text": "x" * 1001}, 422, "too_long"),
        ({"text": "a\x00 control character"}, 422, "control_character"),
        ({"text": 7}, 422, "wrong_type"),
        ({}, 422, "required"),
        ({"text": WHY, "more": 1}, 422, "unknown_field"),
    ],
)
def test_a_wrong_appeal_is_refused_at_its_field(
    site: Site, body: dict[str, Any], status: int, code: str
) -> None:
    comment = refused(site)
    answer = appeal(site, comment, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert told(site, comment)["appeal"] == "open"


def test_an_appeal_as_long_as_allowed_is_taken(site: Site) -> None:
    assert appeal(site, refused(site), "y" * 1000).status_code == 200


def test_a_wrong_token_appeals_nothing(site: Site) -> None:
    token = token_of(refused(site))
    for wrong in (token[:-1] + "!", "nobody", token.partition(".")[0] + "."):
        answer = site.winnow.ask("POST", f"/v1/receipts/{wrong}/appeal", json={"text": WHY})
        assert answer.status_code == 404


def test_the_same_appeal_again_is_the_same_appeal(site: Site) -> None:
    comment = refused(site)
    first, second = appeal(site, comment), appeal(site, comment)
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = appeal(site, comment, "Another reason altogether.")
    assert (other.status_code, other.json()["code"]) == (409, "already_appealed")
    assert len(pending(site)) == 1


@pytest.mark.parametrize("same", [True, False])
def test_of_many_appeals_at_once_one_is_written(site: Site, same: bool) -> None:
    comment = refused(site)
    texts = [WHY if same else f"{WHY} {number}" for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda text: appeal(site, comment, text), texts))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == ([200] * 12 if same else [200] + [409] * 11)
    steps = site.ask("GET", f"/v1/comments/{comment['id']}/history").json()["items"]
    assert [step["action"] for step in steps].count("appeal") == 1
    asyncio.run(_agrees(site))


async def _agrees(site: Site) -> None:
    store = site.winnow.open_store()
    await store.open()
    assert await violations(store, site.id) == []
    await store.close()


def test_a_moderator_who_saw_the_comment_before_its_appeal_loses(site: Site) -> None:
    comment = refused(site)
    appeal(site, comment)
    late = site.decide(comment["id"], "spam", 2)
    assert (late.status_code, late.json()["current"]) == (409, {"status": "pending", "version": 3})


def test_an_edit_never_answers_an_appeal(site: Site) -> None:
    comment = refused(site)
    site.policy()  # approves everything
    appeal(site, comment)
    answer = site.ask("PATCH", f"/v1/comments/{comment['id']}", json={"body": "Kinder words."})
    assert answer.json()["status"] == "pending"
    assert [r["code"] for r in pending(site)[0]["verdict"]["reasons"]] == ["appeal"]
    assert told(site, comment)["appeal"] == "waiting"


def test_the_time_to_decide_of_an_appeal_counts_from_the_appeal(site: Site) -> None:
    comment = refused(site)
    before = site.ask("GET", f"/v1/comments/{comment['id']}").json()
    appeal(site, comment)
    after = site.ask("GET", f"/v1/comments/{comment['id']}").json()
    assert after["submitted_at"] > before["submitted_at"]
    assert after["created_at"] == before["created_at"]


def test_appeals_are_rate_limited_as_requests_without_a_key(
    launch_winnow: Callable[..., Any],
) -> None:
    winnow = launch_winnow(WINNOW_RATE_LIMITS="on", WINNOW_WEB_PROCESSES="1")
    answers = [
        winnow.ask("POST", "/v1/receipts/nobody/appeal", json={"text": WHY}) for _ in range(125)
    ]
    assert {answer.status_code for answer in answers} == {404, 429}
    assert "retry-after" in answers[-1].headers
    winnow.stop()
