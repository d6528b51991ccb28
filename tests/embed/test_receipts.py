"""The receipt: what the author of a comment is told on its page."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.payloads import MARKUP


@pytest.mark.parametrize(
    ("action", "headline"),
    [
        ("", "Waiting for a moderator"),
        ("approve", "Published"),
        ("reject", "Not published"),
        ("spam", "Not published"),
    ],
)
def test_a_receipt_follows_the_comment(site: Any, action: str, headline: str) -> None:
    comment = site.submitted()
    if action:
        assert site.decide(comment["id"], action, 1).status_code == 200
    answer = httpx.get(comment["receipt"])
    assert answer.status_code == 200
    assert headline in answer.text
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "reader@example.org" not in answer.text


def test_a_receipt_tells_the_moderators_reason(site: Any) -> None:
    comment = site.submitted()
    site.decide(comment["id"], "reject", 1, fields={"reason": "<b>Off topic</b>"})
    assert "&lt;b&gt;Off topic&lt;/b&gt;" in httpx.get(comment["receipt"]).text


def test_a_receipt_never_tells_scores_or_the_moderators_view(site: Any) -> None:
    comment = site.submitted(body="You are a complete idiot, shut up.")
    page = httpx.get(comment["receipt"]).text
    for secret in ("insult", "toxic", "0.9", "score"):
        assert secret not in page.lower()


def test_a_wrong_receipt_is_a_page_with_404(winnow: Any, site: Any) -> None:
    token = site.submitted()["receipt"].rpartition("/")[2]
    for wrong in ("nobody", token[:-1] + "!", token[::-1], token.partition(".")[0] + "."):
        answer = httpx.get(f"{winnow.url}/r/{wrong}")
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")


def test_hostile_names_stay_text_on_a_receipt(site: Any) -> None:
    for number, payload in enumerate(MARKUP[:8]):
        comment = site.submitted(
            name=payload[:80], page_title=payload, email=f"x{number}@a.example"
        )
        page = httpx.get(comment["receipt"]).text
        assert payload not in page
