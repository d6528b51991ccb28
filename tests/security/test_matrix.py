"""Requirement: who may do what, for every route there is and every credential.

What is expected follows from what each operation declares in the OpenAPI document, the roles from
api.md; the routes are read from the application, so that none is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import ORIGIN, Site, Winnow, until
from tests.security.routes import (
    PAGES,
    UNSAFE,
    WITHOUT_KEY,
    Route,
    declared,
    doors,
    everything,
    pages,
)

ROLES: dict[str, set[str]] = {
    "publishable": {"submit", "threads"},
    "secret": {
        "submit", "threads", "read", "decide", "queues", "score", "events", "webhooks", "erase",
    },
    "compat": set(),
    "viewer": {"threads", "read", "queues"},
    "moderator": {"threads", "read", "queues", "decide", "score"},
    "admin": {
        "threads", "read", "queues", "decide", "score", "events", "webhooks", "erase", "admin",
    },
}  # fmt: skip
"""What each kind of key and role may do (api.md, Credentials), told apart from the code."""
STREAMS = ("/v1/events", "/v1/sites/{site}/export")


@pytest.fixture(scope="module")
def ours(winnow: Winnow) -> Site:
    return winnow.site()


@pytest.fixture(scope="module")
def theirs(winnow: Winnow) -> Site:
    return winnow.site()


@pytest.fixture(scope="module")
def keys(ours: Site) -> dict[str, str]:
    """A key of each kind and role, of our site."""
    made = {"publishable": ours.publishable, "secret": ours.secret, "compat": ours.key("compat")}
    return made | {role: ours.person(role) for role in ("viewer", "moderator", "admin")}


@pytest.fixture(scope="module")
def dead(winnow: Winnow, ours: Site) -> dict[str, str]:
    """Keys that were good once: an expired and a revoked one of each kind."""
    path, found = f"/v1/sites/{ours.id}/keys", {}
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    for kind in ("publishable", "secret"):
        found[f"expired {kind}"] = ours.key(kind, expires_at=soon)
        made = winnow.admin("POST", path, json={"kind": kind}).json()
        assert winnow.admin("DELETE", f"{path}/{made['id']}").status_code == 204
        found[f"revoked {kind}"] = made["key"]
    for role in ("moderator", "admin"):
        person = {"name": role, "email": f"{role}@x.example", "role": role, "sites": [ours.id]}
        made = winnow.admin("POST", "/v1/moderators", json=person).json()
        assert winnow.admin("DELETE", f"/v1/moderators/{made['id']}").status_code in (200, 204)
        found[f"removed {role}"] = made["token"]
    time.sleep(1.6)
    return found


def ask(winnow: Winnow, route: Route, where: str, key: str) -> tuple[int, str]:
    """Status and error code of an empty request."""
    body: dict[str, Any] = {} if route.method in ("GET", "DELETE") else {"json": {}}
    headers = {"Origin": ORIGIN} | ({"Authorization": f"Bearer {key}"} if key else {})
    with winnow.http.stream(route.method, where, headers=headers, **body) as answer:
        if answer.headers.get("content-type") != "application/problem+json":
            return answer.status_code, ""
        answer.read()
        return answer.status_code, answer.json()["code"]


def guarded() -> list[Route]:
    """The operations that declare a scope."""
    return [route for route in declared() if route.scope]


def test_no_route_is_without_a_declaration() -> None:
    """API routes are in the document; all others are a door, a page of ours, or named here."""
    named = {(route.path, route.method) for route in declared()}
    for route in everything():
        known = (
            (route.path, route.method) in named
            or route.path in doors()
            or route.path.startswith(PAGES)
            or route.path in (*WITHOUT_KEY, "/")
        )
        assert known, f"{route.method} {route.path} is declared nowhere"
    assert {r.path for r in declared() if not r.scope} <= set(WITHOUT_KEY)
    assert len(guarded()) >= 40
    assert {(r.path, r.method) for r in declared()} <= {(r.path, r.method) for r in everything()}


def test_no_dead_key_opens_anything(winnow: Winnow, ours: Site, dead: dict[str, str]) -> None:
    wrong = []
    for name, key in dead.items():
        for route in guarded():
            found = ask(winnow, route, route.at(ours.id), key)
            if found != (401, "unauthenticated"):
                wrong.append((name, route, found))
    assert wrong == []


@pytest.mark.parametrize("role", list(ROLES))
def test_a_role_without_the_scope_is_403_and_with_it_never(
    winnow: Winnow, ours: Site, keys: dict[str, str], role: str
) -> None:
    """403 may come of more than the scope (an installation's route, a page's key): never the
    other way round, and never 401, 405 or 500."""
    wrong, allowed = [], 0
    for route in guarded():
        if route.method == "DELETE" and route.path == "/v1/sites/{site}":
            continue
        status, _ = ask(winnow, route, route.at(ours.id), keys[role])
        if route.scope not in ROLES[role]:
            if status != 403:
                wrong.append((route, status))
        elif status in (401, 405) or status >= 500:
            wrong.append((route, status))
        else:
            allowed += status != 403
    assert wrong == []
    assert allowed >= len(ROLES[role])


@pytest.mark.parametrize("role", list(ROLES))
def test_nothing_of_another_site_is_reached_or_told(
    winnow: Winnow, theirs: Site, keys: dict[str, str], role: str
) -> None:
    """A site by its name is 403 whether it exists or not; what is behind an id is 404."""
    comment = theirs.submitted()["id"]
    wrong = []
    for route in guarded():
        if route.scope not in ROLES[role] or "{" not in route.path:
            continue
        where = route.at(theirs.id, comment_id=comment)
        status, _ = ask(winnow, route, where, keys[role])
        if "{site}" in route.path:
            missing, _ = ask(
                winnow, route, route.at("no-such-site", comment_id=comment), keys[role]
            )
            if status != 403 or missing != 403:
                wrong.append((route, status, missing))
        elif "{comment_id}" in route.path:
            missing, _ = ask(winnow, route, route.at("", comment_id="0" * 26), keys[role])
            # 422 where the (empty) body is read first: then that is all that is told.
            if status not in (403, 404, 422) or status != missing:
                wrong.append((route, status, missing))
    assert wrong == []
    assert winnow.admin("GET", f"/v1/comments/{comment}").json()["version"] == 1


def test_an_unknown_and_an_unreachable_moderator_read_the_same(
    winnow: Winnow, ours: Site, theirs: Site, keys: dict[str, str]
) -> None:
    person = {"name": "T", "email": "t@x.example", "role": "viewer", "sites": [theirs.id]}
    made = winnow.admin("POST", "/v1/moderators", json=person).json()["id"]
    for route in guarded():
        if "{moderator_id}" not in route.path:
            continue
        for role in ("viewer", "moderator", "admin"):
            answers = {
                ask(winnow, route, route.at(ours.id, moderator_id=name), keys[role])
                for name in (made, "0" * 26)
            }
            assert len(answers) == 1, (route, role, answers)
            assert answers.pop()[0] in (403, 404, 422)


@pytest.mark.parametrize(
    "path", sorted({route.path for route in everything() if route.method == "POST"} & doors())
)
def test_every_door_asks_for_a_key(winnow: Winnow, path: str) -> None:
    """In its own words: Akismet says `invalid` with 200, the others a status."""
    for key in ("", "abcdefghijkl", "sk_" + "x" * 32):
        given = {"api_key": key, "key": key} if key else {}
        real = path.replace("{model}", "x")
        answer = winnow.http.post(
            real, params=given, headers={"Authorization": f"Bearer {key}"} if key else {}, json={}
        )
        if path.startswith("/1."):
            assert answer.text == "invalid", (path, key, answer.text)
        else:
            assert answer.status_code in (400, 401, 403, 404), (path, key, answer.text)


# ---------------------------------------------------------------------------- console


@pytest.fixture(scope="module")
def signed_in(winnow: Winnow, ours: Site) -> Iterator[Callable[[str], tuple[httpx.Client, str]]]:
    """A browser of each role, and the token its forms carry."""
    held: dict[str, tuple[httpx.Client, str]] = {}

    def of(role: str) -> tuple[httpx.Client, str]:
        if role not in held:
            person = {"name": role, "email": f"c{role}@x.example", "role": role}
            made = winnow.admin("POST", "/v1/moderators", json=person | {"sites": [ours.id]}).json()
            browser = httpx.Client(base_url=winnow.url, timeout=20)
            token = {"token": made["sign_in"].partition("token=")[2]}
            ours_only = {"Sec-Fetch-Site": "same-origin"}
            answer = browser.post("/console/sign-in", data=token, headers=ours_only)
            assert answer.status_code == 303
            found = browser.get("/console").text.partition('name="csrf" value="')[2]
            held[role] = browser, found.partition('"')[0]
        return held[role]

    yield of
    for browser, _ in held.values():
        browser.close()


def forms() -> list[Route]:
    """Every unsafe route of the console but the door itself."""
    return [
        route
        for route in pages(*UNSAFE)
        if route.path.startswith("/console") and route.path != "/console/sign-in"
    ]


SIGNED_OUT = 401


def test_no_page_of_the_console_opens_without_a_session(winnow: Winnow) -> None:
    for route in [*pages("GET"), *forms()]:
        if not route.path.startswith("/console") or "static" in route.path:
            continue
        if route.path == "/console/sign-in":
            continue
        answer = winnow.http.request(
            route.method, route.at("demo"), headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert answer.status_code == SIGNED_OUT, (route, answer.status_code)


@pytest.mark.parametrize(
    ("case", "headers", "with_token"),
    [
        ("no token", {"Sec-Fetch-Site": "same-origin"}, False),
        ("cross-site", {"Sec-Fetch-Site": "cross-site"}, True),
        ("same-site", {"Sec-Fetch-Site": "same-site"}, True),
        ("foreign origin", {"Origin": "https://evil.example"}, True),
        ("origin null", {"Origin": "null"}, True),
        ("says nothing", {}, True),
    ],
)
def test_no_form_of_the_console_believes_another_site(
    winnow: Winnow,
    ours: Site,
    signed_in: Callable[[str], tuple[httpx.Client, str]],
    case: str,
    headers: dict[str, str],
    with_token: bool,
) -> None:
    browser, csrf = signed_in("admin")
    before = ours.counts()
    for route in forms():
        fields = {"site": ours.id} | ({"csrf": csrf} if with_token else {})
        answer = browser.request(route.method, route.at(ours.id), data=fields, headers=headers)
        assert answer.status_code == 403, (case, route, answer.status_code)
    assert ours.counts() == before
    assert browser.get("/console").status_code == 200


def test_what_changes_something_is_no_get_and_no_json(
    ours: Site, signed_in: Callable[[str], tuple[httpx.Client, str]]
) -> None:
    """A link or an image can only GET; a foreign script's JSON needs a preflight, not granted."""
    browser, csrf = signed_in("admin")
    gets = {route.path for route in pages("GET")}
    for route in forms():
        where = route.at(ours.id)
        if route.path not in gets:
            answer = browser.get(where, params={"csrf": csrf})
            assert answer.status_code in (404, 405), (route, answer.status_code)
        answer = browser.request(
            route.method,
            where,
            json={"csrf": csrf, "site": ours.id},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert answer.status_code in (400, 403, 415), (route, answer.status_code)
        told = browser.options(where, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in told.headers


def test_a_viewers_forms_change_nothing(
    winnow: Winnow, ours: Site, signed_in: Callable[[str], tuple[httpx.Client, str]]
) -> None:
    """But those of their own account."""
    browser, csrf = signed_in("viewer")
    comment = ours.submitted()["id"]
    for route in forms():
        if route.path.startswith(("/console/account", "/console/sign-out")):
            continue
        fields = {"csrf": csrf, "site": ours.id, "action": "approve", "version": "1"}
        answer = browser.request(
            route.method,
            route.at(ours.id, comment_id=comment),
            data=fields,
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert answer.status_code in (403, 404, 422), (route, answer.status_code)
    assert winnow.admin("GET", f"/v1/comments/{comment}").json()["version"] == 1


def test_a_rotated_key_has_a_day_or_what_it_is_given(winnow: Winnow, ours: Site) -> None:
    path = f"/v1/sites/{ours.id}/keys"
    asked = {"kind": "secret", "label": "shop", "scopes": ["read"]}
    made = winnow.admin("POST", path, json=asked).json()
    done = winnow.admin("POST", f"{path}/{made['id']}/rotate")
    assert done.status_code == 201, done.text
    new = done.json()["new"]
    assert (new["kind"], new["label"], done.json()["old_id"]) == ("secret", "shop", made["id"])
    ends = datetime.fromisoformat(done.json()["old_expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < ends <= timedelta(days=1)
    for key in (made["key"], new["key"]):
        assert winnow.ask("GET", f"/v1/sites/{ours.id}", key).status_code == 200
        assert winnow.ask("GET", "/v1/queues", key).status_code == 403, "scopes are inherited"
    # And at once: the old one ends in every process within a second.
    at_once = winnow.admin("POST", f"{path}/{new['id']}/rotate", json={"overlap_s": 0}).json()
    until(lambda: winnow.ask("GET", f"/v1/sites/{ours.id}", new["key"]).status_code == 401, 3)
    time.sleep(1)
    for _ in range(20):
        assert winnow.ask("GET", f"/v1/sites/{ours.id}", new["key"]).status_code == 401
    kept = at_once["new"]["key"]
    assert winnow.ask("GET", f"/v1/sites/{ours.id}", kept).status_code == 200
    rows = {row["id"]: row for row in winnow.admin("GET", path).json()["items"]}
    assert rows[at_once["new"]["id"]]["last_used_at"].endswith(":00:00.000Z")
    unused = winnow.admin("POST", path, json={"kind": "secret"}).json()
    rows = {row["id"]: row for row in winnow.admin("GET", path).json()["items"]}
    assert rows[unused["id"]]["last_used_at"] is None
    assert winnow.admin("POST", f"{path}/nobody/rotate").status_code == 404
    assert (
        winnow.admin("POST", f"{path}/{new['id']}/rotate", json={"overlap_s": -1}).status_code
        == 422
    )
