"""What moderators see of an appeal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.payloads import MARKUP


def appealed(site: Any, text: str, **fields: Any) -> dict[str, Any]:
    comment = dict(site.submitted(**fields))
    site.decide(comment["id"], "reject", 1)
    answer = httpx.post(comment["receipt"] + "/appeal", data={"text": text})
    assert answer.status_code == 303
    return comment


def test_an_appeal_stands_on_its_card_with_a_chip_in_front(
    site: Any, desk: Callable[..., Any]
) -> None:
    comment = appealed(site, "I only quoted the mayor.")
    console = desk()
    page = console.queue()
    assert page.index('class="chip appeal"') < page.index("No approved comment by this author")
    assert "I only quoted the mayor." in page
    assert comment["id"] in console.queue(reason="appeal")
    assert console.decide(comment["id"], "approve", 3).status_code == 303
    assert "Approved by Dana Fox" in console.queue(status="approved")


def test_an_appeal_is_never_decided_with_a_campaign(site: Any, desk: Callable[..., Any]) -> None:
    text = "Buy the very best watches in town today, all of them."
    for number in range(3):
        site.submitted(body=text, email=f"c{number}@example.org")
    appealed(site, "These are my own words, I sell watches.", body=text)
    found = site.ask("GET", "/v1/queues/pending/campaigns", params={"site": site.id}).json()
    assert [campaign["count"] for campaign in found["items"]] == [3]
    assert "These are my own words, I sell watches." in desk().queue()


@pytest.mark.browser
def test_hostile_appeals_are_shown_as_text(site: Any, window: Callable[..., Any]) -> None:
    for number, payload in enumerate(MARKUP[:12]):
        appealed(site, f"{payload} ----------", email=f"r{number}@example.org")
    seen = window().page.locator("div.appeal p:last-child").all_inner_texts()
    assert len(seen) == 12
    assert "<script>alert(1)</script> ----------" in seen
