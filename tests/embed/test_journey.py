"""What readers do with the embed, on a page of another origin."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.embed.host import Blog, Host, send, write

pytestmark = pytest.mark.browser
Windows = Callable[..., Any]


def ready(opened: Any) -> Any:
    """The page, once the embed stands in it."""
    opened.page.locator("winnow-comments form").first.wait_for(state="attached")
    return opened.page


def test_from_the_first_word_to_a_granted_appeal(blog: Blog, window: Windows) -> None:
    address = blog.page()
    blog.publish(address, name="Tomas", body="The ferry company has no spare boat.")
    blog.hold_newcomers()
    opened = window(address, expected=("422",))
    page = ready(opened)
    page.get_by_role("heading", name="1 comment").wait_for()
    page.get_by_role("button", name="Reply to Tomas").click()
    page.get_by_role("heading", name="Reply to Tomas").wait_for()
    write(page, Comment="One boat is free from April.", Email="nobody", Website="ftp://x")
    send(page)
    page.get_by_text("This is not an email address.").wait_for()
    page.get_by_text("This is not a web address.").wait_for()
    email = page.get_by_role("textbox", name="Email")
    assert email.evaluate("field => field === field.getRootNode().activeElement")
    assert email.get_attribute("aria-invalid") == "true"
    described = email.evaluate(
        "f => f.getAttribute('aria-describedby').split(' ')"
        ".map(id => f.getRootNode().getElementById(id).textContent).join(' ')"
    )
    assert "This is not an email address." in described
    assert "will not be published" in described
    email.fill("ann@example.org")
    page.get_by_role("textbox", name="Website").fill("ann.example")
    send(page)
    page.get_by_text("Your comment awaits moderation").first.wait_for()
    sent = page.locator("li li article")
    assert "One boat is free from April." in sent.inner_text()
    assert "Awaiting moderation" in sent.inner_text()
    assert sent.evaluate("node => node === node.getRootNode().activeElement")
    (held,) = blog.queue("pending")
    assert (held["page"], held["url"], held["locale"]) == (address, "https://ann.example", "en")
    assert held["parent"]

    page.reload()
    ready(opened)
    page.get_by_text("Awaiting moderation").wait_for()
    blog.site.decide(held["id"], "reject", 1, fields={"reason": "Please stay on topic."})
    page.reload()
    page.get_by_text("Not published").wait_for()
    page.get_by_role("link", name="See how it stands").click()
    page.get_by_text("Please stay on topic.").wait_for()
    page.get_by_role("textbox", name="Your reasons").fill("It answers the comment above it.")
    page.get_by_role("button", name="Ask for a second look").click()
    page.get_by_text("A moderator will look at your comment again.").wait_for()
    blog.site.decide(held["id"], "approve", 3)
    page.reload()
    page.get_by_text("A moderator looked again and published your comment.").wait_for()
    opened.open(address)
    ready(opened)
    page.get_by_role("heading", name="2 comments").wait_for()
    assert page.get_by_text("Awaiting moderation").count() == 0
    page.wait_for_function("localStorage.length === 0")


def test_a_known_authors_comment_is_in_the_thread_at_once(blog: Blog, window: Windows) -> None:
    address = blog.page()
    page = ready(window(address))
    page.get_by_text("No comments yet. Be the first.").wait_for()
    write(page, Comment="Seen at once.")
    send(page)
    page.get_by_role("heading", name="1 comment").wait_for()
    page.get_by_text("Thank you. Your comment is published.").first.wait_for()
    assert page.get_by_role("textbox", name="Comment").input_value() == ""
    assert page.get_by_role("textbox", name="Name").input_value() == "Ann"
    assert page.locator("article").count() == 1


def test_a_reload_loses_nothing_that_was_written(blog: Blog, window: Windows) -> None:
    address = blog.page()
    blog.publish(address, name="Tomas")
    opened = window(address)
    page = ready(opened)
    page.get_by_role("button", name="Reply to Tomas").click()
    write(page, Comment="Half a thou", Website="https://ann.example")
    page.reload()
    ready(opened)
    page.get_by_role("heading", name="Reply to Tomas").wait_for()
    assert page.get_by_role("textbox", name="Comment").input_value() == "Half a thou"
    assert page.get_by_role("textbox", name="Website").input_value() == "https://ann.example"
    send(page)
    page.get_by_text("Your comment is published.").first.wait_for()
    page.reload()
    ready(opened)
    assert page.get_by_role("textbox", name="Comment").input_value() == ""


def test_an_answer_that_is_lost_on_the_way_doubles_nothing(blog: Blog, window: Windows) -> None:
    opened = window(blog.page(), expected=("ERR_FAILED",))
    page = ready(opened)
    seen: list[str] = []

    def lose_the_first(route: Any) -> None:
        seen.append(route.request.headers.get("idempotency-key", ""))
        if len(seen) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/comments", lose_the_first)
    write(page)
    send(page)
    page.get_by_text("Your comment is published.").first.wait_for()
    assert len(seen) == 2
    assert seen[0] == seen[1] != ""
    assert len(blog.queue("approved")) == 1


def test_after_a_lost_answer_a_reload_and_another_try_double_nothing(
    blog: Blog, window: Windows
) -> None:
    opened = window("about:blank", expected=("ERR_FAILED",))
    page = opened.page
    page.clock.install()
    opened.open(blog.page())
    ready(opened)

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/v1/comments", lose)
    write(page, Comment="Only once, please.")
    send(page)
    message = page.get_by_text("The comment could not be sent. It is still in the form")
    for _ in range(20):
        page.clock.run_for(2_000)
        if message.is_visible():
            break
        page.wait_for_timeout(50)
    message.wait_for()
    page.unroute("**/v1/comments")
    page.reload()
    ready(opened)
    assert page.get_by_role("textbox", name="Comment").input_value() == "Only once, please."
    send(page)
    page.get_by_text("Your comment is published.").first.wait_for()
    assert len(blog.queue("approved")) == 1


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (429, "Too many comments from here. Please try again in 40 seconds."),
        (503, "Comments cannot be stored at the moment. Please try again in 40 seconds."),
    ],
)
def test_who_must_wait_is_told_how_long(
    blog: Blog, window: Windows, status: int, text: str
) -> None:
    page = ready(window(blog.page(), expected=(str(status),)))
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Retry-After",
        "Retry-After": "40",
        "Content-Type": "application/problem+json",
    }
    body = json.dumps({"detail": "Over the limit."})
    page.route("**/v1/comments", lambda r: r.fulfill(status=status, headers=headers, body=body))
    write(page, Comment="Kept.")
    send(page)
    page.get_by_role("alert").get_by_text(text).wait_for()
    assert page.get_by_role("textbox", name="Comment").input_value() == "Kept."


def test_new_comments_are_offered_and_move_nothing(blog: Blog, window: Windows) -> None:
    opened = window("about:blank")
    page = opened.page
    page.clock.install()
    address = blog.page()
    blog.publish(address, body="The first.")
    opened.open(address)
    ready(opened)
    before = page.locator("form").bounding_box()
    asked: list[int] = []
    page.on("response", lambda answer: "/v1/pages" in answer.url and asked.append(answer.status))
    with page.expect_response("**/v1/pages/comments**"):
        page.clock.run_for(40_000)
    assert asked == [304]
    blog.publish(address, body="The second.", name="Bea")
    fresh = page.get_by_role("button", name="1 new comment")
    for _ in range(20):
        page.clock.run_for(10_000)
        if fresh.is_visible():
            break
        page.wait_for_timeout(50)
    fresh.wait_for()
    assert page.get_by_text("The second.").count() == 0
    assert page.locator("form").bounding_box() == before
    fresh.click()
    page.get_by_text("The second.").wait_for()
    page.get_by_role("heading", name="2 comments").wait_for()
    article = page.locator("article", has_text="The second.")
    assert article.evaluate("node => node === node.getRootNode().activeElement")
    assert not fresh.is_visible()


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_a_long_thread_is_read_page_by_page(blog: Blog, window: Windows, order: str) -> None:
    address = blog.page(order=order)
    items = [
        {"page": address, "name": f"N{i}", "email": f"n{i}@example.org", "body": f"Point {i}.",
         "created_at": f"2026-01-01T00:{i:02}:00Z"}
        for i in range(55)
    ]  # fmt: skip
    blog.site.ask("POST", "/v1/comments/batch", json={"items": items})
    page = ready(window(address))
    page.get_by_role("heading", name="55 comments").wait_for()
    assert page.locator("article").count() == 50
    page.get_by_role("button", name="More comments").click()
    page.locator("article").nth(54).wait_for()
    words = page.locator(".words").all_inner_texts()
    numbers = range(55) if order == "oldest" else range(54, -1, -1)
    assert words == [f"Point {i}." for i in numbers]
    assert not page.get_by_role("button", name="More comments").is_visible()
    form_first = page.locator("form").evaluate(
        "f => f.compareDocumentPosition(f.getRootNode().querySelector('ol')) & 4"
    )
    assert bool(form_first) == (order == "newest")


def test_replies_stand_below_what_they_answer_and_deep_ones_are_flat(
    blog: Blog, window: Windows
) -> None:
    address = blog.page()
    parent, names = None, [f"Level {i}" for i in range(6)]
    for name in names:
        parent = blog.publish(address, name=name, parent=parent)["id"]
    blog.publish(address, name="Another")
    page = ready(window(address))
    assert page.locator("article b").all_inner_texts() == [*names, "Another"]
    lefts = [box["x"] for box in (a.bounding_box() for a in page.locator("article").all())]
    assert lefts[0] < lefts[1] < lefts[2]
    assert lefts[3] == lefts[4] == lefts[5]
    assert "to Level 4" in page.locator("article").nth(5).inner_text()


def test_a_closed_page_shows_its_thread_and_no_form(blog: Blog, window: Windows) -> None:
    address = blog.page()
    blog.publish(address, body="Long ago.", created_at="2020-01-01T00:00:00Z")
    blog.site.policy(closing={"days": 30})
    page = window(address).page
    page.get_by_text("Comments on this page are closed.").wait_for()
    page.get_by_text("Long ago.").wait_for()
    page.get_by_text("1 January 2020").or_(page.get_by_text("January 1, 2020")).wait_for()
    assert not page.locator("form").is_visible()


def test_two_embeds_on_one_page_keep_apart(blog: Blog, host: Host, window: Windows) -> None:
    first, second = f"{host.origin}/one", f"{host.origin}/two"
    blog.publish(first, body="About one.")
    page = window(
        host.page(
            '<div id="a"></div><div id="b"></div>'
            + blog.script(page=first, target="#a")
            + blog.script(page="/two", target="#b", lang="de")
        )
    ).page
    one, two = page.locator("#a winnow-comments"), page.locator("#b winnow-comments")
    one.get_by_text("About one.").wait_for()
    two.get_by_role("textbox", name="Kommentar").fill("Zur zweiten.")
    assert one.get_by_role("textbox", name="Comment").input_value() == ""
    two.get_by_role("textbox", name="Name").fill("Ann")
    two.get_by_role("textbox", name="E-Mail").fill("ann@example.org")
    two.get_by_role("button", name="Kommentar abschicken").click()
    two.get_by_text("Ihr Kommentar ist veröffentlicht").first.wait_for()
    assert one.locator("article").count() == two.locator("article").count() == 1
    assert {item["page"] for item in blog.queue("approved")} == {first, second}


def test_a_page_is_known_by_its_canonical_address(blog: Blog, window: Windows) -> None:
    canonical = f"{blog.host.origin}/story"
    blog.publish(canonical, body="On the story.")
    address = blog.page(head='<link rel="canonical" href="/story#top">')
    opened = window(address + "?utm_source=x#here")
    ready(opened).get_by_text("On the story.").wait_for()


def test_an_address_that_names_a_comment_leads_to_it(blog: Blog, window: Windows) -> None:
    address = blog.page()
    for i in range(20):
        made = blog.publish(address, body=f"Point {i}.\n" * 5)
    page = ready(window(f"{address}#comment-{made['id']}"))
    page.locator(f"#comment-{made['id']}:focus").wait_for()
    first = page.locator("article").first
    first.get_by_role("link").last.click()
    page.locator(f"#{first.get_attribute('id')}:focus").wait_for()
    assert page.url.endswith(first.get_attribute("id"))


def test_where_the_key_may_not_be_used_nothing_pretends_to_work(
    winnow: Any, host: Host, window: Windows
) -> None:
    elsewhere = Blog(winnow, host)
    elsewhere.site = winnow.site("https://other.example")
    page = window(elsewhere.page(), expected=("403", "Winnow: http")).page
    page.get_by_text("The comments could not be loaded.").wait_for()
    assert not page.locator("form").is_visible()


def test_a_thread_that_does_not_load_can_be_asked_for_again(blog: Blog, window: Windows) -> None:
    address = blog.page()
    blog.publish(address, body="Still here.")
    opened = window("about:blank", expected=("ERR_FAILED", "Winnow: "))
    opened.page.route("**/v1/pages/**", lambda route: route.abort())
    opened.open(address)
    page = ready(opened)
    page.get_by_text("The comments could not be loaded.").wait_for()
    page.unroute("**/v1/pages/**")
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("Still here.").wait_for()
    page.get_by_role("heading", name="1 comment").wait_for()


def test_a_robot_that_fills_every_field_is_noticed(blog: Blog, window: Windows) -> None:
    page = ready(window(blog.page()))
    blog.site.policy(signals={"honeypot": {"spam": 0.5}})
    page.locator("#f-more").evaluate("field => field.value = 'buy'")
    write(page)
    send(page)
    page.get_by_text("Your comment was not published.").first.wait_for()
    assert blog.queue("spam")[0]["verdict"]["reasons"][0]["code"] == "signal.honeypot"


def test_a_text_over_the_sites_limit_is_said_with_the_limit(blog: Blog, window: Windows) -> None:
    blog.site.policy(limits={"body_max": 40})
    page = ready(window(blog.page(), expected=("422",)))
    write(page, Comment="x" * 41)
    send(page)
    page.get_by_text("This is too long. (41 / 40)").wait_for()
    assert page.get_by_role("textbox", name="Comment").input_value() == "x" * 41


# ------------------------------------------------------------------- without our script's help


def plain(blog: Blog, page: str) -> str:
    """The guide's plain form, in the place that the script may take."""
    return (
        f'<div id="comments"><form method="post" action="{blog.winnow.url}/v1/comments">'
        f'<input type="hidden" name="key" value="{blog.site.publishable}">'
        f'<input type="hidden" name="page" value="{page}">'
        '<label>Name <input name="name"></label><label>Email <input name="email"></label>'
        '<label>Comment <textarea name="body"></textarea></label>'
        "<button>Post Comment</button></form></div>" + blog.script(target="#comments", page=page)
    )


def test_without_a_script_the_plain_form_in_its_place_works(
    blog: Blog, host: Host, window: Windows
) -> None:
    story = f"{host.origin}/plain-story"
    address = host.page(plain(blog, story))
    page = window(address, script=False).page
    write(page, Comment="Without a script.")
    send(page)
    page.wait_for_url(story)
    assert blog.queue("approved")[0]["body"] == "Without a script."
    page = ready(window(address))
    page.get_by_text("Without a script.").wait_for()
    assert page.get_by_role("textbox", name="Comment").count() == 1


def test_where_the_thread_does_not_load_the_plain_form_stays(
    blog: Blog, host: Host, window: Windows
) -> None:
    opened = window("about:blank", expected=("ERR_FAILED", "Winnow: "))
    opened.page.route("**/v1/pages/**", lambda route: route.abort())
    with opened.page.expect_console_message(lambda message: "Winnow: " in message.text):
        opened.open(host.page(plain(blog, f"{host.origin}/plain")))
    assert opened.page.get_by_role("button", name="Post Comment").count() == 1
    assert opened.page.locator("winnow-comments").count() == 0
