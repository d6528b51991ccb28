"""The queue page: what it shows, and decisions with and without a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

browser_test = pytest.mark.browser


def test_a_card_tells_why_who_and_where(site: Any, desk: Callable[..., Any]) -> None:
    site.submitted(name="Ann", page_title="The story", body="You are a complete idiot, shut up.")
    page = desk().queue()
    for told in ("Ann", "r…@example.org", "The story", "<mark", "No approved comment", "Likely"):
        assert told in page
    assert "reader@example.org" not in page


def test_long_queues_come_in_pages(site: Any, desk: Callable[..., Any]) -> None:
    for number in range(30):
        site.submitted(body=f"Comment number {number}.", email=f"r{number}@example.org")
    dana = desk()
    first = dana.queue()
    following = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = dana.http.get(following).text
    seen = [first.count("<article"), second.count("<article")]
    assert seen == [25, 5]
    assert 'rel="next"' not in second


def test_a_queue_narrows_to_a_reason(site: Any, desk: Callable[..., Any]) -> None:
    site.submitted()
    site.submitted(email="b@example.org", body="http://a.example http://b.example http://c.example")
    page = desk().queue(reason="links.too_many")
    assert page.count("<article") == 1
    assert "Show all" in page


def test_an_empty_queue_is_celebrated(desk: Callable[..., Any]) -> None:
    assert "All winnowed" in desk().queue()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"action": "burn"}, 400),
        ({"version": ""}, 400),
        ({"version": "-1"}, 400),
        ({"action": "undo"}, 409),
    ],
)
def test_a_broken_form_is_answered_with_a_page(
    site: Any, desk: Callable[..., Any], fields: dict[str, str], status: int
) -> None:
    comment = site.submitted()
    answer = desk().decide(comment["id"], "approve", 1, fields=fields)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert site.counts()["pending"] == 1


@browser_test
def test_keys_move_decide_and_undo(site: Any, window: Callable[..., Any]) -> None:
    for number in range(3):
        site.submitted(body=f"Comment number {number}.", email=f"r{number}@example.org")
    page = window().page
    cards = page.locator(".card")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("a")
    cards.nth(0).get_by_text("Approved", exact=True).wait_for()
    assert page.evaluate("document.activeElement.id") == cards.nth(1).get_attribute("id")
    page.keyboard.press("s")
    cards.nth(1).get_by_text("Marked as spam").wait_for()
    page.keyboard.press("d")
    page.get_by_text("That was the last one on this page.").wait_for()
    assert site.counts() == {"pending": 0, "approved": 1, "rejected": 1, "spam": 1}
    page.keyboard.press("z")
    cards.nth(2).locator("[data-outcome]").wait_for(state="hidden")
    page.keyboard.press("z")
    cards.nth(1).locator("[data-outcome]").wait_for(state="hidden")
    assert site.counts() == {"pending": 2, "approved": 1, "rejected": 0, "spam": 0}
    assert page.locator('[data-count="pending"]').inner_text() == "2"


@browser_test
def test_keys_can_be_turned_off(site: Any, window: Callable[..., Any]) -> None:
    site.submitted()
    page = window().page
    page.get_by_label("Keys").uncheck()
    page.locator(".card").focus()
    page.keyboard.press("a")
    page.reload()
    assert not page.get_by_label("Keys").is_checked()
    assert site.counts()["pending"] == 1


@browser_test
def test_buttons_work_without_a_script(site: Any, window: Callable[..., Any]) -> None:
    site.submitted()
    page = window(script=False).page
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("Approved:").wait_for()
    assert site.counts()["approved"] == 1
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Put back:").wait_for()
    assert site.counts()["pending"] == 1


@browser_test
@pytest.mark.parametrize("script", [True, False])
def test_who_comes_second_sees_the_winners_decision(
    site: Any, window: Callable[..., Any], desk: Callable[..., Any], script: bool
) -> None:
    comment = site.submitted()
    page = window(script=script, name="Slow Sam").page
    assert desk(name="Quick Quinn").decide(comment["id"], "reject", 1).status_code == 303
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("Rejected by Quick Quinn").first.wait_for()
    page.get_by_text("Your decision was not applied").first.wait_for()
    assert site.counts() == {"pending": 0, "approved": 0, "rejected": 1, "spam": 0}


@browser_test
def test_narrow_screens_need_no_sideways_scrolling(site: Any, window: Callable[..., Any]) -> None:
    site.submitted(name="N" * 80, body="w" * 3000, page_title="t" * 300)
    page = window().page
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
