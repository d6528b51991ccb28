"""Requirements of sites, keys, policies and moderators."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from service.store.keys import SITES_DELETING, SiteKeys
from tests.conftest import ORIGIN, PAGE, Site, Winnow, until


def test_a_site_is_made_read_changed_and_deleted(winnow: Winnow) -> None:
    name = f"shop-{time.monotonic_ns()}"
    made = winnow.admin(
        "POST", "/v1/sites", json={"id": name, "name": "My shop", "origins": [ORIGIN]}
    )
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/sites/{name}")
    path = f"/v1/sites/{name}"
    assert winnow.admin("GET", path).json() == made.json()
    assert made.json() | {"created_at": ""} == {
        "id": name, "name": "My shop", "origins": [ORIGIN], "created_at": "",
        "akismet_queue": False,
        "retention": {
            "refused_days": 30, "approved_days": None, "private_days": 30, "audit_days": 400,
        },
    }  # fmt: skip
    changed = winnow.admin("PATCH", path, json={"origins": []})
    assert (changed.json()["name"], changed.json()["origins"]) == ("My shop", [])
    assert name in [row["id"] for row in winnow.admin("GET", "/v1/sites").json()["items"]]
    assert winnow.admin("DELETE", path).status_code == 204
    assert winnow.admin("GET", path).status_code == 404
    assert name not in [row["id"] for row in winnow.admin("GET", "/v1/sites").json()["items"]]


def test_a_site_made_anew_has_nothing_of_the_old_one(winnow: Winnow, site: Site) -> None:
    made = site.submitted()
    winnow.admin("DELETE", f"/v1/sites/{site.id}")
    until(lambda: winnow.ask("GET", "/v1/sites", site.secret).status_code == 401, 2)
    again = winnow.admin(
        "POST", "/v1/sites", json={"id": site.id, "origins": ["https://b.example"]}
    )
    assert again.status_code == 201
    assert winnow.admin("GET", f"/v1/comments/{made['id']}").status_code == 404
    key = winnow.admin("POST", f"/v1/sites/{site.id}/keys", json={"kind": "publishable"}).json()[
        "key"
    ]

    def status() -> int:
        return winnow.ask(
            "POST", "/v1/comments", key,
            json={"page": "/a", "name": "A", "email": "a@b.example", "body": "B"},
            headers={"Origin": "https://b.example", "Connection": "close"},
        ).status_code  # fmt: skip

    # Every web process knows the new site's origins within a second.
    until(lambda: {status() for _ in range(8)} == {201}, 2)


def test_a_sites_new_origins_hold_in_every_process_within_a_second_or_so(site: Site) -> None:
    def statuses(origin: str) -> set[int]:
        # A connection each, so that both web processes are asked, and hold the site's rules.
        headers = {"Origin": origin, "Connection": "close"}
        return {site.submit(key=site.publishable, headers=headers).status_code for _ in range(8)}

    assert statuses(ORIGIN) == {201}
    moved = {"origins": ["https://moved.example"]}
    assert site.winnow.admin("PATCH", f"/v1/sites/{site.id}", json=moved).status_code == 200
    until(lambda: statuses("https://moved.example") == {201}, 3)
    until(lambda: statuses(ORIGIN) == {403}, 3)


def test_a_key_is_shown_once_and_listed_without_itself(site: Site) -> None:
    path = f"/v1/sites/{site.id}/keys"
    made = site.winnow.admin("POST", path, json={"kind": "secret", "label": "server"})
    assert made.status_code == 201
    assert {"id", "kind", "key"} <= set(made.json())
    listed = site.winnow.admin("GET", path)
    assert made.json()["key"] not in listed.text
    assert made.json()["id"] in [row["id"] for row in listed.json()["items"]]


def test_a_revoked_key_ends_within_a_second_in_every_process(site: Site) -> None:
    path = f"/v1/sites/{site.id}/keys"
    made = site.winnow.admin("POST", path, json={"kind": "secret"}).json()

    def status() -> int:
        # A connection each, so that both web processes are asked.
        return site.ask(
            "GET", "/v1/queues", made["key"], headers={"Connection": "close"}
        ).status_code

    assert {status() for _ in range(8)} == {200}
    assert site.winnow.admin("DELETE", f"{path}/{made['id']}").status_code == 204
    until(lambda: {status() for _ in range(8)} == {401}, 1.0)


def test_two_keys_of_a_kind_may_live_side_by_side(site: Site) -> None:
    second = site.key("secret")
    assert site.ask("GET", "/v1/queues").status_code == 200
    assert site.ask("GET", "/v1/queues", second).status_code == 200


def test_a_key_with_fewer_scopes_may_do_less(site: Site) -> None:
    key = site.key("secret", scopes=["submit"])
    assert site.submit(key=key).status_code == 201
    assert site.ask("GET", "/v1/queues", key).status_code == 403


def test_a_key_ends_at_its_time(site: Site) -> None:
    from datetime import UTC, datetime, timedelta

    ends = datetime.now(UTC) + timedelta(seconds=1)
    key = site.key("secret", expires_at=ends.isoformat())
    assert site.ask("GET", "/v1/queues", key).status_code == 200
    until(lambda: site.ask("GET", "/v1/queues", key).status_code == 401, 3)


def test_a_compat_key_opens_no_door_of_this_api(site: Site) -> None:
    key = site.key("compat")
    assert len(key) == 12
    assert site.submit(key=key).status_code == 403
    assert site.ask("GET", "/v1/queues", key).status_code == 403


# ---------------------------------------------------------------------------- policy


def test_a_policy_is_saved_as_its_next_version_under_if_match(site: Site) -> None:
    path = f"/v1/sites/{site.id}/policy"
    read = site.winnow.admin("GET", path)
    assert (read.headers["etag"], read.json()["version"]) == ('"1"', 1)
    changed = read.json() | {"authors": {"hold_first": 0}}
    saved = site.winnow.admin("PUT", path, json=changed, headers={"If-Match": '"1"'})
    assert (saved.status_code, saved.headers["etag"], saved.json()["version"]) == (200, '"2"', 2)
    stale = site.winnow.admin("PUT", path, json=changed, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert site.winnow.admin("PUT", path, json=changed).json()["version"] == 3
    fresh = site.winnow.admin("GET", path, headers={"If-None-Match": '"3"'})
    assert (fresh.status_code, fresh.content) == (304, b"")


def test_a_saved_policy_judges_the_very_next_comment(site: Site) -> None:
    for text, status in (("pineapple", "rejected"), ("lemon", "approved")):
        version = site.policy(block=[{"text": text, "outcome": "reject"}])["version"]
        for i in range(4):  # on connections of their own: both web processes
            made = site.submitted(
                body=f"pineapple {text} {i}" if status == "rejected" else f"pineapple {i}",
                headers={"Connection": "close"},
            )
            assert (made["status"], made["verdict"]["policy_version"]) == (status, version)


def test_the_default_policy_is_the_contracts(site: Site) -> None:
    policy = site.ask("GET", f"/v1/sites/{site.id}/policy").json()
    assert policy["authors"]["hold_first"] == 1
    assert policy["links"] == {"max": 2, "outcome": "hold", "shadow": False}
    assert all(rule.get("reject") is None for rule in policy["thresholds"].values())
    assert policy["thresholds"]["spam"].get("spam") is not None


def test_a_shadow_rule_only_tells_what_it_would_have_done(plain_site: Site) -> None:
    plain_site.policy(block=[{"text": "pineapple", "outcome": "reject", "shadow": True}])
    made = plain_site.submitted(body="pineapple")
    assert made["status"] == "approved"
    (reason,) = made["verdict"]["reasons"]
    assert (reason["shadow"], reason["outcome"]) == (True, "reject")


def broken(site: Site) -> None:
    """A stored policy that this release cannot compile."""
    with redis.Redis.from_url(site.winnow.redis_url) as client:
        config = SiteKeys(site.id).config()
        client.hset(config, "policy", '{"patterns":[{"pattern":"("}]}')
        client.hincrby(config, "version", 1)


def test_a_site_whose_policy_cannot_be_compiled_can_be_repaired_by_its_owner(site: Site) -> None:
    broken(site)
    path = f"/v1/sites/{site.id}"
    assert site.winnow.admin("GET", path).json()["id"] == site.id
    read = site.winnow.admin("GET", f"{path}/policy")
    assert (read.status_code, read.json()["patterns"][0]["pattern"]) == (200, "(")
    saved = site.winnow.admin("PUT", f"{path}/policy", json=read.json() | {"patterns": []})
    assert saved.status_code == 200
    assert site.submit().status_code == 201


def test_a_site_whose_policy_cannot_be_compiled_can_be_deleted(site: Site) -> None:
    broken(site)
    assert site.winnow.admin("DELETE", f"/v1/sites/{site.id}").status_code == 204


def test_what_an_interrupted_deletion_left_can_be_deleted_but_not_made_anew(site: Site) -> None:
    with redis.Redis.from_url(site.winnow.redis_url) as client:
        client.sadd(SITES_DELETING, site.id)
        client.unlink(SiteKeys(site.id).config())
    again = site.winnow.admin("POST", "/v1/sites", json={"id": site.id})
    assert again.status_code in (201, 409)  # 201 if the worker was faster
    assert site.winnow.admin("DELETE", f"/v1/sites/{site.id}").status_code == 204
    assert site.winnow.admin("DELETE", f"/v1/sites/{site.id}").status_code == 404


# ------------------------------------------------------------------------ moderators


def test_a_moderator_gets_a_token_and_a_one_time_link(site: Site) -> None:
    person = {"name": "Ann", "email": "ann@staff.example", "role": "moderator", "sites": [site.id]}
    made = site.winnow.admin("POST", "/v1/moderators", json=person)
    assert made.status_code == 201
    assert {"id", "token", "sign_in"} <= set(made.json())
    assert made.json()["token"].startswith("mt_")
    assert "/console/sign-in?token=" in made.json()["sign_in"]
    listed = site.winnow.admin("GET", "/v1/moderators")
    assert made.json()["token"] not in listed.text
    assert made.json()["id"] in [row["id"] for row in listed.json()["items"]]


@pytest.mark.parametrize(
    ("role", "allowed"), [("viewer", set()), ("moderator", {"decide", "ban"}),
                          ("admin", {"decide", "ban", "policy", "keys"})],
)  # fmt: skip
def test_a_role_may_do_this_on_its_sites(site: Site, role: str, allowed: set[str]) -> None:
    made, token = site.submitted(), site.person(role)
    assert site.ask("GET", "/v1/queues/pending", token).json()["total"] == 1
    assert site.ask("GET", f"/v1/comments/{made['id']}", token).status_code == 200
    assert site.submit(key=token).status_code == 403
    tried: dict[str, Any] = {
        "decide": site.decide(made["id"], "approve", 1, key=token),
        "ban": site.ask("PUT", f"/v1/sites/{site.id}/bans/x.example", token),
        "policy": site.ask("PUT", f"/v1/sites/{site.id}/policy", token, json={}),
        "keys": site.ask("POST", f"/v1/sites/{site.id}/keys", token, json={"kind": "secret"}),
    }
    assert {name for name, answer in tried.items() if answer.status_code < 300} == allowed
    assert {a.status_code for n, a in tried.items() if n not in allowed} <= {403}


def test_an_admin_of_one_site_rules_no_other_and_makes_none(winnow: Winnow, site: Site) -> None:
    other, token = winnow.site(), site.person("admin")
    assert winnow.ask("GET", f"/v1/sites/{other.id}/policy", token).status_code == 403
    assert winnow.ask("POST", "/v1/sites", token, json={"id": "mine"}).status_code == 403
    person = {"name": "Eve", "email": "eve@staff.example", "role": "admin"}
    for sites in ([], [other.id]):
        answer = winnow.ask("POST", "/v1/moderators", token, json=person | {"sites": sites})
        assert answer.status_code in (403, 422)
    assert winnow.ask("GET", "/v1/moderators", token).status_code == 403


def test_scores_are_made_under_no_other_sites_rules(winnow: Winnow, site: Site) -> None:
    other = winnow.site()
    other.policy(block=[{"text": "confidential"}])
    asked = {"text": "a confidential word", "site": other.id}
    assert site.ask("POST", "/v1/score", json=asked).status_code == 403

    def codes() -> list[str]:
        own = other.ask("POST", "/v1/score", json={"text": "a confidential word"}).json()
        return [reason["code"] for reason in own["reasons"]]

    until(lambda: "list.block" in codes(), 2)  # a process may hold the old rules for a second


def test_a_score_stores_nothing_and_explains_itself(site: Site) -> None:
    answer = site.ask("POST", "/v1/score", json={"text": "Buy cheap pills at http://x.example now"})
    assert answer.status_code == 200
    body = answer.json()
    assert {"scores", "reasons", "spans", "tokens", "counterfactual", "model"} <= set(body)
    assert len(body["scores"]) == 8
    total = body["bias"] + body["rest"] + sum(token["contribution"] for token in body["tokens"])
    assert total == pytest.approx(body["margin"], abs=0.01)
    many = site.ask("POST", "/v1/score", json={"texts": ["One.", "Two."]}).json()
    assert len(many["items"]) == 2
    assert sum(site.counts().values()) == 0


def test_the_model_tells_its_card(site: Site) -> None:
    body = site.ask("GET", "/v1/model").json()
    assert {"version", "card", "metrics", "champion", "challenger"} <= set(body)
    assert body["card"].strip()


def test_an_export_has_every_comment_as_a_line(winnow: Winnow, site: Site) -> None:
    ids = {site.submitted(body=f"Point {i}", page=PAGE)["id"] for i in range(3)}
    answer = winnow.admin("GET", f"/v1/sites/{site.id}/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    import json

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert ids <= {line.get("id") for line in lines}


@pytest.mark.parametrize("role", ["admin", "moderator", "viewer"])
def test_a_person_of_a_deleted_site_reaches_nothing_of_one_made_anew(
    winnow: Winnow, site: Site, role: str
) -> None:
    other = winnow.site()
    only, both = site.person(role), site.person(role, other.id)
    assert winnow.admin("DELETE", f"/v1/sites/{site.id}").status_code == 204
    assert winnow.admin("POST", "/v1/sites", json={"id": site.id}).status_code == 201

    def reached(token: str) -> list[str]:
        rows = winnow.ask("GET", "/v1/sites", token, headers={"Connection": "close"}).json()
        return [row["id"] for row in rows["items"]]

    until(lambda: all(reached(only) == [] for _ in range(8)), 2)
    until(lambda: all(reached(both) == [other.id] for _ in range(8)), 2)
    asked = winnow.ask("GET", "/v1/queues/pending", only, params={"site": site.id})
    assert asked.status_code == 403
    assert winnow.ask("GET", "/v1/queues", both).status_code == 200


def test_a_page_closes_by_its_oldest_comment_however_late_it_came(plain_site: Site) -> None:
    """An imported or backdated comment makes a page as old as it is."""
    plain_site.policy(closing={"days": 7})
    assert plain_site.submitted(body="Now.")["status"] == "approved"
    old = plain_site.submitted(body="Then.", created_at="2026-01-01T00:00:00Z")
    assert old["status"] == "approved"
    late = plain_site.submitted(body="Too late.")
    assert late["status"] == "rejected"
    assert late["verdict"]["reasons"][0]["code"] == "page.closed"
    page = plain_site.ask("GET", "/v1/pages", params={"url": PAGE}).json()
    assert (page["closed"], page["first_at"]) == (True, "2026-01-01T00:00:00.000Z")


def test_a_large_word_list_is_read_and_an_empty_expiry_is_none(plain_site: Site) -> None:
    words = [{"text": f"blocked{number}"} for number in range(3000)]
    assert len(plain_site.policy(block=words)["block"]) == 3000
    path = f"/v1/sites/{plain_site.id}/keys"
    answer = plain_site.winnow.admin("POST", path, json={"kind": "secret", "expires_at": ""})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/expires_at"
