"""No comment, whatever it says, runs, loads or breaks anything in the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.payloads import ADDRESSES, MARKUP

pytestmark = pytest.mark.browser


def test_hostile_texts_are_shown_as_text(site: Any, window: Callable[..., Any]) -> None:
    for number, payload in enumerate(MARKUP):
        site.submitted(
            body=payload,
            name=payload[:80],
            page_title=payload,
            email=f"r{number}@example.org",
            url=ADDRESSES[number % len(ADDRESSES)],
            page=f"https://news.example/{number}",
        )
    opened = window()
    seen = opened.page.locator(".card .text").all_inner_texts()
    opened.page.get_by_role("link", name="Next page").click()
    opened.page.wait_for_load_state()
    seen += opened.page.locator(".card .text").all_inner_texts()
    assert len(seen) == len(MARKUP)
    assert "<script>alert(1)</script>" in seen
    assert "{{ 7 * 7 }}{{ cycler.__init__.__globals__ }}" in seen
    assert not any("\u202e" in text or "\u200b" in text for text in seen)
    for address in (
        "/console?status=%3Cscript%3Ealert(1)%3C/script%3E",
        "/console?reason=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/console/sign-in?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        opened.expected = ("404",)
        opened.open(address)
