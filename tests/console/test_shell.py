"""What holds for every page of the console: who gets in, which forms count, nothing runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.payloads import MARKUP

PAGES = ("policy", "bans", "webhooks", "keys", "model", "ops", "moderators", "account")
ADMINS_ONLY = ("webhooks", "keys", "moderators")
FORMS = {
    "/console/policy": {"do": "save", "version": "1"},
    "/console/bans": {"value": "spam.example", "outcome": "reject"},
    "/console/bans/lift": {"ban": "x"},
    "/console/webhooks": {"url": "https://a.example/", "events": "comment.approved"},
    "/console/webhooks/x": {"do": "remove"},
    "/console/keys": {"kind": "secret"},
    "/console/keys/x/revoke": {},
    "/console/keys/x/rotate": {},
    "/console/moderators": {"name": "A", "email": "a@b.example", "role": "viewer"},
    "/console/moderators/x": {"do": "remove"},
    "/console/account": {"do": "others"},
    "/console/sign-out": {},
}
"""Every form of these pages, with fields that would do something."""
DECIDERS = ("/console/bans", "/console/bans/lift")
EVERYBODYS = ("/console/account", "/console/sign-out")


def test_no_form_is_forgotten_here() -> None:
    from service.console import account, bans, keys, moderators, policy, signing_in, webhooks

    paths = {
        re.sub(r"\{.*?\}", "x", route.path)
        for part in (account, bans, webhooks, keys, moderators, policy, signing_in)
        for router in part.ROUTES
        for route in router.routes
        if "POST" in route.methods
    }
    assert paths == set(FORMS) | {"/console/sign-in"}


@pytest.mark.parametrize("path", list(FORMS))
def test_a_form_from_elsewhere_or_without_its_token_is_refused(
    winnow: Any, desk: Callable[..., Any], path: str
) -> None:
    boss, eve = desk(role="admin"), desk(role="admin", name="Eve")
    fields = FORMS[path] | {"csrf": boss.csrf()}
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ):
        cookies = dict(boss.http.cookies)
        answer = httpx.post(f"{winnow.url}{path}", data=fields, headers=headers, cookies=cookies)
        assert answer.status_code == 403, headers
    for token in ("", "wrong", eve.csrf()):
        assert boss.http.post(path, data=fields | {"csrf": token}).status_code == 403
    assert boss.http.get("/console/account").status_code == 200
    unsigned = httpx.post(f"{winnow.url}{path}", data=fields, headers={"Sec-Fetch-Site": "none"})
    assert unsigned.status_code == 401


@pytest.mark.parametrize("path", list(FORMS))
def test_a_viewer_changes_nothing_and_a_moderator_only_bans(
    desk: Callable[..., Any], path: str
) -> None:
    if path in EVERYBODYS:
        return
    for role in ("viewer", "moderator"):
        dana = desk(role=role)
        answer = dana.http.post(path, data=FORMS[path] | {"csrf": dana.csrf()})
        allowed = role == "moderator" and path in DECIDERS
        assert (answer.status_code != 403) == allowed, role


@pytest.mark.parametrize("role", ["viewer", "moderator", "admin"])
def test_each_role_sees_its_pages_in_the_navigation_and_no_others(
    desk: Callable[..., Any], role: str
) -> None:
    dana = desk(role=role)
    page = dana.http.get("/console/account").text
    for name in PAGES:
        allowed = role == "admin" or name not in ADMINS_ONLY
        assert dana.http.get(f"/console/{name}").status_code == (200 if allowed else 403), name
        assert (f'href="/console/{name}' in page) == allowed, name


def test_every_page_has_a_strict_policy_and_is_not_kept(
    winnow: Any, desk: Callable[..., Any]
) -> None:
    boss = desk(role="admin")
    for name in PAGES:
        headers = boss.http.get(f"/console/{name}").headers
        assert "script-src 'self'; style-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert httpx.get(f"{winnow.url}/console/{name}").status_code == 401


def test_another_sites_pages_are_refused(winnow: Any, desk: Callable[..., Any]) -> None:
    other = winnow.site()
    boss = desk(role="admin")
    for name in PAGES:
        assert boss.http.get(f"/console/{name}", params={"site": other.id}).status_code == 403
    fields = FORMS["/console/keys"] | {"csrf": boss.csrf(), "site": other.id}
    assert boss.http.post("/console/keys", data=fields).status_code == 403


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(window: Callable[..., Any], width: int) -> None:
    opened = window(role="admin")
    opened.page.set_viewport_size({"width": width, "height": 800})
    for name in PAGES:
        opened.open(f"/console/{name}")
        wide = opened.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, name
        assert opened.page.locator("h1").count() == 1
        assert opened.page.locator("nav.pages [aria-current=page]").count() == 1


@pytest.mark.browser
def test_every_field_has_a_name_and_no_id_is_there_twice(window: Callable[..., Any]) -> None:
    opened = window(role="admin")
    for name in PAGES:
        opened.open(f"/console/{name}")
        found = opened.page.evaluate(
            """() => ({
              twice: [...document.querySelectorAll("[id]")].map((e) => e.id)
                .filter((id, i, all) => all.indexOf(id) !== i),
              unnamed: [...document.querySelectorAll("input, select, textarea")]
                .filter((e) => e.type !== "hidden" && !e.hidden)
                .filter((e) => !e.labels?.length && !e.ariaLabel)
                .map((e) => e.outerHTML),
              lost: [...document.querySelectorAll("[aria-labelledby],[aria-describedby]")]
                .flatMap((e) => ["aria-labelledby", "aria-describedby"]
                  .flatMap((name) => e.getAttribute(name)?.split(" ") ?? []))
                .filter((id) => !document.getElementById(id)),
            })"""
        )
        assert found == {"twice": [], "unnamed": [], "lost": []}, name


@pytest.mark.browser
def test_nothing_that_people_write_runs_on_any_page(
    winnow: Any, site: Any, window: Callable[..., Any]
) -> None:
    words = [{"text": text[:200]} for text in dict.fromkeys(MARKUP)]
    patterns = [{"pattern": re.escape(t)[:400], "detail": t[:200]} for t in MARKUP[:20]]
    answer = winnow.admin(
        "PUT", f"/v1/sites/{site.id}/policy", json={"block": words[:30], "patterns": patterns}
    )
    assert answer.status_code in (200, 422), answer.text
    for i, text in enumerate(MARKUP):
        key = {"kind": "secret", "label": text[:80]}
        assert winnow.admin("POST", f"/v1/sites/{site.id}/keys", json=key).status_code == 201
        ban = {"kind": "domain", "value": f"spam-{i}.example", "reason": text[:200]}
        assert winnow.admin("PUT", f"/v1/sites/{site.id}/bans/x{i}", json=ban).status_code == 200
        if i < 15:
            hook = {"url": f"https://a.example/?q={i}'\"<script>", "events": ["comment.spam"]}
            winnow.admin("POST", f"/v1/sites/{site.id}/webhooks", json=hook)
            person = {"name": text[:80], "email": f"m{i}@{site.id}.example", "role": "viewer"}
            winnow.admin("POST", "/v1/moderators", json=person | {"sites": [site.id]})
        site.submitted(body=text, name=f"{text[:70]} {i}")
    opened = window(role="admin", name=MARKUP[0])
    for name in PAGES:
        opened.open(f"/console/{name}")
        opened.page.wait_for_load_state()
    opened.open("/console/policy")
    opened.page.locator('[name="authors.hold_first"]').fill("0")
    opened.page.get_by_role("button", name="Preview").click()
    opened.page.locator("#preview").wait_for()
    hostile = opened.page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((e) =>
          (e.matches("script, iframe, object, embed, base, [style]")
            && !(e.src ?? "").startsWith(location.origin))
          || [...e.attributes].some((a) => a.name.startsWith("on")
            || (a.name === "href" && /^javascript:/i.test(a.value)))).length"""
    )
    assert hostile == 0


def test_who_has_no_site_any_more_is_told_so_on_every_page(
    winnow: Any, desk: Callable[..., Any], site: Any
) -> None:
    dana = desk()
    token = dana.csrf()
    assert winnow.admin("DELETE", f"/v1/sites/{site.id}").status_code == 204
    for name in ("policy", "bans", "ops"):
        assert "There is no site for you to moderate" in dana.http.get(f"/console/{name}").text
    assert dana.http.get("/console/account").status_code == 200
    fields = {"csrf": token, "value": "spam.example", "outcome": "reject"}
    assert dana.http.post("/console/bans", data=fields).status_code == 404
