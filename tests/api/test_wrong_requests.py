"""Requirement: a wrong request gets the right 4xx with the right pointer, and stores nothing."""

# ruff: noqa: E501  (a table: one row, one request)
from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple

import msgspec
import pytest

from service.store.keys import SiteKeys
from tests.conftest import ORIGIN, Site, Winnow, comment

C, Q, S = "/v1/comments", "/v1/queues", "/v1/sites"


class Wrong(NamedTuple):
    """A request that must be refused; `{site}`, `{id}` and `{key}` stand for real ones."""

    method: str
    path: str
    status: int
    code: str
    """The problem's code, or with a pointer the field error's."""
    pointer: str = ""
    body: Any = None
    """Sent as JSON, or as it is when bytes."""
    headers: dict[str, str] = {}  # noqa: RUF012  (a NamedTuple's default, never changed)
    key: str = "secret"


def field(code: str, pointer: str, **fields: Any) -> Wrong:
    """A submission with one wrong field."""
    sent = comment() | fields
    sent = {k: v for k, v in sent.items() if v is not ...}
    return Wrong("POST", C, 422, code, pointer, sent)


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": ORIGIN}
WRONG = [
    # what is missing
    field("required", "/page", page=...),
    field("required", "/name", name=...),
    field("required", "/email", email=...),
    field("required", "/body", body=...),
    field("required", "/body", body=None),
    # of the wrong type
    field("wrong_type", "/name", name=7),
    field("wrong_type", "/body", body=["text"]),
    field("wrong_type", "/email", email={"a": 1}),
    field("wrong_type", "/elapsed_ms", elapsed_ms="8400"),
    field("wrong_type", "/elapsed_ms", elapsed_ms=1.5),
    field("wrong_type", "/metadata", metadata="x"),
    field("wrong_type", "/test", test="yes"),
    field("wrong_type", "/site", site=3),
    # over a limit
    field("too_long", "/name", name="x" * 81),
    field("too_long", "/body", body="x" * 10_001),
    field("too_long", "/email", email="x" * 245 + "@x.example"),
    field("too_long", "/page", page="https://news.example/" + "x" * 2048),
    field("too_long", "/url", url="https://news.example/" + "x" * 2048),
    field("too_long", "/page_title", page_title="x" * 301),
    field("too_long", "/user_agent", user_agent="x" * 513),
    field("too_large", "/metadata", metadata={"a": "x" * 2048}),
    field("out_of_range", "/elapsed_ms", elapsed_ms=-1),
    # empty, or showing nothing
    field("empty", "/name", name=""),
    field("empty", "/name", name="  \t "),
    field("empty", "/body", body=""),
    field("empty", "/body", body="\u200b\u200d\u2060"),
    field("empty", "/email", email=" "),
    field("empty", "/page", page=""),
    # control characters
    field("control_character", "/name", name="a\u0000b"),
    field("control_character", "/name", name="two\nlines"),
    field("control_character", "/body", body="bell \u0007"),
    field("control_character", "/body", body="nul \u0000"),
    field("control_character", "/body", body="escape \u001b[31m"),
    # not what the field is
    field("invalid_email", "/email", email="nobody"),
    field("invalid_email", "/email", email="a@b@c.example"),
    field("invalid_email", "/email", email="a@nodots"),
    field("invalid_email", "/email", email="a b@x.example"),
    field("invalid_url", "/page", page="javascript:alert(1)"),
    field("invalid_url", "/page", page="news.example/a"),
    field("invalid_url", "/page", page="//evil.example/a"),
    field("invalid_url", "/url", url="ftp://x.example/"),
    field("invalid_url", "/url", url="javascript:alert(1)"),
    field("invalid_url", "/url", url="https://user:pw@x.example/"),
    field("invalid_ip", "/ip", ip="300.1.1.1"),
    field("invalid_ip", "/ip", ip="localhost"),
    field("invalid_locale", "/locale", locale="not a tag!"),
    field("invalid_date", "/created_at", created_at="yesterday"),
    field("invalid_date", "/created_at", created_at="2026-02-30T00:00:00Z"),
    field("out_of_range", "/created_at", created_at="2999-01-01T00:00:00Z"),
    field("invalid_id", "/parent", parent="../etc/passwd"),
    field("unknown_parent", "/parent", parent="0" * 26),
    field("unknown_field", "/colour", colour="red"),
    field("unknown_field", "/a~1b~0", **{"a/b~": 1}),
    # not readable at all
    Wrong("POST", C, 400, "malformed", "", b"", JSON),
    Wrong("POST", C, 400, "malformed", "", b"{", JSON),
    Wrong("POST", C, 400, "malformed", "", b"[]", JSON),
    Wrong("POST", C, 400, "malformed", "", b'"text"', JSON),
    Wrong("POST", C, 400, "malformed", "", b'{"name": "\xff\xfe"}', JSON),
    Wrong("POST", C, 400, "malformed", "", b"[" * 50_000, JSON),
    Wrong("POST", C, 413, "too_large", "", b" " * 65_537, JSON),
    Wrong("POST", C, 415, "unsupported_media_type", "", b"<c/>", {"Content-Type": "text/xml"}),
    Wrong("POST", C, 415, "unsupported_media_type", "", b"x", {"Content-Type": "multipart/form-data"}),
    Wrong("POST", C, 422, "too_long", "/Idempotency-Key", comment(), {"Idempotency-Key": "k" * 256}),
    Wrong("POST", C, 422, "empty", "/Idempotency-Key", comment(), {"Idempotency-Key": ""}),
    Wrong("PUT", C, 405, "method_not_allowed", "", comment()),
    Wrong("GET", C, 405, "method_not_allowed"),
    # forms
    Wrong("POST", C, 401, "unauthenticated", "", b"name=a", FORM, ""),
    Wrong("POST", C, 400, "malformed", "", b"%ff=1&key={key}", FORM, ""),
    Wrong("POST", C, 422, "duplicate_field", "/name", b"name=a&name=b", FORM, ""),
    Wrong("POST", C, 422, "required", "/body", b"key={key}&name=a&email=a@b.example&page=/a", FORM, ""),
    # batch and edit
    Wrong("POST", C + "/batch", 422, "required", "/items", {}),
    Wrong("POST", C + "/batch", 422, "out_of_range", "/items", {"items": []}),
    Wrong("POST", C + "/batch", 422, "wrong_type", "/items", {"items": "x"}),
    Wrong("POST", C + "/batch", 422, "unknown_field", "/more", {"items": [1], "more": 1}),
    Wrong("PATCH", C + "/{id}", 422, "required", "/body", {}),
    Wrong("PATCH", C + "/{id}", 422, "empty", "/body", {"body": " "}),
    Wrong("PATCH", C + "/{id}", 422, "unknown_field", "/name", {"body": "b", "name": "n"}),
    Wrong("PATCH", C + "/{id}", 400, "malformed", "", b"\xff", JSON),
    Wrong("PATCH", C + "/{id}", 400, "malformed", "", b'{"body": "\xff"}', JSON),
    Wrong("PATCH", C + "/{id}", 412, "precondition_failed", "", {"body": "b"}, {"If-Match": '"9"'}),
    Wrong("PATCH", C + "/{id}", 422, "invalid_version", "/If-Match", {"body": "b"}, {"If-Match": "x"}),
    Wrong("GET", C + "/" + "0" * 26, 404, "not_found"),
    Wrong("GET", C + "/nonsense", 404, "not_found"),
    # decisions
    Wrong("POST", C + "/{id}/decisions", 422, "required", "/action", {"version": 1}),
    Wrong("POST", C + "/{id}/decisions", 422, "required", "/version", {"action": "approve"}),
    Wrong("POST", C + "/{id}/decisions", 422, "out_of_range", "/action", {"action": "hold", "version": 1}),
    Wrong("POST", C + "/{id}/decisions", 422, "out_of_range", "/version", {"action": "spam", "version": 0}),
    Wrong("POST", C + "/{id}/decisions", 422, "wrong_type", "/version", {"action": "spam", "version": "1"}),
    Wrong("POST", C + "/{id}/decisions", 422, "too_long", "/reason",
          {"action": "spam", "version": 1, "reason": "x" * 201}),
    Wrong("POST", C + "/{id}/decisions", 409, "stale_version", "", {"action": "spam", "version": 9}),
    Wrong("POST", C + "/" + "0" * 26 + "/decisions", 404, "not_found", "", {"action": "spam", "version": 1}),
    Wrong("POST", C + "/{id}/undo", 409, "nothing_to_undo", "", {"version": 1}),
    Wrong("POST", C + "/{id}/undo", 422, "required", "/version", {}),
    Wrong("POST", "/v1/decisions", 422, "out_of_range", "/items", {"items": []}),
    Wrong("POST", "/v1/decisions", 422, "required", "/items/1/id",
          {"items": [{"id": "a", "action": "spam", "version": 1}, {"action": "spam", "version": 1}]}),
    # queues and claims
    Wrong("GET", Q + "/waiting", 404, "not_found"),
    Wrong("GET", Q + "/pending?sort=random", 422, "out_of_range", "/sort"),
    Wrong("GET", Q + "/pending?limit=0", 422, "out_of_range", "/limit"),
    Wrong("GET", Q + "/pending?limit=many", 422, "out_of_range", "/limit"),
    Wrong("GET", Q + "/pending?label=beauty", 422, "out_of_range", "/label"),
    Wrong("GET", Q + "/pending?label=spam&min=2", 422, "out_of_range", "/min"),
    Wrong("GET", Q + "/pending?label=spam&min=nan", 422, "out_of_range", "/min"),
    Wrong("GET", Q + "/pending?cursor=%00", 422, "invalid_cursor", "/cursor"),
    Wrong("GET", Q + "/pending?cursor=abc", 422, "invalid_cursor", "/cursor"),
    Wrong("GET", Q + "/pending?colour=red", 422, "unknown_field", "/colour"),
    Wrong("GET", Q + "/pending?page=nowhere", 422, "invalid_url", "/page"),
    Wrong("POST", Q + "/pending/claims", 422, "out_of_range", "/count", {"count": 101}),
    Wrong("POST", Q + "/pending/claims", 422, "out_of_range", "/ttl_s", {"ttl_s": 0}),
    Wrong("PUT", "/v1/claims/{id}", 404, "not_found", "", {"ttl_s": 10}),
    Wrong("DELETE", "/v1/claims/{id}", 404, "not_found"),
    # pages, score, events
    Wrong("GET", "/v1/pages", 422, "required", "/url"),
    Wrong("GET", "/v1/pages/comments", 422, "required", "/page"),
    Wrong("GET", "/v1/pages/comments?page=nowhere", 422, "invalid_url", "/page"),
    Wrong("GET", "/v1/pages/comments?page=/a&limit=501", 422, "out_of_range", "/limit"),
    Wrong("POST", "/v1/score", 422, "required", "/text", {}),
    Wrong("POST", "/v1/score", 422, "required", "/text", {"text": "a", "texts": ["b"]}),
    Wrong("POST", "/v1/score", 422, "out_of_range", "/text", {"text": ""}),
    Wrong("POST", "/v1/score", 422, "too_long", "/text", {"text": "x" * 10_001}),
    Wrong("GET", "/v1/events?after=yesterday", 422, "invalid_cursor", "/after"),
    Wrong("GET", "/v1/events?after=12-", 422, "invalid_cursor", "/after"),
    # owners
    Wrong("POST", S, 422, "out_of_range", "/id", {"id": "Not Lower"}, {}, "admin"),
    Wrong("POST", S, 422, "required", "/id", {}, {}, "admin"),
    Wrong("POST", S, 422, "out_of_range", "/origins/0", {"id": "x", "origins": ["x"]}, {}, "admin"),
    Wrong("POST", S, 409, "conflict", "", {"id": "{site}"}, {}, "admin"),
    Wrong("POST", S + "/{site}/keys", 422, "out_of_range", "/kind", {"kind": "admin"}, {}, "admin"),
    Wrong("POST", S + "/{site}/keys", 422, "invalid_date", "/expires_at",
          {"kind": "secret", "expires_at": "soon"}, {}, "admin"),
    Wrong("POST", S + "/{site}/keys", 422, "out_of_range", "/expires_at",
          {"kind": "secret", "expires_at": "2020-01-01T00:00:00Z"}, {}, "admin"),
    Wrong("POST", S + "/{site}/keys", 422, "out_of_range", "/scopes/0",
          {"kind": "publishable", "scopes": ["admin"]}, {}, "admin"),
    Wrong("DELETE", S + "/{site}/keys/none", 404, "not_found", "", None, {}, "admin"),
    Wrong("POST", "/v1/moderators", 422, "out_of_range", "/role",
          {"name": "A", "email": "a@b.example", "role": "king"}, {}, "admin"),
    Wrong("POST", "/v1/moderators", 422, "invalid_email", "/email",
          {"name": "A", "email": "nobody", "role": "viewer", "sites": ["{site}"]}, {}, "admin"),
    Wrong("POST", "/v1/moderators", 422, "unknown_site", "/sites/0",
          {"name": "A", "email": "a@b.example", "role": "viewer", "sites": ["nowhere"]}, {}, "admin"),
    Wrong("PUT", S + "/{site}/policy", 422, "unknown_label", "/thresholds/beauty",
          {"thresholds": {"beauty": {"hold": 0.5}}}, {}, "admin"),
    Wrong("PUT", S + "/{site}/policy", 422, "out_of_range", "/links/max", {"links": {"max": -1}}, {}, "admin"),
    Wrong("PUT", S + "/{site}/policy", 422, "unknown_field", "/rules", {"rules": []}, {}, "admin"),
    Wrong("PUT", S + "/{site}/policy", 422, "invalid_pattern", "/patterns/0/pattern",
          {"patterns": [{"pattern": "("}]}, {}, "admin"),
    Wrong("PUT", S + "/{site}/policy", 412, "precondition_failed", "", {}, {"If-Match": '"7"'}, "admin"),
    Wrong("GET", S + "/nowhere/policy", 404, "not_found", "", None, {}, "admin"),
    Wrong("PUT", S + "/{site}/bans/x", 422, "required", "/value", None),
    Wrong("PUT", S + "/{site}/bans/x", 422, "required", "/value", {"kind": "ip"}),
    Wrong("PUT", S + "/{site}/bans/x", 422, "invalid_ip", "/value", {"kind": "ip", "value": "a"}),
    Wrong("PUT", S + "/{site}/bans/x", 422, "invalid_cidr", "/value", {"kind": "cidr", "value": "1/99"}),
    Wrong("PUT", S + "/{site}/bans/x", 422, "invalid_domain", "/value", {"kind": "domain", "value": "no dots"}),
    Wrong("PUT", S + "/{site}/bans/x", 422, "invalid_address", "/value", {"kind": "address", "value": "no@"}),
    Wrong("DELETE", S + "/{site}/bans/none.example", 404, "not_found"),
    Wrong("GET", "/v1/nothing", 404, "not_found"),
    Wrong("DELETE", "/v1/score", 405, "method_not_allowed"),
]  # fmt: skip


class Place(NamedTuple):
    """A site with one comment, for a whole table of wrong requests."""

    site: Site
    comment: str


@pytest.fixture(scope="module")
def place(winnow: Winnow) -> Place:
    site = winnow.site()
    return Place(site, site.submitted()["id"])


def filled(value: Any, place: Place) -> Any:
    """A path or body with the real names in it."""
    names = {"{site}": place.site.id, "{id}": place.comment, "{key}": place.site.publishable}
    raw = isinstance(value, bytes)
    text = value.decode("latin-1") if raw else msgspec.json.encode(value).decode()
    for name, real in names.items():
        text = text.replace(name, real)
    return text.encode("latin-1") if raw else msgspec.json.decode(text)


def test_there_are_at_least_sixty_and_no_two_are_the_same() -> None:
    assert len({str(wrong) for wrong in WRONG}) == len(WRONG) >= 60


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: f"{w.method} {w.path} {w.code}{w.pointer}")
def test_a_wrong_request_is_refused_with_its_pointer_and_stores_nothing(
    winnow: Winnow, place: Place, wrong: Wrong
) -> None:
    before = place.site.counts(), _stored(winnow, place.site)
    body = filled(wrong.body, place)
    sent = {} if body is None else {"content" if isinstance(body, bytes) else "json": body}
    keys = {"secret": place.site.secret, "admin": winnow.admin_key, "": ""}
    path = filled(wrong.path, place)
    answer = winnow.ask(wrong.method, path, keys[wrong.key], headers=wrong.headers, **sent)
    assert answer.status_code == wrong.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(problem)
    assert (problem["status"], problem["instance"]) == (wrong.status, path.partition("?")[0])
    assert problem["request_id"] == answer.headers["x-request-id"]
    if wrong.pointer:
        found = [(error["pointer"], error["code"]) for error in problem["errors"]]
        assert (wrong.pointer, wrong.code) in found
        assert all(error["detail"] for error in problem["errors"])
    else:
        assert problem["code"] == wrong.code
    assert (place.site.counts(), _stored(winnow, place.site)) == before


def test_every_wrong_field_is_named_at_once(place: Place) -> None:
    answer = place.site.submit(name="", email="nobody", url="ftp://x", ip="x", colour="red")
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/name", "/email", "/url", "/ip", "/colour"}


def _stored(winnow: Winnow, site: Site) -> tuple[str, ...]:
    """The keys of a site in the store, but for those that the worker writes in its rounds."""
    import redis

    keys = SiteKeys(site.id)
    rounds = (keys.likeness(), keys.stats(0)[:-1])
    with redis.Redis.from_url(winnow.redis_url) as client:
        names = [k.decode() for k in client.scan_iter(match=keys.prefix() + "*", count=5000)]
    return tuple(sorted(name for name in names if not name.startswith(rounds)))


def test_what_is_no_http_is_answered_with_a_problem_and_a_request_id(winnow: Winnow) -> None:
    host, port = winnow.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"GET /\x00 HTTP/9.9\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert b"HTTP/1.1 400 " in head
    assert b"content-type: application/problem+json" in head.lower()
    assert f"x-request-id: {problem['request_id']}".encode() in head
    assert (problem["code"], problem["status"]) == ("malformed", 400)


def test_a_limit_of_length_is_told_as_one(winnow: Winnow) -> None:
    site = winnow.site()
    answer = winnow.admin("PATCH", f"/v1/sites/{site.id}", json={"name": "x" * 81})
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/name", "too_long")]


@pytest.mark.parametrize("metadata", [{"a": "b\0"}, {"a\0": 1}, {"a": [{"b": "\0"}]}])
def test_nul_characters_in_metadata_are_refused(winnow: Winnow, metadata: Any) -> None:
    answer = winnow.site().submit(metadata=metadata)
    assert answer.status_code == 422
    found = [(e["pointer"], e["code"]) for e in answer.json()["errors"]]
    assert found == [("/metadata", "control_character")]


@pytest.mark.parametrize("path", ["/1.1/comment-check", "/1.1/verify-key", "/1.1/nothing"])
def test_akismets_door_never_answers_with_a_problem_document(winnow: Winnow, path: str) -> None:
    answer = winnow.ask("GET", path)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.status_code in (200, 405)


@pytest.mark.parametrize("key", ["", '""', "x" * 256])
def test_a_batch_with_an_unusable_idempotency_key_is_refused(winnow: Winnow, key: str) -> None:
    sent = {"items": [comment()]}
    answer = winnow.site().ask(
        "POST", "/v1/comments/batch", json=sent, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/Idempotency-Key"]
