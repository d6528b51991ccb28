"""The embed under strict policies, with hostile comments, and with nobody else's servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.embed.host import Blog, send, write
from tests.payloads import ADDRESSES, MARKUP

pytestmark = pytest.mark.browser
Windows = Callable[..., Any]

TYPES = "; require-trusted-types-for 'script'; trusted-types 'none'"
ACCENT = "rgb(15, 110, 92)"


def policies(ours: str) -> dict[str, str]:
    """Policies of careful websites."""
    plain = f"default-src 'none'; script-src {ours}; connect-src {ours}"
    nonce = "default-src 'none'; script-src 'nonce-n0nce' 'strict-dynamic'"
    return {
        "only our origin": plain,
        "and Trusted Types": plain + "; base-uri 'none'; form-action 'none'" + TYPES,
        "nonces": f"{nonce}; connect-src {ours}{TYPES}",
    }


@pytest.mark.parametrize("name", ["only our origin", "and Trusted Types", "nonces"])
@pytest.mark.parametrize("lang", ["en", "ur"])
def test_it_works_under_a_strict_policy(
    blog: Blog, window: Windows, winnow: Any, name: str, lang: str
) -> None:
    policy = policies(winnow.url)[name]
    script = blog.script().replace("<script", '<script nonce="n0nce"')
    address = blog.host.page(script, policy=policy, lang=lang, head="")
    blog.publish(address, name="Tomas", body="Under a policy.")
    opened = window("about:blank")
    opened.page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective))"
    )
    opened.open(address)
    page = opened.page
    page.get_by_text("Under a policy.").wait_for()
    button = page.locator("form button.main")
    assert button.evaluate("b => getComputedStyle(b).backgroundColor") == ACCENT
    page.get_by_role("button", name="Tomas").click()
    page.locator("textarea").fill("An answer under a policy.")
    page.locator("[name=name]").fill("Ann")
    page.locator("[name=email]").fill("ann@example.org")
    button.click()
    page.locator("article", has_text="An answer under a policy.").wait_for()
    assert page.locator(".mark.approved:visible").count() == 1


@pytest.mark.parametrize(("lang", "more"), [("en", []), ("ur", ["/embed/words/ur"])])
def test_a_first_view_asks_us_twice_and_nobody_else(
    blog: Blog, window: Windows, winnow: Any, lang: str, more: list[str]
) -> None:
    opened, asked = window("about:blank"), []
    opened.page.on("request", lambda request: asked.append(request.url.partition("?")[0]))
    address = blog.page(lang=lang)
    opened.open(address)
    opened.page.locator("winnow-comments form").wait_for()
    opened.page.wait_for_load_state("networkidle")
    ours = [url.removeprefix(winnow.url) for url in asked if url.startswith(winnow.url)]
    assert sorted(ours) == sorted(["/embed.js", "/v1/pages/comments", *more])
    assert {url for url in asked if not url.startswith(winnow.url)} <= {
        address, f"{blog.host.origin}/favicon.ico",
    }  # fmt: skip


def test_hostile_comments_are_shown_as_text(blog: Blog, window: Windows) -> None:
    address = blog.page()
    for number, payload in enumerate(MARKUP):
        blog.publish(
            address,
            body=payload,
            name=payload[:80],
            page_title=payload,
            url=ADDRESSES[number % len(ADDRESSES)],
        )
    page = window(address).page
    page.locator("article").nth(len(MARKUP) - 1).wait_for()
    seen = page.locator(".words").all_inner_texts()
    assert "<script>alert(1)</script>" in seen
    assert "{{ 7 * 7 }}{{ cycler.__init__.__globals__ }}" in seen
    assert not any("\u202e" in text or "\u200b" in text for text in seen)
    for link in page.locator("article b a").all():
        assert link.evaluate("a => a.protocol") == "https:"
        assert link.get_attribute("rel") == "nofollow ugc noopener noreferrer"
    inside = "winnow-comments :is(script, img, iframe, svg, style, object, form form)"
    assert page.locator(inside).count() == 0
    page.get_by_role("button", name="Reply to").last.click()
    page.get_by_role("heading", name="Reply to").wait_for()


def test_hostile_words_of_ones_own_are_shown_as_text_even_after_a_reload(
    blog: Blog, window: Windows
) -> None:
    address = blog.page()
    blog.hold_newcomers()
    page = window(address).page
    for payload in MARKUP[:4]:
        write(page, Comment=payload, Name=payload[:80])
        send(page)
        page.locator("article", has_text=payload).first.wait_for()
    page.reload()
    page.locator("article").nth(3).wait_for()
    assert page.locator(".words").all_inner_texts() == list(MARKUP[:4])


def test_a_lie_in_this_browsers_storage_runs_nothing(blog: Blog, window: Windows) -> None:
    """Another script of the host page may have written there."""
    address = blog.page()
    opened = window(blog.host.page("<p>Before"), expected=("404",))
    lie = (
        '[{"id": "<img src=x onerror=alert(1)>", "name": "<script>alert(1)</script>", '
        '"body": "<svg onload=alert(1)>", "url": "javascript:alert(1)", "parent": null, '
        '"created_at": "2026-11-25T00:00:00.000Z", "status": "pending", '
        '"token": "javascript:alert(1)"}]'
    )
    name = f"winnow:own:{blog.site.id}:{address}"
    opened.page.evaluate("([name, lie]) => localStorage.setItem(name, lie)", [name, lie])
    opened.page.route("**/v1/receipts/**", lambda route: route.abort())
    opened.expected = ("ERR_FAILED",)
    opened.open(address)
    opened.page.get_by_text("Awaiting moderation").wait_for()
    for link in opened.page.locator("article a").all():
        assert "javascript" not in link.evaluate("a => a.protocol")
