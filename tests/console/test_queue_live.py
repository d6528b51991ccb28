"""The queue page with its script: keys, optimism, colleagues, many at once, campaigns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import until
from tests.console.test_queue import fill

pytestmark = pytest.mark.browser
JSON = {"Accept": "application/json"}


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.closest('.card')?.id ?? ''")).removeprefix(
        "c-"
    )


def shown(page: Any, status: str) -> str:
    return str(page.locator(f'[data-count="{status}"]').inner_text())


def counted(page: Any, site: Any, **wanted: int) -> None:
    """Waits until the queues hold so many; the browser goes on meanwhile."""

    def there() -> bool:
        page.wait_for_timeout(20)
        counts = site.counts()
        return {name: counts[name] for name in wanted} == wanted

    until(there)


def test_fifty_comments_are_worked_by_keyboard_alone(site: Any, window: Callable[..., Any]) -> None:
    fill(site, 50)
    page = window().page
    for number in range(50):
        before = focused(page)
        key = "asd"[number % 3]
        page.keyboard.press(key)
        if key == "d":
            page.keyboard.press("3" if number % 2 else "Enter")
        if number < 49:
            page.wait_for_function(
                "was => { const id = document.activeElement.closest('.card')?.id;"
                " return id && id !== 'c-' + was; }",
                arg=before,
            )
    page.get_by_text("All winnowed").wait_for()
    counted(page, site, pending=0, approved=17, spam=17, rejected=16)
    assert [shown(page, name) for name in ("pending", "approved")] == ["0", "17"]


def test_keys_move_decide_and_undo(site: Any, window: Callable[..., Any]) -> None:
    fill(site, 3)
    page = window().page
    cards = page.locator(".card")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("a")
    cards.nth(0).get_by_text("Approved", exact=True).wait_for()
    assert focused(page) == (cards.nth(1).get_attribute("id") or "")[2:]
    page.keyboard.press("s")
    cards.nth(1).get_by_text("Marked as spam").wait_for()
    counted(page, site, pending=1, approved=1, spam=1)
    page.keyboard.press("z")
    page.keyboard.press("z")
    counted(page, site, pending=3)
    cards.nth(0).locator(".outcome").wait_for(state="hidden")
    assert shown(page, "pending") == "3"


def test_a_decision_shows_at_once_and_is_sent_when_the_service_answers_again(
    site: Any, window: Callable[..., Any]
) -> None:
    fill(site, 2)
    opened = window()
    opened.expected = ("ERR_FAILED", "503")
    page, tries = opened.page, []

    def refuse(route: Any) -> None:
        tries.append(route.request.headers["idempotency-key"])
        if len(tries) == 1:
            route.abort()
        elif len(tries) == 2:
            route.fulfill(status=503, body="{}")
        else:
            route.continue_()

    page.route("**/console/comments/*", refuse)
    page.keyboard.press("a")
    assert page.locator(".card.done").count() == 1
    page.get_by_text("not sent yet").wait_for()
    counted(page, site, approved=1)
    page.get_by_text("not sent yet").wait_for(state="hidden")
    assert len(tries) == 3
    assert len(set(tries)) == 1


def test_a_refused_decision_is_rolled_back_where_it_is_seen(
    site: Any, window: Callable[..., Any]
) -> None:
    fill(site, 2)
    opened = window()
    opened.expected = ("403",)
    page = opened.page
    no = '{"outcome": "failed", "text": "Your role was taken away."}'
    page.route(
        "**/console/comments/*",
        lambda route: route.fulfill(status=403, content_type="application/json", body=no),
    )
    page.keyboard.press("a")
    page.get_by_text("Not applied: Your role was taken away.").first.wait_for()
    assert page.locator(".card.done").count() == 0
    assert shown(page, "pending") == "2"


def test_a_reason_is_picked_by_number_or_written(site: Any, window: Callable[..., Any]) -> None:
    ids = fill(site, 3)
    page = window().page
    order = [
        (each or "")[2:] for each in page.locator(".card").evaluate_all("all => all.map(c => c.id)")
    ]
    assert sorted(order) == sorted(ids)
    page.keyboard.press("d")
    page.keyboard.press("5")
    page.keyboard.press("d")
    page.keyboard.type("off topic")
    page.keyboard.press("Enter")
    page.keyboard.press("d")
    page.keyboard.press("Escape")
    counted(page, site, rejected=2, pending=1)
    reasons = [
        site.ask("GET", f"/v1/comments/{each}").json()["decision"]["reason"] for each in order[:2]
    ]
    assert reasons == ["insult", "off topic"]


def test_keys_can_be_turned_off(site: Any, window: Callable[..., Any]) -> None:
    site.submitted()
    page = window().page
    page.keyboard.press("?")
    page.get_by_label("Keys are on").uncheck()
    page.keyboard.press("Escape")
    page.locator(".card").focus()
    page.keyboard.press("a")
    page.reload()
    assert not page.locator("#keys").is_checked()
    assert site.counts()["pending"] == 1


def test_letters_typed_into_a_field_decide_nothing(site: Any, window: Callable[..., Any]) -> None:
    site.submitted(body="The bridge was closed.")
    page = window().page
    page.keyboard.press("/")
    page.keyboard.type("bads")
    page.keyboard.press("Enter")
    page.get_by_text("No more comments match").wait_for()
    assert site.counts()["pending"] == 1


# ------------------------------------------------------------------------- colleagues


def test_who_looks_at_a_comment_is_seen_by_the_others(
    site: Any, window: Callable[..., Any]
) -> None:
    ids = fill(site, 2)
    dana = window(name="Dana Fox").page
    first = focused(dana)
    assert first in ids
    sam = window(name="Sam Low").page
    line = sam.locator(f"#c-{first} .looking")
    line.get_by_text("Dana Fox").wait_for()
    assert dana.locator(f"#c-{first} .looking").is_hidden()
    dana.keyboard.press("j")
    line.wait_for(state="hidden")
    dana.keyboard.press("k")
    line.wait_for()
    dana.goto("about:blank")
    line.wait_for(state="hidden")


def test_a_colleagues_decision_shows_in_place_and_moves_no_focus(
    site: Any, window: Callable[..., Any], desk: Callable[..., Any]
) -> None:
    fill(site, 3)
    page = window().page
    mine = focused(page)
    other = (page.locator(".card").nth(1).get_attribute("id") or "")[2:]
    desk(name="Quick Quinn").decide(other, "approve", 1)
    page.locator(f"#c-{other}").get_by_text("Approved by Quick Quinn").wait_for()
    assert focused(page) == mine
    page.wait_for_function(
        "() => document.querySelector('[data-count=pending]').textContent === '2'"
    )


def test_new_comments_are_counted_and_shown_on_request_only(
    site: Any, window: Callable[..., Any]
) -> None:
    fill(site, 2)
    page = window().page
    mine, top = focused(page), page.locator(".card").first.bounding_box()
    site.submitted(body="You are a complete idiot, shut up.", email="x@example.org", name="Gary")
    page.get_by_role("button", name="View 1 new").wait_for()
    assert focused(page) == mine
    assert page.locator(".card").first.bounding_box() == top
    page.get_by_role("button", name="View 1 new").click()
    page.locator(".card").first.get_by_role("heading", name="Gary").wait_for()
    assert page.locator(".card").count() == 3


# ------------------------------------------------------------------------ many at once


def test_a_selection_is_decided_and_undone_as_a_whole(
    site: Any, window: Callable[..., Any]
) -> None:
    fill(site, 4)
    page = window().page
    for _ in range(3):
        page.keyboard.press("x")
        page.keyboard.press("j")
    page.get_by_text("3 selected", exact=True).wait_for()
    page.keyboard.press("Shift+S")
    counted(page, site, spam=3, pending=1)
    page.get_by_text("Marked as spam: 3 comments").first.wait_for()
    page.keyboard.press("z")
    counted(page, site, spam=0, pending=4)
    page.wait_for_function("() => !document.querySelector('.card.done')")
    page.keyboard.press("a")  # the versions it has are the new ones
    counted(page, site, approved=1)


def test_all_that_match_are_decided_and_undone(site: Any, window: Callable[..., Any]) -> None:
    fill(site, 26)
    site.submitted(email="l@e.example", page="https://news.example/other")
    page = window().page
    page.goto(f"{page.url}?page=https://news.example/a/1")
    page.keyboard.press("x")
    page.get_by_label("all 26 that match").check()
    page.keyboard.press("Shift+A")
    counted(page, site, approved=26, pending=1)
    page.get_by_text("Approved: 26 comments").first.wait_for()
    page.get_by_text("No more comments match").wait_for()
    page.keyboard.press("z")
    counted(page, site, approved=0, pending=27)
    page.locator("#cards .card").first.wait_for()


def test_a_campaign_is_one_card_decided_by_one_key_and_undone(
    site: Any, window: Callable[..., Any]
) -> None:
    for number in range(12):
        site.submitted(
            body=f"Get a loan of 50,000 dollars in two days from Dr. Stevens, write to 01{number}",
            email=f"u{number}@cash.example",
            name=f"Quick Cash {number}",
        )
    fill(site, 2)
    page = window().page
    card = page.locator(".campaign")
    card.get_by_text("12 comments that say nearly the same").wait_for()
    card.get_by_text("12 authors").wait_for()
    assert page.locator("#cards .card").count() == 2
    page.keyboard.press("s")
    counted(page, site, spam=12, pending=2)
    assert focused(page)
    page.get_by_text("Marked as spam: 12 comments").first.wait_for()
    page.keyboard.press("z")
    counted(page, site, spam=0, pending=14)
    page.get_by_role("link", name="See them one by one").click()
    page.get_by_text("that say nearly the same").wait_for()
    assert page.locator("#cards .card").count() == 12
    page.keyboard.press("x")
    page.get_by_label("all 12 that match").check()
    page.keyboard.press("Shift+S")
    counted(page, site, spam=12, pending=2)


# -------------------------------------------------------------------- drawers and more


def test_notes_and_history_open_beside_the_queue(site: Any, window: Callable[..., Any]) -> None:
    site.submitted(name="Ann")
    page = window().page
    page.keyboard.press("n")
    page.keyboard.type("Ask the editor. a d s z")
    page.get_by_role("button", name="Save the note").click()
    page.locator(".notes").get_by_text("Ask the editor.").wait_for()
    page.locator(".history").get_by_text("Submitted").wait_for()
    page.locator(".notes").get_by_text("Dana Fox").wait_for()
    page.keyboard.press("Escape")
    assert focused(page)
    assert site.counts()["pending"] == 1


def test_an_author_is_banned_after_a_question_and_that_can_be_undone(
    site: Any, window: Callable[..., Any]
) -> None:
    site.submitted(name="Gary")
    page = window().page

    def bans() -> int:
        return len(site.ask("GET", f"/v1/sites/{site.id}/bans").json()["items"])

    page.keyboard.press("b")
    page.get_by_role("heading", name="Ban Gary?").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    until(lambda: bans() == 1)
    page.keyboard.press("z")
    until(lambda: bans() == 0)


def test_an_author_is_told_with_their_other_comments(site: Any, window: Callable[..., Any]) -> None:
    first = site.submitted(name="Ann", body="The first thing I say.")
    site.decide(first["id"], "approve", 1)
    site.submitted(name="Ann", body="The second thing.", page="https://news.example/b")
    site.submitted(name="Ann", body="And http://a.example http://b.example http://c.example")
    page = window().page
    page.locator(".record").first.click()
    drawer = page.locator("#drawer")
    drawer.get_by_role("heading", name="Ann").wait_for()
    drawer.get_by_text("The first thing I say.").wait_for()
    drawer.get_by_text("1 approved").wait_for()


def test_one_at_a_time_shows_one_card(site: Any, window: Callable[..., Any]) -> None:
    fill(site, 3)
    page = window().page
    page.keyboard.press("v")
    assert page.locator(".card:visible").count() == 1
    was = focused(page)
    page.keyboard.press("a")
    page.wait_for_function("was => document.activeElement.id !== 'c-' + was", arg=was)
    assert page.locator(".card:visible").count() == 1


def test_comfort_is_kept(site: Any, window: Callable[..., Any]) -> None:
    site.submitted(body="You are a complete idiot, shut up.")
    page = window().page
    page.keyboard.press("?")
    page.get_by_label("Blur the marked words").check()
    page.get_by_label("Take the colours out").check()
    page.reload()
    mark = page.locator("mark").first
    assert "blur" in mark.evaluate("each => getComputedStyle(each).filter")
    page.locator(".text").first.focus()
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('mark')).filter === 'none'"
    )
    assert "grayscale" in page.evaluate("getComputedStyle(document.documentElement).filter")


def test_a_viewer_sees_comments_and_no_actions(site: Any, window: Callable[..., Any]) -> None:
    site.submitted(name="Ann")
    page = window(role="viewer").page
    page.get_by_role("heading", name="Ann").wait_for()
    for key in "adsxbz":
        page.keyboard.press(key)
    assert page.locator(".actions, #bulk, [name=chosen]").count() == 0
    page.keyboard.press("n")
    page.locator(".history").wait_for()
    assert page.locator("textarea").count() == 0
    assert site.counts()["pending"] == 1


def test_an_arabic_comment_reads_from_right_to_left(site: Any, window: Callable[..., Any]) -> None:
    site.submitted(name="عائشہ", body="پل بند کرنے سے پہلے متبادل راستہ ٹھیک کریں۔")
    page = window().page
    assert page.locator(".text").evaluate("each => getComputedStyle(each).direction") == "rtl"
