"""The queue page: what it shows, and decisions with and without a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.console.conftest import varied

browser_test = pytest.mark.browser


def fill(site: Any, count: int, **fields: Any) -> list[str]:
    """Comments that differ, each of an author of its own; their ids."""
    return [
        site.submitted(body=varied(n), name=f"Reader {n}", email=f"r{n}@example.org", **fields)[
            "id"
        ]
        for n in range(count)
    ]


def test_a_card_tells_why_who_and_where(site: Any, desk: Callable[..., Any]) -> None:
    site.submitted(name="Ann", page_title="The story", body="You are a complete idiot, shut up.")
    page = desk().queue()
    for told in ("Ann", "r…@example.org", "The story", "<mark", "No approved comment", "Likely"):
        assert told in page
    assert "reader@example.org" not in page


def test_words_that_mattered_are_told_with_their_weight(
    site: Any, desk: Callable[..., Any]
) -> None:
    site.submitted(body="You are a complete idiot, shut up.")
    page = desk().queue()
    assert 'title="insult +' in page
    assert "<bdi>idiot</bdi> <b>+" in page


def test_a_reply_stands_below_what_it_answers(site: Any, desk: Callable[..., Any]) -> None:
    asked = site.submitted(name="Bea", body="Has anybody asked the shops?")
    assert site.decide(asked["id"], "approve", 1).status_code == 200
    site.submitted(body="Nobody has.", email="b@example.org", parent=asked["id"])
    page = desk().queue()
    assert page.index("In reply to") < page.index("Has anybody asked the shops?")
    assert page.index("Has anybody asked the shops?") < page.index("Nobody has.")


def test_long_queues_come_in_pages(site: Any, desk: Callable[..., Any]) -> None:
    fill(site, 25)
    dana = desk()
    first = dana.queue()
    following = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = dana.http.get(following).text
    seen = [first.count("<article"), second.count("<article")]
    assert seen == [15, 10]
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"reason": "links.too_many"}, ["Links"]),
        ({"text": "bridge"}, ["Bridge"]),
        ({"text": "BRI"}, ["Bridge"]),
        ({"label": "insult", "min": "0.7"}, ["Rude"]),
        ({"page": "https://news.example/other"}, ["Elsewhere"]),
        ({"author": "rude@example.org"}, ["Rude"]),
        ({"author": "rude@example.org", "text": "bridge"}, []),
        ({"sort": "newest"}, ["Elsewhere", "Rude", "Bridge", "Links"]),
        ({"sort": "oldest"}, ["Links", "Bridge", "Rude", "Elsewhere"]),
    ],
)
def test_a_queue_is_filtered_and_ordered_by_its_address(
    site: Any, desk: Callable[..., Any], query: dict[str, str], found: list[str]
) -> None:
    links = "http://a.example http://b.example http://c.example"
    site.submitted(name="Links", email="a@example.org", body=links)
    site.submitted(name="Bridge", email="b@example.org", body="The bridge was closed.")
    site.submitted(name="Rude", email="rude@example.org", body="You are a complete idiot, shut up.")
    site.submitted(
        name="Elsewhere",
        email="d@example.org",
        body="A lovely garden show.",
        page="https://news.example/other",
    )
    page = desk().queue(**query)
    names = [part.partition("<")[0] for part in page.split("Comment by </span><bdi>")[1:]]
    assert names == found
    assert ("Show all" in page) == bool(set(query) - {"sort"})


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"label": "kindness"}, 400),
        ({"label": "spam", "min": "2"}, 400),
        ({"page": "no page"}, 400),
        ({"after": "nonsense"}, 400),
        ({"status": "nothing"}, 404),
        ({"sort": "nonsense"}, 200),
        ({"text": "!!!"}, 200),
    ],
)
def test_an_address_that_means_nothing_is_answered_with_a_page(
    desk: Callable[..., Any], query: dict[str, str], status: int
) -> None:
    answer = desk().http.get("/console", params=query)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


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


def test_the_same_key_decides_once(site: Any, desk: Callable[..., Any]) -> None:
    comment, dana = site.submitted(), desk()
    sent = {"Accept": "application/json", "Idempotency-Key": "k1"}
    answers = [dana.decide(comment["id"], "approve", 1, headers=sent).json() for _ in range(3)]
    assert [answer["outcome"] for answer in answers] == ["done"] * 3
    assert {answer["version"] for answer in answers} == {2}


# ------------------------------------------------------------------- without a script


@browser_test
def test_buttons_work_without_a_script(site: Any, window: Callable[..., Any]) -> None:
    site.submitted()
    page = window(script=False).page
    page.get_by_role("button", name="Approve").first.click()
    page.get_by_text("Approved:").wait_for()
    assert site.counts()["approved"] == 1
    page.get_by_role("button", name="Undo").first.click()
    page.get_by_text("Put back:").wait_for()
    assert site.counts()["pending"] == 1


@browser_test
def test_many_are_decided_and_undone_without_a_script(
    site: Any, window: Callable[..., Any]
) -> None:
    fill(site, 4)
    page = window(script=False).page
    for number in (0, 2):
        page.get_by_label("Select").nth(number).check()
    page.locator("#bulk").get_by_role("button", name="Spam").click()
    page.get_by_text("Marked as spam: 2 comments.").wait_for()
    assert site.counts()["spam"] == 2
    page.get_by_role("button", name="Undo").first.click()
    page.get_by_text("Put back: 2 comments.").wait_for()
    assert site.counts()["pending"] == 4


@browser_test
def test_notes_reasons_and_bans_work_without_a_script(
    site: Any, window: Callable[..., Any]
) -> None:
    site.submitted(name="Ann")
    page = window(script=False).page
    page.get_by_role("link", name="Note", exact=True).click()
    page.get_by_label("A note for the others").fill("Ask the editor.")
    page.get_by_role("button", name="Save the note").click()
    page.get_by_text("Ask the editor.").wait_for()
    page.get_by_label("Reason").fill("insult")
    page.get_by_role("button", name="Reject with this reason").click()
    page.get_by_text("Rejected:").wait_for()
    page.goto(page.url.partition("?")[0] + "?status=rejected")
    page.get_by_text("(insult)").wait_for()
    page.get_by_role("link", name="Ban", exact=True).click()
    page.get_by_role("button", name="Ban this author").click()
    page.get_by_text("Banned, just now").wait_for()
    page.get_by_role("button", name="Lift the ban").click()
    page.get_by_role("button", name="Ban this author").wait_for()


@browser_test
@pytest.mark.parametrize("script", [True, False])
def test_who_comes_second_sees_the_winners_decision(
    site: Any, window: Callable[..., Any], desk: Callable[..., Any], script: bool
) -> None:
    comment = site.submitted()
    opened = window(script=script, name="Slow Sam")
    page = opened.page
    if script:  # without the events, which would tell before anybody can be late
        page.route("**/console/events*", lambda route: route.fulfill(status=204))
        page.reload()
    assert desk(name="Quick Quinn").decide(comment["id"], "reject", 1).status_code == 303
    page.get_by_role("button", name="Approve").first.click()
    page.get_by_text("Rejected by Quick Quinn").first.wait_for()
    page.get_by_text("Your decision was not applied").first.wait_for()
    assert site.counts() == {"pending": 0, "approved": 0, "rejected": 1, "spam": 0}


@browser_test
@pytest.mark.parametrize("width", [390, 640, 1600])
def test_no_width_needs_sideways_scrolling(
    site: Any, window: Callable[..., Any], width: int
) -> None:
    site.submitted(name="N" * 80, body="w" * 3000, page_title="t" * 300)
    page = window().page
    page.set_viewport_size({"width": width, "height": 844})
    page.reload()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
