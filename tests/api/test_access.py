"""Requirement: every route of the OpenAPI document lets in whom it should, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ORIGIN, Site, Winnow

MAY = {
    "publishable": {"submit", "threads"},
    "secret": {"submit", "threads", "read", "decide", "queues", "score", "events", "webhooks",
               "erase"},
    "compat": set(),
    "viewer": {"threads", "read", "queues"},
    "moderator": {"threads", "read", "queues", "decide", "score"},
    "admin of the site": {
        "threads", "read", "queues", "decide", "score", "events", "webhooks", "erase",
        "admin",
    },
    "admin": {
        "submit", "threads", "read", "decide", "queues", "score", "events", "webhooks", "erase",
        "admin",
    },
}  # fmt: skip
"""Who may do what (api.md, Credentials), told apart from how the code says it."""

PUBLIC = {
    "/livez", "/readyz", "/metrics", "/openapi.json", "/v1/receipts/{token}",
    "/v1/receipts/{token}/appeal",
}  # fmt: skip


@pytest.fixture(scope="module")
def routes(winnow: Winnow) -> list[tuple[str, str, str]]:
    """Method, path and needed scope of every route the document declares."""
    paths = winnow.ask("GET", "/openapi.json").json()["paths"]
    rows = []
    for path, methods in paths.items():
        for method, operation in methods.items():
            security = operation.get("security") or [{}]
            rows.append((method.upper(), path, "".join(security[0].get("key", [""]))))
    return rows


@pytest.fixture(scope="module")
def site_of(winnow: Winnow) -> Site:
    return winnow.site()


@pytest.fixture(scope="module")
def key_of(winnow: Winnow, site_of: Site) -> Callable[[str], str]:
    keys = {
        "publishable": site_of.publishable,
        "secret": site_of.secret,
        "compat": site_of.key("compat"),
        "viewer": site_of.person("viewer"),
        "moderator": site_of.person("moderator"),
        "admin of the site": site_of.person("admin"),
        "admin": winnow.admin_key,
    }
    return keys.__getitem__


def ask(winnow: Winnow, method: str, path: str, site: str, key: str) -> tuple[int, Any]:
    """The status of a request with real names in its path and an empty body."""
    names = {"site": site, "status": "pending"}
    real = re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "0" * 26), path)
    headers = {"Authorization": f"Bearer {key}".encode("latin-1")} if key else {}
    body = {} if method in ("GET", "DELETE") else {"json": {}}
    with winnow.http.stream(
        method, real, headers=headers | {"Origin": ORIGIN.encode()}, **body
    ) as answer:
        if answer.headers.get("content-type") == "application/problem+json":
            answer.read()
            return answer.status_code, answer.json()
        return answer.status_code, None


def test_only_what_is_meant_for_everybody_needs_no_key(
    routes: list[tuple[str, str, str]],
) -> None:
    assert {path for _, path, scope in routes if not scope} <= PUBLIC
    assert len(routes) >= 30


@pytest.mark.parametrize("key", ["", "made-up", "sk_" + "x" * 32, "pk_", "Bearer", "ak_\u00e9"])
def test_without_a_known_key_every_route_answers_401(
    winnow: Winnow, routes: list[tuple[str, str, str]], site_of: Site, key: str
) -> None:
    for method, path, scope in routes:
        if scope:
            status, problem = ask(winnow, method, path, site_of.id, key)
            assert (status, problem["code"]) == (401, "unauthenticated"), f"{method} {path}"


@pytest.mark.parametrize("role", list(MAY))
def test_a_role_may_do_what_its_scopes_say_and_nothing_else(
    winnow: Winnow,
    routes: list[tuple[str, str, str]],
    site_of: Site,
    key_of: Callable[[str], str],
    role: str,
) -> None:
    for method, path, scope in routes:
        if not scope:
            continue
        sacrificed = winnow.site().id if (method, path) == ("DELETE", "/v1/sites/{site}") else ""
        allowed = scope in MAY[role]
        if sacrificed and role != "admin" and allowed:
            continue  # an admin of one site may delete that one only: below
        status, problem = ask(winnow, method, path, sacrificed or site_of.id, key_of(role))
        where = f"{role}: {method} {path} ({scope}) answered {status} {problem}"
        if not allowed:
            assert status == 403, where
        elif role == "admin of the site" and path in (
            "/v1/sites",
            "/v1/moderators",
            "/v1/model/rollback",
        ):
            assert status in (200, 403, 422), where
        elif (role == "publishable" and path == "/v1/sites") or (
            role == "publishable" and path == "/v1/comments/batch"
        ):
            assert status == 403, where
        elif role == "publishable" and path == "/v1/comments/{comment_id}":
            assert status in (403, 404), where
        else:
            assert status not in (401, 403, 500, 405), where


@pytest.mark.parametrize(
    "role", ["publishable", "secret", "viewer", "moderator", "admin of the site"]
)
def test_a_key_of_one_site_opens_nothing_of_another(
    winnow: Winnow,
    routes: list[tuple[str, str, str]],
    key_of: Callable[[str], str],
    role: str,
) -> None:
    other = winnow.site()
    theirs = other.submitted()["id"]
    for method, path, scope in routes:
        if "{site}" not in path and "{comment_id}" not in path:
            continue
        real = path.replace("{site}", other.id).replace("{comment_id}", theirs)
        status, _ = ask(winnow, method, real, other.id, key_of(role))
        # Before what is asked is looked at: 403 for a site, 404 for a comment, the body unread.
        assert status in (403, 404, 422) if "{site}" not in path else status in (403, 404), (
            f"{role}: {method} {path} ({scope}) answered {status}"
        )
    for path in ("/v1/queues", "/v1/queues/pending", "/v1/pages/comments?page=/a", "/v1/events"):
        joined = f"{path}{'&' if '?' in path else '?'}site={other.id}"
        assert ask(winnow, "GET", joined, other.id, key_of(role))[0] == 403
    assert other.counts()["pending"] == 1
    assert winnow.admin("GET", f"/v1/comments/{theirs}").json()["version"] == 1


def test_a_queue_of_another_sites_comments_is_never_listed(
    winnow: Winnow, key_of: Callable[[str], str], site_of: Site
) -> None:
    other = winnow.site()
    theirs = other.submitted()["id"]
    for role in ("secret", "viewer", "moderator"):
        for path in ("/v1/queues", "/v1/queues/pending", "/v1/sites"):
            text = winnow.ask("GET", path, key_of(role)).text
            assert theirs not in text
            assert other.id not in text


@pytest.mark.parametrize("role", ["publishable", "secret", "admin"])
def test_a_bulk_decision_reaches_no_comment_of_another_site(
    winnow: Winnow, key_of: Callable[[str], str], role: str
) -> None:
    other = winnow.site()
    theirs = other.submitted()["id"]
    items = [{"id": theirs, "action": "spam", "version": 1}]
    answer = winnow.ask("POST", "/v1/decisions", key_of(role), json={"items": items})
    if role == "publishable":
        assert answer.status_code == 403
    else:
        expected = 200 if role == "admin" else 404
        assert answer.json()["items"][0]["code"] == expected
    assert other.counts()["spam"] == (1 if role == "admin" else 0)
