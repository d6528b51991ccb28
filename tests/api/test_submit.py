"""Requirements of `POST /v1/comments` and its kin: submit, batch, status, edit, receipt."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from http.client import HTTPConnection

import httpx
import pytest

from tests.conftest import ORIGIN, PAGE, Site, Winnow, comment

FORM = "application/x-www-form-urlencoded"


def test_a_comment_is_answered_as_the_contract_says(site: Site) -> None:
    answer = site.submit()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert answer.headers["location"] == f"/v1/comments/{body['id']}"
    assert set(body) == {"id", "site", "status", "created_at", "receipt", "verdict", "scores"}
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", body["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["created_at"])
    assert "/r/" in body["receipt"]
    assert (body["site"], body["status"]) == (site.id, "pending")
    verdict = body["verdict"]
    assert {"outcome", "policy_version", "model", "reasons"} <= set(verdict)
    assert (verdict["outcome"], verdict["policy_version"]) == ("hold", 1)
    for reason in verdict["reasons"]:
        assert {"code", "detail"} <= set(reason)
    assert set(body["scores"]) == {
        "spam", "toxicity", "severe_toxicity", "identity_attack", "insult", "profanity",
        "threat", "sexually_explicit",
    }  # fmt: skip
    assert all(0 <= score <= 1 for score in body["scores"].values())


def test_every_field_of_the_contract_is_taken(site: Site) -> None:
    body = site.submitted(
        page_title="Title", parent=None, url="https://reader.example", ip="203.0.113.9",
        user_agent="Firefox", referrer="https://search.example/", locale="en",
        created_at="2026-01-02T03:04:05.678Z", elapsed_ms=8400, honeypot="",
        metadata={"section": "politics"}, test=False, site=site.id,
    )  # fmt: skip
    assert body["created_at"] == "2026-01-02T03:04:05.678Z"
    read = site.ask("GET", f"/v1/comments/{body['id']}").json()
    assert read["metadata"] == {"section": "politics"}
    assert (read["url"], read["locale"]) == ("https://reader.example", "en")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Владимир", "Согласен со вторым пунктом."),
        ("王小明", "我同意第二点。"),
        ("أحمد", "أتفق مع النقطة الثانية"),
        ("Zoë 👩‍👩‍👧", "👍🏽 line one\nline two\ttab"),
        ("x" * 80, "y" * 10_000),
        ("o", "bidi \u202etxet\u202c and zero\u200bwidth stay as written"),
    ],
)
def test_names_and_texts_in_any_script_are_kept_as_written(
    site: Site, name: str, body: str
) -> None:
    made = site.submitted(name=name, body=body)
    read = site.ask("GET", f"/v1/comments/{made['id']}").json()
    assert (read["name"], read["body"]) == (name, body)


def test_an_admin_key_names_the_site(winnow: Winnow, site: Site) -> None:
    answer = winnow.admin("POST", "/v1/comments", json=comment(site=site.id))
    assert answer.status_code == 201
    assert "verdict" in answer.json()


# ---------------------------------------------------------------------- publishable


def test_a_publishable_key_works_from_its_sites_pages_and_sees_no_verdict(site: Site) -> None:
    answer = site.submit(key=site.publishable, headers={"Origin": ORIGIN})
    assert answer.status_code == 201
    assert set(answer.json()) == {"id", "site", "status", "created_at", "receipt"}
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "http://news.example"},
        {"Origin": "https://news.example:8443"},
        {"Origin": "https://news.example.evil.example"},
        {"Origin": "null"},
        {"Referer": "https://evil.example/news.example"},
    ],
)
def test_a_publishable_key_is_refused_elsewhere(site: Site, headers: dict[str, str]) -> None:
    answer = site.submit(key=site.publishable, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert sum(site.counts().values()) == 0


def test_a_page_without_origin_header_is_known_by_its_referer(site: Site) -> None:
    assert site.submit(key=site.publishable, headers={"Referer": PAGE}).status_code == 201


def test_with_a_publishable_key_address_and_agent_come_from_the_request(site: Site) -> None:
    for field, value in (
        ("ip", "203.0.113.9"),
        ("user_agent", "x"),
        ("referrer", "https://x.example"),
    ):
        answer = site.submit(key=site.publishable, headers={"Origin": ORIGIN}, **{field: value})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (f"/{field}", "not_allowed")


# ----------------------------------------------------------------------------- forms


def test_a_form_is_answered_with_the_way_back_to_the_page(site: Site) -> None:
    fields = comment(page=PAGE) | {"key": site.publishable, "elapsed_ms": "8400", "url": ""}
    answer = site.winnow.ask("POST", "/v1/comments", data=fields, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["location"], answer.content) == (303, PAGE, b"")
    assert site.counts()["pending"] == 1


def test_a_form_never_leads_to_a_foreign_page(site: Site) -> None:
    fields = comment(page="https://evil.example/x") | {"key": site.publishable}
    answer = site.winnow.ask("POST", "/v1/comments", data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(site.winnow.url + "/r/")


def test_a_secret_key_may_not_stand_in_a_form(site: Site) -> None:
    fields = comment() | {"key": site.secret}
    answer = site.winnow.ask("POST", "/v1/comments", data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


# ----------------------------------------------------------------------- idempotency


def test_the_same_key_and_body_get_the_same_answer(site: Site) -> None:
    headers = {"Idempotency-Key": "order-66"}
    first, again = (site.submit(headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert site.counts()["pending"] == 1


def test_the_same_key_with_another_body_is_refused(site: Site) -> None:
    headers = {"Idempotency-Key": "order-66"}
    site.submit(headers=headers)
    answer = site.submit(headers=headers, body="Something else.")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert site.counts()["pending"] == 1


def test_two_sites_may_use_one_key(winnow: Winnow, site: Site) -> None:
    other = winnow.site()
    headers = {"Idempotency-Key": "same"}
    ids = {one.submit(headers=headers).json()["id"] for one in (site, other)}
    assert len(ids) == 2


def test_fifty_parallel_retries_of_twenty_keys_make_twenty_comments(site: Site) -> None:
    async def scenario() -> list[tuple[int, int, str]]:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(base_url=site.winnow.url, limits=limits, timeout=60) as http:

            async def post(key: int) -> tuple[int, int, str]:
                answer = await http.post(
                    "/v1/comments",
                    json=comment(body=f"Point {key} is right."),
                    headers={
                        "Authorization": f"Bearer {site.secret}",
                        "Idempotency-Key": f"key-{key}",
                    },
                )
                return key, answer.status_code, answer.json()["id"]

            return [
                one
                for key in range(20)
                for one in await asyncio.gather(*(post(key) for _ in range(50)))
            ]

    answers = asyncio.run(scenario())
    assert {status for _, status, _ in answers} == {201}
    assert len({(key, comment_id) for key, _, comment_id in answers}) == 20
    assert sum(site.counts().values()) == 20


# ----------------------------------------------------------------------------- batch


def test_a_batch_gives_one_result_each_in_the_order_sent(site: Site) -> None:
    items = [
        comment(),
        comment(email="nobody"),
        "text",
        comment(body="Third"),
        comment(site="other"),
    ]
    answer = site.ask("POST", "/v1/comments/batch", json={"items": items})
    assert answer.status_code == 200
    results = answer.json()["items"]
    assert [item["code"] for item in results] == [201, 422, 400, 201, 403]
    assert results[0]["verdict"]["outcome"] == "hold"
    assert results[1]["error"]["errors"][0]["pointer"] == "/email"
    assert sum(site.counts().values()) == 2


def test_a_batch_is_replayed_whole(site: Site) -> None:
    sent = {"items": [comment(body=f"Number {i}") for i in range(5)]}
    headers = {"Idempotency-Key": "batch-1"}
    first, again = (
        site.ask("POST", "/v1/comments/batch", json=sent, headers=headers).json() for _ in range(2)
    )
    assert [item["id"] for item in first["items"]] == [item["id"] for item in again["items"]]
    assert sum(site.counts().values()) == 5


@pytest.mark.parametrize(("size", "status"), [(0, 422), (500, 200), (501, 422)])
def test_a_batch_holds_one_to_five_hundred_comments(site: Site, size: int, status: int) -> None:
    sent = {"items": [comment(body=f"Number {i}") for i in range(size)]}
    answer = site.ask("POST", "/v1/comments/batch", json=sent)
    assert answer.status_code == status
    assert sum(site.counts().values()) == (size if status == 200 else 0)


# ------------------------------------------------------------------- status and edit


def test_a_comments_etag_is_its_version(site: Site) -> None:
    made = site.submitted()
    path = f"/v1/comments/{made['id']}"
    answer = site.ask("GET", path)
    assert answer.headers["etag"] == '"1"'
    body = answer.json()
    assert {"status", "verdict", "scores", "decision"} <= set(body)
    assert (body["version"], body["decision"]) == (1, None)
    fresh = site.ask("GET", path, headers={"If-None-Match": '"1"'})
    assert (fresh.status_code, fresh.content) == (304, b"")
    site.decide(made["id"], "approve", 1)
    answer = site.ask("GET", path, headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert answer.json()["decision"]["action"] == "approve"


def test_an_edited_text_is_decided_again_as_a_new_version(plain_site: Site) -> None:
    plain_site.policy(block=[{"text": "forbidden", "outcome": "spam"}])
    made = plain_site.submitted()
    assert made["status"] == "approved"
    path = f"/v1/comments/{made['id']}"
    answer = plain_site.ask("PATCH", path, json={"body": "Quite forbidden."})
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    body = answer.json()
    assert (body["version"], body["status"], body["body"]) == (2, "spam", "Quite forbidden.")
    assert body["edited_at"] is not None
    stale = plain_site.ask("PATCH", path, json={"body": "Nice."}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    fits = plain_site.ask("PATCH", path, json={"body": "Nice."}, headers={"If-Match": '"2"'})
    assert fits.json()["status"] == "approved"


def test_the_body_limit_of_a_sites_policy_holds_for_new_and_edited_texts(plain_site: Site) -> None:
    plain_site.policy(limits={"body_max": 40})
    answer = plain_site.submit(body="x" * 41)
    assert answer.json()["errors"][0] | {"detail": ""} == {
        "pointer": "/body", "code": "too_long", "detail": "",
    }  # fmt: skip
    made = plain_site.submitted(body="x" * 40)
    edited = plain_site.ask("PATCH", f"/v1/comments/{made['id']}", json={"body": "y" * 41})
    assert edited.json()["errors"][0]["pointer"] == "/body"


# --------------------------------------------------------------------------- receipts


def test_a_receipt_tells_the_author_how_the_comment_stands(site: Site) -> None:
    made = site.submitted()
    token = made["receipt"].rpartition("/r/")[2]
    told = site.winnow.ask("GET", f"/v1/receipts/{token}")
    assert told.status_code == 200
    assert set(told.json()) == {"id", "status", "reason", "page", "created_at", "appeal"}
    assert told.json()["status"] == "pending"
    fields = {"reason": "Please stay on topic."}
    site.decide(made["id"], "reject", 1, fields=fields)
    told = site.winnow.ask("GET", f"/v1/receipts/{token}").json()
    assert (told["status"], told["reason"]) == ("rejected", "Please stay on topic.")


def test_a_receipt_that_was_tampered_with_is_not_found(site: Site) -> None:
    token = site.submitted()["receipt"].rpartition("/r/")[2]
    other = site.submitted(body="Another.")["receipt"].rpartition("/r/")[2]
    mixed = other.partition(".")[0] + "." + token.partition(".")[2]
    for wrong in (mixed, token[:-1], token + "A", "nonsense", "0" * 26 + ".x"):
        assert site.winnow.ask("GET", f"/v1/receipts/{wrong}").status_code == 404


def test_under_a_shadow_ban_the_author_is_told_to_wait(plain_site: Site) -> None:
    ban = {"shadow": True, "outcome": "spam"}
    path = f"/v1/sites/{plain_site.id}/bans/example.org"
    assert plain_site.ask("PUT", path, json=ban).status_code == 200
    answer = plain_site.submit(key=plain_site.publishable, headers={"Origin": ORIGIN}).json()
    assert answer["status"] == "pending"
    token = answer["receipt"].rpartition("/r/")[2]
    told = plain_site.winnow.ask("GET", f"/v1/receipts/{token}").json()
    assert (told["status"], "ban" in told["reason"].lower()) == ("pending", False)
    assert plain_site.ask("GET", f"/v1/comments/{answer['id']}").json()["status"] == "spam"


def test_an_idempotency_key_belongs_to_the_key_that_used_it(plain_site: Site) -> None:
    """A visitor cannot occupy the keys of the website's own server."""
    headers = {"Idempotency-Key": "order-1"}
    visitor = plain_site.submit(
        key=plain_site.publishable, body="Mine.", headers=headers | {"Origin": ORIGIN}
    )
    server = plain_site.submit(body="The server's.", headers=headers)
    assert (visitor.status_code, server.status_code) == (201, 201)
    assert visitor.json()["id"] != server.json()["id"]


@pytest.mark.parametrize("referer", ["http://[x", "http://", "nonsense"])
def test_a_senseless_referer_is_no_origin(plain_site: Site, referer: str) -> None:
    answer = plain_site.submit(key=plain_site.publishable, headers={"Referer": referer})
    assert answer.status_code == 403


def test_a_shadow_banned_author_is_not_told_the_moderators_reason(plain_site: Site) -> None:
    bans = f"/v1/sites/{plain_site.id}/bans/troll@example.org"
    assert plain_site.ask("PUT", bans, json={"shadow": True}).status_code == 200
    made = plain_site.submitted(email="troll@example.org")
    decided = {"action": "spam", "version": 1, "reason": "known spammer"}
    plain_site.ask("POST", f"/v1/comments/{made['id']}/decisions", json=decided)
    receipt = plain_site.winnow.ask("GET", "/v1/receipts/" + made["receipt"].rpartition("/")[2])
    assert receipt.json()["status"] == "pending"
    assert "spammer" not in receipt.text


@pytest.mark.parametrize("path", ["/v1/comments/batch", "/v1/decisions"])
def test_an_idempotency_key_of_many_is_bound_to_the_whole_body(plain_site: Site, path: str) -> None:
    if path == "/v1/decisions":
        first = plain_site.submitted(body="One.")
        items = [{"id": first["id"], "action": "spam", "version": 1}]
    else:
        items = [comment(body="One.")]
    headers = {"Idempotency-Key": "many-1"}
    answers = [
        plain_site.ask("POST", path, json={"items": sent}, headers=headers)
        for sent in (items, items, [*items, *items])
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert "idempotent-replayed" not in answers[0].headers
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert answers[1].json() == answers[0].json()


def test_every_text_is_explained_and_head_answers_as_get_without_a_body(plain_site: Site) -> None:
    scored = plain_site.ask("POST", "/v1/score", json={"texts": ["you idiot", "hello"]}).json()
    assert all(item["tokens"] for item in scored["items"])
    head = plain_site.ask("HEAD", "/readyz")
    assert (head.status_code, head.content) == (200, b"")


def test_a_connection_lives_on_after_head(winnow: Winnow) -> None:
    host, port = winnow.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.connect()
        first = connection.sock
        for method in ("HEAD", "GET", "HEAD", "HEAD", "GET"):
            connection.request(method, "/readyz")
            answer = connection.getresponse()
            body = answer.read()
            assert (answer.status, bool(body)) == (200, method == "GET")
            assert int(answer.headers["content-length"]) > 0
        assert connection.sock is first


def test_a_wrong_entry_of_a_mapping_is_named_by_its_key(plain_site: Site) -> None:
    wrong = {"thresholds": {"toxicity": {"hold": 0.5}, "spam": {"hold": 2}}}
    answer = plain_site.winnow.admin("PUT", f"/v1/sites/{plain_site.id}/policy", json=wrong)
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/thresholds/spam/hold"]


@pytest.mark.parametrize("given", ['W/"1"', '"7", "1"', "*"])
def test_an_etag_is_compared_weakly_and_in_lists(plain_site: Site, given: str) -> None:
    made = plain_site.submitted(body="Tagged.")
    answer = plain_site.ask("GET", f"/v1/comments/{made['id']}", headers={"If-None-Match": given})
    assert answer.status_code == 304
