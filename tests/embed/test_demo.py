"""The demo page: the thread readers see, and the form they write into."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.payloads import ADDRESSES, MARKUP

browser_test = pytest.mark.browser
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def someone() -> str:
    """An address nobody used before."""
    return f"{secrets.token_hex(6)}@example.org"


def fill(page: Any, **fields: str) -> None:
    """Fills the form in and sends it."""
    written = {"Comment": f"A thought {secrets.token_hex(8)}.", "Name": "Ann", "Email": someone()}
    for label, text in (written | fields).items():
        page.get_by_role("textbox", name=label, exact=True).fill(text)
    page.get_by_role("button", name="Post Comment").click()


def embedded(opened: Any) -> Any:
    """The page, once the embed has taken the plain form's place."""
    opened.page.locator("winnow-comments form").wait_for()
    return opened.page


def test_the_form_is_the_one_people_know(winnow: Any) -> None:
    page = httpx.get(f"{winnow.url}/demo").text
    assert "Leave a Comment" in page
    assert "Your email address will not be published. Required fields are marked" in page
    assert f'name="page" value="{winnow.url}/demo"' in page
    assert 'name="honeypot" tabindex="-1" autocomplete="off"' in page


def test_approved_comments_are_in_the_page_and_addresses_are_not(demo: Any) -> None:
    address = someone()
    demo.published(body="Published words.", email=address, url="https://ann.example/")
    waiting = demo.submit(body="Waiting words.", email=someone())
    page = httpx.get(demo.page).text
    assert "Published words." in page
    assert 'href="https://ann.example/" rel="nofollow ugc noopener noreferrer"' in page
    assert "Waiting words." not in page
    assert waiting["id"] not in page
    assert address not in page


def test_replies_stand_below_what_they_answer(demo: Any) -> None:
    first = demo.published(body="The first.", email=someone())
    demo.published(body="Another.", email=someone())
    demo.published(body="The reply.", email=someone(), parent=first["id"])
    page = httpx.get(demo.page).text
    assert page.index("The first.") < page.index("The reply.") < page.index("Another.")
    form = httpx.get(demo.page, params={"reply": first["id"]}).text
    assert f'name="parent" value="{first["id"]}"' in form


def test_a_form_is_refused_in_the_senders_language(winnow: Any) -> None:
    fields = {"key": "pk_wrong", "page": "/demo", "name": "", "email": "x", "body": ""}
    for accept, media in (
        ("text/html,application/xhtml+xml", "text/html; charset=utf-8"),
        ("*/*", "application/problem+json"),
        ("application/json, text/html", "application/problem+json"),
    ):
        answer = httpx.post(f"{winnow.url}/v1/comments", data=fields, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (401, media)


def test_without_the_demo_there_is_no_page(launch_winnow: Callable[..., Any]) -> None:
    winnow = launch_winnow(WINNOW_DEMO="off", WINNOW_WEB_PROCESSES="1")
    assert httpx.get(f"{winnow.url}/demo").status_code == 404
    winnow.stop()


@browser_test
def test_a_held_comment_is_acknowledged_in_place(demo: Any, window: Callable[..., Any]) -> None:
    page = embedded(window("/demo"))
    fill(page)
    page.get_by_text("Your comment awaits moderation").first.wait_for()
    page.get_by_role("link", name="See how it stands").click()
    page.get_by_role("heading", name="Waiting for a moderator").wait_for()
    assert demo.latest()["verdict"]["outcome"] == "hold"


@browser_test
def test_a_known_author_is_told_that_the_comment_is_published(
    demo: Any, window: Callable[..., Any]
) -> None:
    address = someone()
    demo.published(email=address, body="An earlier comment, long approved.")
    opened = window("about:blank")
    page = opened.page
    page.clock.install()
    opened.open("/demo")
    embedded(opened)
    page.clock.fast_forward(20_000)  # nobody writes a comment in no time
    fill(page, Email=address, Comment="The council should ask the ferry company first.")
    page.get_by_text("Your comment is published").first.wait_for()
    page.reload()
    page.get_by_text("The council should ask the ferry company first.").wait_for()


@browser_test
def test_without_a_script_the_page_says_that_the_comment_waits(
    demo: Any, window: Callable[..., Any]
) -> None:
    page = window("/demo", script=False).page
    fill(page)
    page.get_by_text("Your comment was received.").wait_for()
    assert page.url == demo.page
    page.get_by_role("link", name="See how it stands").click()
    page.get_by_role("heading", name="Waiting for a moderator").wait_for()
    page.goto(demo.page)
    assert page.get_by_text("Your comment was received.").count() == 0


@browser_test
def test_without_a_script_a_refusal_is_a_page_that_names_the_field(
    window: Callable[..., Any],
) -> None:
    page = window("/demo", script=False, expected=("422",)).page
    fill(page, Email="nobody@nowhere")
    page.get_by_role("heading", name="Your comment was not sent").wait_for()
    page.get_by_text("Email").wait_for()
    page.go_back()
    assert page.get_by_role("textbox", name="Comment").input_value()


@browser_test
def test_a_robots_hidden_field_makes_spam(demo: Any, window: Callable[..., Any]) -> None:
    page = window("/demo", script=False).page
    page.locator("[name=honeypot]").evaluate("field => field.value = 'buy'")
    fill(page)
    page.get_by_text("Your comment was received.").wait_for()
    assert demo.latest("spam")["verdict"]["reasons"][0]["code"] == "signal.honeypot"


@browser_test
def test_hostile_comments_are_shown_as_text(demo: Any, window: Callable[..., Any]) -> None:
    for number, payload in enumerate(MARKUP):
        demo.published(
            body=payload,
            name=payload[:80],
            email=someone(),
            page_title=payload,
            url=ADDRESSES[number % len(ADDRESSES)],
        )
    opened = window("/demo", script=False)
    seen = opened.page.locator(".words").all_inner_texts()
    assert "<script>alert(1)</script>" in seen
    assert not any("\u202e" in text for text in seen)
    embedded(window("/demo")).locator(".words").nth(len(MARKUP) - 1).wait_for()
    reply = opened.page.get_by_role("link", name="Reply to").last
    reply.click()
    opened.page.get_by_text("Your reply to").wait_for()


@browser_test
@pytest.mark.parametrize("script", [True, False])
def test_narrow_screens_need_no_sideways_scrolling(
    demo: Any, window: Callable[..., Any], script: bool
) -> None:
    demo.published(name="N" * 80, body="w" * 3000, email=someone())
    page = window("/demo", script=script).page
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
