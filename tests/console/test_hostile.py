"""No comment, whatever it says, runs, loads or breaks anything in the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import until
from tests.console.conftest import varied
from tests.payloads import ADDRESSES, MARKUP

pytestmark = pytest.mark.browser


def submitted(site: Any, number: int, payload: str, **fields: Any) -> dict[str, Any]:
    """A comment with a payload in every field; what else it says keeps it out of campaigns."""
    given = {
        "body": f"{payload} {varied(number)}",
        "name": payload[:80],
        "page_title": payload,
        "email": f"r{number}@example.org",
        "url": ADDRESSES[number % len(ADDRESSES)],
        "page": f"https://news.example/{number}",
    }
    return dict(site.submitted(**given | fields))


def test_hostile_texts_are_shown_as_text(site: Any, window: Callable[..., Any]) -> None:
    for number, payload in enumerate(MARKUP):
        submitted(site, number, payload)
    opened = window()
    page = opened.page
    page.keyboard.press("End")
    until(lambda: page.keyboard.press("End") or page.locator(".card").count() == len(MARKUP))
    seen = page.locator(".card .text").evaluate_all("all => all.map(each => each.textContent)")
    assert any("<script>alert(1)</script>" in text for text in seen)
    assert any("{{ 7 * 7 }}{{ cycler.__init__.__globals__ }}" in text for text in seen)
    assert not any("\u202e" in text or "\u200b" in text for text in seen)
    for address in (
        "/console?status=%3Cscript%3Ealert(1)%3C/script%3E",
        "/console?reason=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/console?text=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/console?author=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/console?page=https://a.example/%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/console?site=%3Cscript%3Ealert(1)%3C/script%3E",
        "/console/authors/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/console/sign-in?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        opened.expected = ("403", "404", "400")
        opened.open(address)


def test_hostile_names_and_words_of_moderators_are_shown_as_text(
    site: Any, window: Callable[..., Any], desk: Callable[..., Any]
) -> None:
    """In toasts, drawers, questions, notes, reasons, bans, presence and lost races."""
    evil = "<img src=x onerror=alert(1)>"
    parent = submitted(site, 0, evil)
    site.decide(parent["id"], "approve", 1)
    asked = {"page": "https://news.example/0", "parent": parent["id"]}
    ids = [
        submitted(site, n, payload, **asked)["id"]
        for n, payload in enumerate(("<script>alert(1)</script>", evil, "</article><b>"), 1)
    ]
    opened = window(name=evil)
    page = opened.page
    other = window(name="</bdi><script>alert(1)</script>").page
    other.locator(".looking:not([hidden])").first.wait_for()
    page.keyboard.press("n")
    page.keyboard.type(evil)
    page.get_by_role("button", name="Save the note").click()
    page.locator(".notes").get_by_text(evil).first.wait_for()
    page.locator("#drawer [data-drawer]").first.click()
    page.locator("#drawer .record-row").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("Shift+Tab")
    page.get_by_label("Reason", exact=True).last.fill(evil)
    page.keyboard.press("Enter")
    page.get_by_text("Banned:").first.wait_for()
    page.keyboard.press("d")
    page.keyboard.type("x<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    other.get_by_text("Rejected by").first.wait_for()
    left = [each for each in ids if site.ask("GET", f"/v1/comments/{each}").json()["version"] == 1]
    desk(name=evil).decide(left[0], "spam", 1)
    page.get_by_text(f"Marked as spam by {evil}").first.wait_for()
    opened.open("/console?status=rejected")
    page.locator(".outcome").get_by_text("onerror").first.wait_for()
