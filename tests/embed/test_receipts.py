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


# -------------------------------------------------------------------------------- the appeal

WHY = "I only quoted the mayor, word for word."


def test_a_label_given_as_the_reason_is_told_in_words_and_in_the_readers_language(
    site: Any,
) -> None:
    comment = site.submitted(locale="de")
    site.decide(comment["id"], "reject", 1, fields={"reason": "identity_attack"})
    page = httpx.get(comment["receipt"]).text
    assert "identity_attack" not in page
    assert "eine Gruppe von Menschen angreift" in page


def refused(site: Any, **fields: Any) -> dict[str, Any]:
    comment = dict(site.submitted(**fields))
    assert site.decide(comment["id"], "reject", 1).status_code == 200
    return comment


def test_only_a_refused_comments_receipt_offers_the_appeal(site: Any) -> None:
    comment = site.submitted(body="My own words.")
    form = f'action="/r/{comment["receipt"].rpartition("/")[2]}/appeal"'
    waiting = httpx.get(comment["receipt"]).text
    assert "My own words." in waiting
    assert form not in waiting
    site.decide(comment["id"], "reject", 1)
    assert form in httpx.get(comment["receipt"]).text
    site.decide(comment["id"], "approve", 2)
    assert form not in httpx.get(comment["receipt"]).text


def test_the_form_appeals_and_the_receipt_tells_how_it_goes(site: Any) -> None:
    comment = refused(site)
    answer = httpx.post(comment["receipt"] + "/appeal", data={"text": WHY})
    assert answer.status_code == 303
    page = httpx.get(comment["receipt"]).text
    assert "A moderator will look at your comment again." in page
    assert WHY in page
    assert "<form" not in page
    site.decide(comment["id"], "reject", 3, fields={"reason": "Still off topic."})
    page = httpx.get(comment["receipt"]).text
    assert "A moderator looked again and decided as before. This is final." in page
    assert "Still off topic." in page
    assert "<form" not in page


def test_a_wrong_appeal_is_said_at_the_field_and_kept(site: Any) -> None:
    comment = refused(site)
    answer = httpx.post(comment["receipt"] + "/appeal", data={"text": "<b>no</b>"})
    assert answer.status_code == 422
    assert "Please write 10 to 1,000 characters." in answer.text
    assert "&lt;b&gt;no&lt;/b&gt;</textarea>" in answer.text
    assert 'aria-invalid="true"' in answer.text
    for body in ({}, {"more": "x"}):
        assert httpx.post(comment["receipt"] + "/appeal", data=body).status_code == 422
    other = httpx.post(comment["receipt"] + "/appeal", json={"text": WHY})
    assert other.status_code == 422


def test_a_second_appeal_by_the_form_is_refused_on_a_page(site: Any) -> None:
    comment = refused(site)
    httpx.post(comment["receipt"] + "/appeal", data={"text": WHY})
    again = httpx.post(comment["receipt"] + "/appeal", data={"text": WHY})
    assert again.status_code == 303  # the same appeal
    other = httpx.post(comment["receipt"] + "/appeal", data={"text": "Something else entirely."})
    assert other.status_code == 409
    assert "This comment cannot be appealed any more." in other.text
    wrong = httpx.post(comment["receipt"][:-1] + "!/appeal", data={"text": WHY})
    assert wrong.status_code == 404


def test_a_receipt_speaks_its_comments_language(site: Any) -> None:
    comment = refused(site, locale="ur-PK")
    page = httpx.get(comment["receipt"]).text
    assert '<html lang="ur" dir="rtl">' in page
    assert "دوبارہ دیکھنے کی درخواست کریں" in page
    assert "Ask for a second look" not in page
    german = refused(site, locale="de", email="d@example.org")
    assert "Um erneute Prüfung bitten" in httpx.get(german["receipt"]).text


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "locale"), [(390, "ur"), (390, "en"), (640, "de"), (1600, "en")])
def test_a_receipt_fits_every_screen_and_works_without_a_script(
    site: Any, window: Any, width: int, locale: str, scheme: str
) -> None:
    fields = {"name": "N" * 80, "body": "w" * 2000, "page_title": "t" * 300}
    comment = refused(site, locale=locale, **fields)
    opened = window(
        comment["receipt"],
        script=False,
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
    )
    assert opened.page.locator("html").evaluate("html => html.scrollWidth") <= width
    opened.page.locator("#text").fill(WHY)
    opened.page.locator("form button").click()
    opened.page.get_by_text(WHY).wait_for()
    assert opened.page.locator("form").count() == 0


@pytest.mark.browser
def test_hostile_appeals_stay_text_for_author_and_moderators(site: Any, window: Any) -> None:
    for number, payload in enumerate(MARKUP):
        comment = refused(site, email=f"x{number}@a.example", page=f"https://news.example/{number}")
        text = f"{payload} ----------"
        answer = httpx.post(comment["receipt"] + "/appeal", data={"text": text})
        assert answer.status_code == 303
        if number % 8 == 0:
            window(comment["receipt"]).page.locator(".plain").wait_for()
