"""Signing in by link, password and code, and a moderator's own account."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service.accounts import STEP_S, code_at
from service.console.account import called, square
from service.store.sessions import Session
from tests.browser import Window

PASSWORD = "nine purple teapots argue"
OURS = {"Sec-Fetch-Site": "same-origin"}


def signed_in(winnow: Any, **fields: str) -> httpx.Response:
    with httpx.Client(base_url=winnow.url, headers=OURS, timeout=20) as browser:
        return browser.post("/console/sign-in", data={"code": ""} | fields)


def post(desk: Any, path: str = "/console/account", **fields: str) -> httpx.Response:
    return desk.http.post(path, data={"csrf": desk.csrf()} | fields)


def with_password(desk: Any, email: str = "dana@staff.example") -> str:
    """Sets a password of a moderator whose address is theirs alone."""
    answer = post(desk, do="password", password=PASSWORD, again=PASSWORD)
    assert answer.status_code == 303, answer.text
    return email


@pytest.fixture
def person(winnow: Any, site: Any) -> Callable[..., tuple[str, str]]:
    """A moderator with an address of their own: the address and the link."""

    def made(role: str = "moderator") -> tuple[str, str]:
        email = f"{site.id}-{time.monotonic_ns()}@staff.example"
        asked = {"name": "Dana Fox", "email": email, "role": role, "sites": [site.id]}
        answer = winnow.admin("POST", "/v1/moderators", json=asked)
        assert answer.status_code == 201, answer.text
        return email, str(answer.json()["sign_in"])

    return made


def set_password(window: Window, link: str) -> None:
    """Comes by a one-time link and sets a password."""
    window.open(link)
    window.page.get_by_role("button", name="Sign in").click()
    window.page.get_by_role("link", name="Set a password").click()
    window.page.get_by_label("New password").fill(PASSWORD)
    window.page.get_by_label("The same again").fill(PASSWORD)
    window.page.get_by_role("button", name="Set password").click()


@pytest.mark.browser
def test_from_the_link_to_a_password_and_back_in_with_it(
    chromium: Any, winnow: Any, person: Callable[..., tuple[str, str]]
) -> None:
    email, link = person()
    context = chromium.new_context()
    window = Window(context, winnow.url)
    window.expected = ("403 (Forbidden)",)
    page = window.page
    set_password(window, link)
    page.get_by_text("Your password is set").wait_for()
    assert page.get_by_text("You signed in with a one-time link").count() == 0
    page.get_by_role("button", name="Sign out").first.click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill("not " + PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The address, the password or the code is wrong").wait_for()
    assert page.get_by_label("E-mail").input_value() == email
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console")
    context.close()
    assert window.trouble == []


@pytest.mark.browser
def test_codes_are_set_up_in_the_browser_and_needed_from_then_on(
    chromium: Any, winnow: Any, person: Callable[..., tuple[str, str]]
) -> None:
    email, link = person()
    context = chromium.new_context()
    window = Window(context, winnow.url)
    page = window.page
    set_password(window, link)
    page.get_by_role("button", name="Set codes up").click()
    secret = base64.b32decode(page.locator("code.long").inner_text())
    assert page.locator("svg.qr path").get_attribute("d")
    step = int(time.time()) // STEP_S
    page.get_by_label("The code it shows now").fill(code_at(secret, step))
    page.get_by_role("button", name="Turn codes on").click()
    page.get_by_text("signing in needs a code as well").wait_for()
    assert page.locator("code.long").count() == 0
    context.close()
    assert window.trouble == []
    assert signed_in(winnow, email=email, password=PASSWORD).status_code == 403
    used = signed_in(winnow, email=email, password=PASSWORD, code=code_at(secret, step))
    assert used.status_code == 403, "a code counts once"
    fresh = signed_in(winnow, email=email, password=PASSWORD, code=code_at(secret, step + 1))
    assert fresh.status_code == 303


def test_a_wrong_code_leaves_the_secret_on_the_page(desk: Callable[..., Any]) -> None:
    dana = desk(name="Alone")
    post(dana, do="offer")
    before = re.findall(r'<code class="long">(\w+)<', dana.http.get("/console/account").text)
    answer = post(dana, do="confirm", code="000000")
    assert answer.status_code in (409, 422)
    assert re.findall(r'<code class="long">(\w+)<', answer.text) == before


def test_what_is_wrong_at_sign_in_does_not_tell_whether_an_address_exists(
    winnow: Any, person: Callable[..., tuple[str, str]]
) -> None:
    email, _ = person()
    texts = []
    for address in (email, "nobody@staff.example"):
        answer = signed_in(winnow, email=address, password="wrong")
        assert answer.status_code == 403
        texts.append(answer.text.replace(address, ""))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "short", "again": "short"}, "At least 12 characters"),
        ({"password": "password1234", "again": "password1234"}, "wrong-password"),
        ({"password": PASSWORD, "again": PASSWORD + "!"}, "This is not the same as above"),
    ],
)
def test_a_bad_password_is_refused_at_its_field(
    desk: Callable[..., Any], fields: dict[str, str], said: str
) -> None:
    answer = post(desk(), do="password", **fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert fields["password"] not in answer.text


def test_a_session_ended_elsewhere_is_over_at_once(
    winnow: Any, seated: Callable[[str], Any], person: Callable[..., tuple[str, str]]
) -> None:
    email, link = person()
    here = seated(link)
    with_password(here)
    there = signed_in(winnow, email=email, password=PASSWORD)
    with httpx.Client(base_url=winnow.url, headers=OURS, cookies=dict(there.cookies)) as other:
        assert other.get("/console").status_code == 200
        page = here.http.get("/console/account").text
        names = re.findall(r'name="session" value="([^"]+)"', page)
        assert len(names) == 1
        assert post(here, do="end", session=names[0]).status_code == 303
        assert other.get("/console").status_code == 401
        assert here.http.get("/console").status_code == 200
        assert post(here, do="end", session=names[0]).status_code == 404


def test_signing_out_everywhere_else_keeps_this_browser(
    winnow: Any, seated: Callable[[str], Any], person: Callable[..., tuple[str, str]]
) -> None:
    email, link = person()
    here = seated(link)
    with_password(here)
    there = signed_in(winnow, email=email, password=PASSWORD)
    assert post(here, do="others").status_code == 303
    assert here.http.get("/console").status_code == 200
    other = httpx.get(f"{winnow.url}/console", cookies=dict(there.cookies))
    assert other.status_code == 401


def test_one_moderator_cannot_end_anothers_session(desk: Callable[..., Any]) -> None:
    dana, eve = desk(name="Dana"), desk(name="Eve")
    page = eve.http.get("/console/account").text
    assert "this browser" in page
    assert post(dana, do="end", session="A" * 22).status_code == 404
    assert eve.http.get("/console").status_code == 200


def test_who_signed_in_by_password_needs_the_old_one_to_change_it(
    winnow: Any, seated: Callable[[str], Any], person: Callable[..., tuple[str, str]]
) -> None:
    _, link = person()
    dana = seated(link)
    with_password(dana)
    fields = {
        "do": "password",
        "password": "ten green kettles sing",
        "again": "ten green kettles sing",
    }
    refused = post(dana, current="wrong", **fields)
    assert (refused.status_code, "wrong-current" in refused.text) == (422, True)
    assert post(dana, current=PASSWORD, **fields).status_code == 303


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
            "Firefox on Linux",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/131.0 Safari/537.36 Edg/131.0", "Edge on Windows"),
        ("", "A browser"),
    ],
)
def test_a_browser_is_called_as_people_call_it(agent: str, name: str) -> None:
    session = Session(id="x", moderator="m", generation="", by="link", since=0, seen=0, agent=agent)
    assert called(session) == name


def test_a_qr_code_is_a_square_with_three_corner_marks() -> None:
    drawn = square("otpauth://totp/Winnow:dana?secret=ABCDEFGHIJKLMNOP")
    assert drawn.size >= 21
    for x, y in ((0, 0), (drawn.size - 7, 0), (0, drawn.size - 7)):
        assert f"M{x} {y}h1v1h-1z" in drawn.path
