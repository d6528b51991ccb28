"""Requirements of the moderators' half: queues, claims, decisions, bulk, undo, history, bans."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import ORIGIN, PAGE, Site, Winnow


@pytest.fixture
def held(site: Site) -> dict[str, Any]:
    """A pending comment of `site`."""
    return site.submitted()


# ---------------------------------------------------------------------------- queues


def test_the_overview_tells_each_queue_of_each_site(site: Site, held: dict[str, Any]) -> None:
    rows = site.ask("GET", "/v1/queues").json()["items"]
    assert [(row["site"], row["status"], row["count"]) for row in rows] == [
        (site.id, "pending", 1), (site.id, "approved", 0), (site.id, "rejected", 0),
        (site.id, "spam", 0),
    ]  # fmt: skip
    pending = rows[0]
    assert pending["oldest_at"] == held["created_at"]
    assert 0 <= pending["oldest_age_s"] < 60
    assert {"decide_p50_s", "decide_p95_s", "drain_s"} <= set(pending)
    site.decide(held["id"], "approve", 1)
    pending = site.ask("GET", "/v1/queues").json()["items"][0]
    assert (pending["count"], pending["oldest_at"], pending["drain_s"]) == (0, None, 0.0)
    assert 0 <= pending["decide_p50_s"] <= pending["decide_p95_s"] < 60


def test_a_queue_shows_all_a_moderator_needs(site: Site, held: dict[str, Any]) -> None:
    answer = site.ask("GET", "/v1/queues/pending")
    body = answer.json()
    assert set(body) == {"items", "next", "total"}
    assert (body["next"], body["total"]) == (None, 1)
    (item,) = body["items"]
    assert (item["id"], item["version"], item["status"]) == (held["id"], 1, "pending")
    assert item["verdict"] == held["verdict"]
    assert item["scores"] == held["scores"]
    assert item["claim"] is None
    author = item["author"]
    assert (author["email"], author["pending"], author["approved"]) == ("r…@example.org", 1, 0)


def test_a_queue_goes_on_where_its_cursor_says(site: Site) -> None:
    made = [site.submitted(body=f"Point number {i}.")["id"] for i in range(5)]
    path, seen, pages = "/v1/queues/pending?sort=oldest&limit=2", [], 0
    while path:
        answer = site.ask("GET", path)
        body = answer.json()
        assert body["total"] == 5
        seen += [item["id"] for item in body["items"]]
        path, pages = "", pages + 1
        if body["next"]:
            link = answer.headers["link"]
            assert link.endswith('; rel="next"')
            path = link.partition(">")[0].removeprefix("<" + site.winnow.url)
            assert "sort=oldest" in path
    assert (seen, pages) == (made, 3)


def test_the_orders_are_urgency_oldest_and_newest(plain_site: Site) -> None:
    plain_site.policy(authors={"hold_first": 100})
    made = [plain_site.submitted(body=f"Point number {i}.")["id"] for i in range(3)]

    def order(sort: str) -> list[str]:
        items = plain_site.ask("GET", "/v1/queues/pending", params={"sort": sort}).json()["items"]
        return [item["id"] for item in items]

    assert order("oldest") == made
    assert order("newest") == made[::-1]
    items = plain_site.ask("GET", "/v1/queues/pending").json()["items"]
    assert [item["priority"] for item in items] == sorted(item["priority"] for item in items)


def test_the_filters_find_what_they_name(plain_site: Site) -> None:
    plain_site.policy(block=[{"text": "forbidden"}], authors={"hold_first": 0})
    one = plain_site.submitted(body="forbidden one")
    two = plain_site.submitted(body="forbidden two", page=PAGE + "/b", email="other@example.org")
    reason = one["verdict"]["reasons"][0]["code"]
    author = plain_site.ask("GET", "/v1/queues/pending").json()["items"][0]["author"]["id"]
    author_of = {author: two["id"], "other@example.org": two["id"]}
    first = plain_site.ask("GET", "/v1/queues/pending?sort=oldest").json()["items"][0]
    author_of[first["author"]["id"]] = one["id"]

    def ids(**params: Any) -> list[str]:
        body = plain_site.ask(
            "GET", "/v1/queues/pending", params={"sort": "oldest"} | params
        ).json()
        assert body["total"] in (len(body["items"]), None)
        return [item["id"] for item in body["items"]]

    assert ids(page=PAGE) == [one["id"]]
    assert ids(page="HTTPS://NEWS.example/a/1#top") == [one["id"]]
    assert ids(page=PAGE + "/b") == [two["id"]]
    assert ids(reason=reason) == [one["id"], two["id"]]
    assert ids(reason="no.such") == []
    assert ids(author=first["author"]["id"]) == [one["id"]]
    assert ids(author="Other@Example.org") == [two["id"]]
    assert ids(author="other@example.org", page=PAGE) == []
    assert ids(label="spam", min=0) == [one["id"], two["id"]]
    assert ids(label="threat", min=1) == []
    spam = [(item["scores"]["spam"], item["id"]) for item in
            plain_site.ask("GET", "/v1/queues/pending").json()["items"]]  # fmt: skip
    highest = max(spam)[0]
    assert ids(label="spam", min=highest) == [
        i for i in (one["id"], two["id"]) if (highest, i) in spam
    ]


# ---------------------------------------------------------------------------- claims


def test_a_claim_is_named_renewed_and_released_by_its_holder(site: Site) -> None:
    made = [site.submitted(body=f"Point number {i}.")["id"] for i in range(3)]
    ann, bob = site.person("moderator"), site.person("moderator")
    answer = site.ask("POST", "/v1/queues/pending/claims", ann, json={"count": 2, "ttl_s": 300})
    assert answer.status_code == 201
    mine = [item["id"] for item in answer.json()["items"]]
    assert len(mine) == 2
    assert all(item["claim"]["holder"] for item in answer.json()["items"])
    others = site.ask("POST", "/v1/queues/pending/claims", bob, json={}).json()["items"]
    assert {item["id"] for item in others} == set(made) - set(mine)
    path = f"/v1/claims/{mine[0]}"
    renewed = site.ask("PUT", path, ann, json={"ttl_s": 900})
    assert renewed.status_code == 200
    assert renewed.json()["expires_at"] > answer.json()["items"][0]["claim"]["expires_at"]
    assert site.ask("PUT", path, bob, json={}).status_code == 409
    assert site.ask("DELETE", path, bob).status_code == 409
    assert site.ask("DELETE", path, ann).status_code == 204
    assert site.ask("DELETE", path, ann).status_code == 404
    shown = site.ask("GET", "/v1/queues/pending").json()["items"]
    assert {item["id"]: bool(item["claim"]) for item in shown}[mine[0]] is False


def test_a_claim_gives_and_denies_nobody_the_right_to_decide(site: Site) -> None:
    made = site.submitted()
    ann, bob = site.person("moderator"), site.person("moderator")
    site.ask("POST", "/v1/queues/pending/claims", ann, json={"count": 1})
    assert site.decide(made["id"], "approve", 1, key=bob).status_code == 200


# ------------------------------------------------------------------------- decisions


def test_a_decision_answers_with_the_new_version(site: Site, held: dict[str, Any]) -> None:
    ann = site.person("moderator")
    fields = {"reason": "insult", "note": "seen twice"}
    answer = site.decide(held["id"], "reject", 1, key=ann, fields=fields)
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    body = answer.json()
    assert (body["id"], body["status"], body["version"]) == (held["id"], "rejected", 2)
    decision = body["decision"]
    assert (decision["action"], decision["reason"], decision["note"]) == (
        "reject", "insult", "seen twice",
    )  # fmt: skip
    assert decision["by"].startswith("personal:")
    assert site.counts() == {"pending": 0, "approved": 0, "rejected": 1, "spam": 0}


def test_a_stale_version_gets_the_winners_decision(site: Site, held: dict[str, Any]) -> None:
    won = site.decide(held["id"], "approve", 1).json()
    lost = site.decide(held["id"], "spam", 1)
    assert lost.status_code == 409
    problem = lost.json()
    assert (problem["code"], problem["current"]) == (
        "stale_version", {"status": "approved", "version": 2},
    )  # fmt: skip
    assert problem["decision"] == won["decision"]


def test_the_same_idempotency_key_gets_the_same_decision(site: Site, held: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "click-1"}
    first = site.decide(held["id"], "approve", 1, headers=headers)
    site.decide(held["id"], "spam", 2)
    again = site.decide(held["id"], "approve", 1, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = site.decide(held["id"], "reject", 3, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_one_persons_key_says_nothing_to_another(site: Site, held: dict[str, Any]) -> None:
    ann, bob = site.person("moderator"), site.person("moderator")
    headers = {"Idempotency-Key": "click-1"}
    assert site.decide(held["id"], "approve", 1, key=ann, headers=headers).status_code == 200
    assert site.decide(held["id"], "approve", 1, key=bob, headers=headers).status_code == 409


def test_a_bulk_decision_gives_one_result_each(site: Site) -> None:
    made = [site.submitted(body=f"Point number {i}.")["id"] for i in range(3)]
    site.decide(made[1], "spam", 1)
    items = [{"id": i, "action": "approve", "version": 1} for i in [*made, "0" * 26]]
    answer = site.ask("POST", "/v1/decisions", json={"items": items})
    assert answer.status_code == 200
    results = answer.json()["items"]
    assert [item["code"] for item in results] == [200, 409, 200, 404]
    assert [item["id"] for item in results] == [*made, "0" * 26]
    assert results[1]["error"]["decision"]["action"] == "spam"
    assert site.counts() == {"pending": 0, "approved": 2, "rejected": 0, "spam": 1}


@pytest.mark.parametrize(("size", "status"), [(500, 200), (501, 422)])
def test_a_bulk_decision_holds_up_to_five_hundred(site: Site, size: int, status: int) -> None:
    items = [{"id": "0" * 26, "action": "spam", "version": 1}] * size
    assert site.ask("POST", "/v1/decisions", json={"items": items}).status_code == status


def test_the_same_comment_twice_in_one_bulk_is_decided_once(
    site: Site, held: dict[str, Any]
) -> None:
    items = [{"id": held["id"], "action": "approve", "version": 1}] * 2
    results = site.ask("POST", "/v1/decisions", json={"items": items}).json()["items"]
    assert sorted(item["code"] for item in results) == [200, 409]


def test_undo_puts_the_comment_back(site: Site, held: dict[str, Any]) -> None:
    site.decide(held["id"], "spam", 1)
    answer = site.ask("POST", f"/v1/comments/{held['id']}/undo", json={"version": 2})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["version"]) == ("pending", 3)
    assert site.counts()["pending"] == 1
    read = site.ask("GET", f"/v1/comments/{held['id']}").json()
    assert (read["status"], read["decision"]) == ("pending", None)
    stale = site.ask("POST", f"/v1/comments/{held['id']}/undo", json={"version": 2})
    assert stale.status_code == 409


def test_the_history_tells_every_version(site: Site, held: dict[str, Any]) -> None:
    ann = site.person("moderator")
    path = f"/v1/comments/{held['id']}"
    site.decide(held["id"], "approve", 1, key=ann, fields={"reason": "fine", "note": "ok"})
    site.ask("POST", path + "/undo", ann, json={"version": 2})
    site.ask("PATCH", path, json={"body": "A better text."})
    steps = site.ask("GET", path + "/history").json()["items"]
    assert [(s["version"], s["action"], s["before"]) for s in steps] == [
        (1, "submit", None), (2, "approve", "pending"), (3, "undo", "approved"),
        (4, "edit", "pending"),
    ]  # fmt: skip
    assert [step["status"] for step in steps[:3]] == ["pending", "approved", "pending"]
    assert (steps[1]["reason"], steps[1]["note"]) == ("fine", "ok")
    assert steps[1]["by"].startswith("personal:")
    assert [step["body"] for step in steps] == [steps[0]["body"]] * 3 + ["A better text."]
    assert steps[0]["body"] == "I agree with the second point."
    for step in steps:
        assert step["at"].endswith("Z")
        assert (step["policy_version"], bool(step["model"])) == (1, True)


# ------------------------------------------------------------------------------ bans


@pytest.mark.parametrize(
    ("ban_id", "body"),
    [
        ("example.org", None),
        ("reader@example.org", None),
        ("Reader@Example.org", None),
        ("203.0.113.9", None),
        ("203.0.113.0/24", None),
        ("2001:db8::/32", {"kind": "cidr", "value": "203.0.113.0/24"}),
        ("domain:example.org", None),
        ("my-name", {"kind": "domain", "value": "Example.ORG"}),
        ("my-name", {"kind": "address", "value": "reader@example.org"}),
        ("my-name", {"kind": "ip", "value": "203.0.113.9"}),
    ],
)
def test_a_ban_of_each_kind_refuses_until_it_is_lifted(
    plain_site: Site, ban_id: str, body: dict[str, str] | None
) -> None:
    path = f"/v1/sites/{plain_site.id}/bans/{ban_id}"
    sent = {} if body is None else {"json": body}
    answer = plain_site.ask("PUT", path, **sent)
    assert answer.status_code == 200, answer.text
    assert "reader@" not in answer.text
    refused = plain_site.submitted(ip="203.0.113.9")
    assert refused["status"] == "rejected"
    assert refused["verdict"]["reasons"][0]["code"].startswith("ban")
    listed = plain_site.ask("GET", f"/v1/sites/{plain_site.id}/bans").json()["items"]
    assert [ban["id"] for ban in listed] == [answer.json()["id"]]
    fine = plain_site.submitted(email="x@elsewhere.example", ip="198.51.100.1")
    assert fine["status"] == "approved"
    assert plain_site.ask("DELETE", path).status_code == 204
    assert plain_site.submitted(ip="203.0.113.9", body="Again.")["status"] == "approved"
    assert plain_site.ask("DELETE", path).status_code == 404


def test_an_author_is_banned_by_the_id_a_queue_shows(site: Site, held: dict[str, Any]) -> None:
    (item,) = site.ask("GET", "/v1/queues/pending").json()["items"]
    path = f"/v1/sites/{site.id}/bans/{item['author']['id']}"
    assert site.ask("PUT", path, json={"outcome": "spam"}).json()["kind"] == "author"
    assert site.submitted(body="Once more.")["status"] == "spam"


def test_a_ban_that_ran_out_refuses_nobody(plain_site: Site) -> None:
    path = f"/v1/sites/{plain_site.id}/bans/example.org"
    plain_site.ask("PUT", path, json={"expires_at": "2020-01-01T00:00:00Z"})
    assert plain_site.submitted()["status"] == "approved"


def test_a_shadow_banned_author_sees_pending_and_readers_see_nothing(plain_site: Site) -> None:
    path = f"/v1/sites/{plain_site.id}/bans/example.org"
    plain_site.ask("PUT", path, json={"shadow": True})
    told = plain_site.submit(key=plain_site.publishable, headers={"Origin": ORIGIN}).json()
    assert told["status"] == "pending"
    assert plain_site.counts()["rejected"] == 1
    thread = plain_site.ask("GET", "/v1/pages/comments", params={"page": PAGE}).json()
    assert thread["items"] == []


def test_a_moderator_of_several_sites_claims_over_all_of_them(winnow: Winnow, site: Site) -> None:
    other = winnow.site()
    made = {site.submitted()["id"], other.submitted()["id"]}
    token = site.person("moderator", other.id)
    answer = winnow.ask("POST", "/v1/queues/pending/claims", token, json={"count": 10})
    assert {item["id"] for item in answer.json()["items"]} == made


def test_a_moderator_whose_other_site_is_gone_still_sees_the_rest(
    winnow: Winnow, site: Site
) -> None:
    other = winnow.site()
    token = site.person("moderator", other.id)
    assert winnow.admin("DELETE", f"/v1/sites/{other.id}").status_code == 204
    answer = winnow.ask("GET", "/v1/sites", token)
    assert answer.status_code == 200
    assert [row["id"] for row in answer.json()["items"]] == [site.id]
