"""Who gets into the console, and which forms it believes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"


def test_a_link_preview_does_not_use_the_link_up(winnow: Any, link: Callable[..., str]) -> None:
    address = link()
    for _ in range(3):
        assert "Sign in" in httpx.get(address).text
    with httpx.Client(base_url=winnow.url, headers={"Origin": winnow.url}) as browser:
        token = {"token": address.partition("token=")[2]}
        assert browser.post("/console/sign-in", data=token).status_code == 303
        assert browser.get("/console").status_code == 200


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    winnow: Any, link: Callable[..., str]
) -> None:
    token = {"token": link().partition("token=")[2]}
    answer = httpx.post(
        f"{winnow.url}/console/sign-in", data=token, headers={"Sec-Fetch-Site": "same-origin"}
    )
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("winnow=")
    assert {"httponly", "samesite=strict", "path=/"} <= {p.strip() for p in cookie.split(";")}


def test_a_link_works_once(winnow: Any, link: Callable[..., str]) -> None:
    token = {"token": link().partition("token=")[2]}
    codes = [
        httpx.post(
            f"{winnow.url}/console/sign-in", data=token, headers={"Sec-Fetch-Site": "same-origin"}
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in codes] == [303, 403]
    assert "This link does not work" in codes[1].text


@pytest.mark.parametrize("token", ["", "wrong", "x" * 5000, "<script>alert(1)</script>"])
def test_a_wrong_link_is_refused_on_a_page_that_says_how_to_get_another(
    winnow: Any, token: str
) -> None:
    answer = httpx.post(
        f"{winnow.url}/console/sign-in",
        data={"token": token},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 403
    assert "winnow moderator link" in answer.text


def test_the_console_without_a_session_says_how_to_get_in(winnow: Any) -> None:
    answer = httpx.get(f"{winnow.url}/console")
    assert answer.status_code == 401
    assert "winnow moderator link" in answer.text


@pytest.mark.parametrize(
    "sent", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}]
)
def test_a_form_from_another_site_is_refused(
    winnow: Any, site: Any, desk: Callable[..., Any], sent: dict[str, str]
) -> None:
    comment, dana = site.submitted(), desk()
    fields = {"csrf": dana.csrf(), "action": "approve", "version": "1"}
    cookies = dict(dana.http.cookies)
    answer = httpx.post(
        f"{winnow.url}/console/comments/{comment['id']}", data=fields, headers=sent, cookies=cookies
    )
    assert answer.status_code == 403
    assert site.counts()["pending"] == 1


def test_a_form_without_its_sessions_token_is_refused(site: Any, desk: Callable[..., Any]) -> None:
    comment, dana, eve = site.submitted(), desk(), desk(name="Eve")
    for token in ("", "wrong", eve.csrf()):
        answer = dana.decide(comment["id"], "approve", 1, fields={"csrf": token})
        assert answer.status_code == 403
    assert site.counts()["pending"] == 1


def test_signing_out_ends_the_session(desk: Callable[..., Any]) -> None:
    dana = desk()
    kept = dict(dana.http.cookies)
    assert "signed out" in dana.http.post("/console/sign-out", data={"csrf": dana.csrf()}).text
    dana.http.cookies.update(kept)
    assert dana.http.get("/console").status_code == 401


def test_a_viewer_sees_no_buttons_and_cannot_decide(site: Any, desk: Callable[..., Any]) -> None:
    comment, viewer = site.submitted(), desk(role="viewer")
    page = viewer.queue()
    assert "I agree with the second point." in page
    assert 'name="action"' not in page
    assert viewer.decide(comment["id"], "approve", 1).status_code == 403
    assert site.counts()["pending"] == 1


def test_a_moderator_sees_their_own_sites_only(
    winnow: Any, site: Any, desk: Callable[..., Any]
) -> None:
    other = winnow.site()
    comment, dana = other.submitted(), desk()
    assert dana.http.get("/console", params={"site": other.id}).status_code == 403
    assert dana.decide(comment["id"], "approve", 1).status_code == 404
    assert other.counts()["pending"] == 1


def test_every_page_has_a_strict_policy(winnow: Any, desk: Callable[..., Any]) -> None:
    dana = desk()
    for path in (
        "/console",
        "/console/sign-in?token=x",
        "/console?status=nothing",
        "/console?after=nonsense",
        "/demo",
        "/r/nobody",
        "/docs",
        "/docs/problems",
    ):
        headers = dana.http.get(path).headers
        assert headers["content-security-policy"].startswith(POLICY), path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-type"].startswith("text/html")


def test_static_files_are_kept_for_ever_and_carry_their_hash(winnow: Any) -> None:
    answer = httpx.get(f"{winnow.url}/console/static/console.css?v=1")
    assert "immutable" in answer.headers["cache-control"]
    for wrong in ("nothing.css", "..%2fpages.py", "console.js.map"):
        assert httpx.get(f"{winnow.url}/console/static/{wrong}").status_code == 404


def test_modules_name_each_other_without_a_hash_so_they_are_asked_anew(winnow: Any) -> None:
    address = f"{winnow.url}/console/static/queue-cards.js"
    answer = httpx.get(address)
    assert answer.headers["cache-control"] == "no-cache"
    again = httpx.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
