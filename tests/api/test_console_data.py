"""Requirements of what the console shows and does in bulk, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import PAGE, Site, Winnow


def spread(site: Site, count: int = 4) -> list[str]:
    """Pending comments, every other one about bridges."""
    return [
        site.submitted(
            body=f"Point {i}: the br1dge is closed." if i % 2 else f"Point {i} is wrong.",
            email=f"reader{i}@example.org",
        )["id"]
        for i in range(count)
    ]


# ------------------------------------------------------------------------------- text


def test_a_queue_is_searched_for_words_behind_disguises(site: Site) -> None:
    made = spread(site)

    def found(text: str) -> list[str]:
        answer = site.ask("GET", "/v1/queues/pending", params={"text": text, "sort": "oldest"})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["total"], answer.json()["next"]) == (None, None)
        return [item["id"] for item in answer.json()["items"]]

    assert found("Bridge") == found("bri closed") == [made[1], made[3]]
    assert found("ridge") == []
    assert found("reader") == made, "names are searched, too"
    wrong = site.ask("GET", "/v1/queues/pending", params={"text": "!?"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/text")


def test_a_search_goes_on_where_it_stopped(site: Site) -> None:
    made, seen, path = spread(site, 9), [], "/v1/queues/pending?text=bridge&limit=1&sort=oldest"
    while path:
        body = site.ask("GET", path).json()
        seen += [item["id"] for item in body["items"]]
        path = ""
        if body["next"]:
            path = f"/v1/queues/pending?text=bridge&limit=1&sort=oldest&cursor={body['next']}"
    assert seen == made[1::2]


# ------------------------------------------------------------------------------- bulk


def test_all_that_match_are_decided_and_undone_over_http(site: Site) -> None:
    spread(site, 6)
    ann = site.person("moderator")
    asked = {"action": "spam", "filter": {"text": "bridge"}}
    headers = {"Idempotency-Key": "bulk-1"}
    answer = site.ask("POST", "/v1/decisions/matching", ann, json=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["matched"], body["done"], body["left"], body["more"]) == (3, 3, 0, False)
    again = site.ask("POST", "/v1/decisions/matching", ann, json=asked, headers=headers)
    assert again.json() == body
    other = site.ask(
        "POST", "/v1/decisions/matching", ann, json=asked | {"limit": 2}, headers=headers
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert site.counts() == {"pending": 3, "approved": 0, "rejected": 0, "spam": 3}
    spam = site.ask("GET", "/v1/queues/spam").json()["items"]
    steps = site.ask("GET", f"/v1/comments/{spam[0]['id']}/history").json()["items"]
    assert [step["operation"] for step in steps] == ["", body["operation"]]
    site.decide(spam[0]["id"], "approve", spam[0]["version"])
    undo = f"/v1/operations/{body['operation']}/undo"
    assert site.ask("POST", undo, site.person("viewer")).status_code == 403
    assert site.winnow.ask("POST", undo, site.winnow.site().secret).status_code == 404
    back = site.ask("POST", undo, ann).json()
    assert (back["done"], back["left"]) == (2, 1)
    (left,) = back["items"]
    assert (left["id"], left["status"], left["decision"]["action"]) == (
        spam[0]["id"], "approved", "approve",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({}, "/action"),
        ({"action": "delete"}, "/action"),
        ({"action": "spam", "status": "spam"}, "/action"),
        ({"action": "spam", "status": "erased"}, "/status"),
        ({"action": "spam", "limit": 10_001}, "/limit"),
        ({"action": "spam", "limit": 0}, "/limit"),
        ({"action": "spam", "filter": {"label": "nonsense"}}, "/filter/label"),
        ({"action": "spam", "filter": {"min": 0.5}}, "/filter/min"),
        ({"action": "spam", "filter": {"min": 2, "label": "spam"}}, "/filter/min"),
        ({"action": "spam", "filter": {"text": "…"}}, "/filter/text"),
        ({"action": "spam", "filter": {"colour": "red"}}, "/filter/colour"),
        ({"action": "spam", "items": []}, "/items"),
        ({"action": "spam", "items": [{"id": "x", "version": 0}]}, "/items/0/version"),
    ],
)
def test_a_wrong_bulk_request_is_refused_with_a_pointer(
    site: Site, asked: dict[str, Any], pointer: str
) -> None:
    answer = site.ask("POST", "/v1/decisions/matching", json=asked)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_bulk_reaches_the_callers_own_sites_only(winnow: Winnow, site: Site) -> None:
    other = winnow.site()
    theirs = other.submitted()["id"]
    answer = site.ask("POST", "/v1/decisions/matching", json={"action": "spam", "site": other.id})
    assert answer.status_code == 403
    asked = {"action": "spam", "items": [{"id": theirs, "version": 1}]}
    body = site.ask("POST", "/v1/decisions/matching", json=asked).json()
    assert (body["done"], body["left"], body["items"][0]["status"]) == (0, 1, None)
    assert other.counts()["pending"] == 1


# -------------------------------------------------------------------------- campaigns


def test_a_campaign_is_shown_and_decided_as_one(site: Site) -> None:
    text = (
        "Earn up to {} dollars a day from home with our new system, ask {} on the messenger and "
        "start this very evening, no experience is needed and everybody is welcome"
    )
    for i in range(5):
        site.submitted(
            body=text.format(900 + i, f"anna{i}"), email=f"a{i}@example.org", ip=f"192.0.2.{i}"
        )
    site.submitted(body="The second part of this article is wrong about the bridge.")
    pending = site.counts()["pending"]
    viewer = site.person("viewer")
    body = site.ask("GET", "/v1/queues/pending/campaigns", viewer).json()
    (campaign,) = body["items"]
    assert (campaign["authors"], campaign["networks"], body["waiting"]) == (campaign["count"], 1, 0)
    assert campaign["newest"]["id"] == campaign["members"][0]["id"]
    asked = {"action": "spam", "items": campaign["members"]}
    assert site.ask("POST", "/v1/decisions/matching", viewer, json=asked).status_code == 403
    done = site.ask("POST", "/v1/decisions/matching", json=asked).json()
    assert done["done"] == campaign["count"]
    assert site.counts()["pending"] == pending - campaign["count"]
    wrong = site.ask("GET", "/v1/queues/pending/campaigns?at_least=1")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/at_least")


# ---------------------------------------------------------------------------- preview


def test_a_policy_is_previewed_and_not_saved(site: Site) -> None:
    made = spread(site)
    site.decide(made[1], "reject", 1)
    path = f"/v1/sites/{site.id}/policy"
    policy = site.winnow.admin("GET", path).json()
    policy["block"] = [{"text": "bridge", "outcome": "reject"}]
    answer = site.winnow.admin("POST", path + "/preview", json=policy)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["comments"], body["decided"], body["changed"]) == (4, 1, 2)
    assert body["matrix"] == {"hold": {"hold": 2, "reject": 2}}
    assert (body["current"]["hold_rate"], body["proposed"]["hold_rate"]) == (1.0, 0.5)
    assert body["proposed"]["agreement"] == {"agrees": 1}
    assert [change["id"] for change in body["changes"]] == [made[1], made[3]]
    assert body["changes"][0]["reasons"][0] == "list.block"
    assert site.winnow.admin("GET", path).json()["version"] == 1
    policy["thresholds"]["nonsense"] = {"hold": 0.5}
    wrong = site.winnow.admin("POST", path + "/preview", json=policy)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (
        422,
        "/thresholds/nonsense",
    )
    viewer = site.person("viewer")
    assert site.ask("POST", path + "/preview", viewer, json=policy).status_code == 403


# ----------------------------------------------------------------------- author, flow


def test_an_author_is_shown_with_record_bans_and_comments(site: Site) -> None:
    one, two = site.submitted(), site.submitted(body="Another thing.", page=PAGE + "/b", name="R.")
    site.decide(one["id"], "approve", 1)
    author = site.ask("GET", "/v1/queues/pending").json()["items"][0]["author"]["id"]
    site.ask("PUT", f"/v1/sites/{site.id}/bans/{author}", json={"outcome": "hold"})
    site.ask("PUT", f"/v1/sites/{site.id}/bans/elsewhere.example")
    path = f"/v1/sites/{site.id}/authors/{author}"
    answer = site.ask("GET", path, site.person("viewer"))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    shown = body["author"]
    assert (shown["email"], shown["name"], shown["approved"], shown["pending"]) == (
        "r…@example.org", "R.", 1, 1,
    )  # fmt: skip
    assert [(ban["kind"], ban["outcome"]) for ban in body["bans"]] == [("author", "hold")]
    assert {status: [c["id"] for c in row] for status, row in body["comments"].items()} == {
        "pending": [two["id"]], "approved": [one["id"]], "rejected": [], "spam": [],
    }  # fmt: skip
    assert "reader@example.org" not in answer.text
    assert site.ask("GET", f"/v1/sites/{site.id}/authors/nobody").status_code == 404
    assert site.ask("GET", path, site.winnow.site().secret).status_code == 403


def test_the_flow_of_a_site_is_told_by_hour_with_samples_of_the_queue(site: Site) -> None:
    site.decide(site.submitted()["id"], "approve", 1)
    site.submitted(body="Another.")
    path = f"/v1/sites/{site.id}/flow"
    body = site.ask("GET", path, site.person("viewer")).json()
    assert len(body["items"]) == 168
    hours = body["items"][-2:]
    assert sum(hour["submitted"] for hour in hours) == 2
    assert sum(hour["decided_as"]["approved"] for hour in hours) == 1
    assert any(hour["decide_p95_s"] is not None for hour in hours)
    assert len(site.ask("GET", path, params={"hours": 2}).json()["items"]) == 2
    wrong = site.ask("GET", path, params={"hours": 1000})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/hours")
