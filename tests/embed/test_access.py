"""Everybody can read and write: keyboard, screen reader, narrow screens, right to left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.embed.host import STYLE, Blog, write

pytestmark = pytest.mark.browser
Windows = Callable[..., Any]

DARK = "<style>body{background:#121614;color:#e7ece9}</style>"

AUDIT = (Path(__file__).parent / "audit.js").read_text()

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


def busy(blog: Blog, window: Windows, **page: Any) -> Any:
    """A page with a thread, a reply form with errors, and a comment that waits."""
    address = blog.page(**page)
    first = blog.publish(address, name="Tomas", url="https://tomas.example")
    blog.publish(address, name="Bea", parent=first["id"])
    blog.hold_newcomers()
    opened = window(address, expected=("422",))
    view = opened.page
    write_in(view, body="It waits.", name="Ann", email="ann@example.org")
    view.locator("form button.main").click()
    view.locator(".mark.pending").wait_for()
    view.locator("article button.reply").first.click()
    write_in(view, body="A reply.", name="", email="nobody", url="ftp://x")
    view.locator("form button.main").click()
    view.locator("#e-name:visible").wait_for()
    return view


def write_in(page: Any, **fields: str) -> None:
    for name, text in fields.items():
        page.locator(f"form [name={name}]").fill(text)


def shadow(page: Any, code: str) -> Any:
    code = code[code.index("root =>") :].strip()
    return page.locator("winnow-comments").evaluate(f"host => ({code})(host.shadowRoot)")


@pytest.mark.parametrize("lang", ["en", "ur"])
def test_everything_has_a_name_a_role_and_room_for_a_finger(
    blog: Blog, window: Windows, lang: str
) -> None:
    assert shadow(busy(blog, window, lang=lang), AUDIT) == []


@pytest.mark.parametrize(
    ("look", "theme"), [("light", ""), ("dark", ""), ("light", "light"), ("dark", "dark")]
)
def test_text_stands_out_from_its_ground(
    blog: Blog, window: Windows, look: str, theme: str
) -> None:
    head = STYLE + (DARK if look == "dark" else "")
    found = shadow(busy(blog, window, head=head, **({"theme": theme} if theme else {})), CONTRAST)
    assert len(found) > 12
    assert {name: ratio for name, ratio in found.items() if ratio < 4.5} == {}


def test_a_dark_page_is_dark_even_where_the_readers_system_is_not(
    blog: Blog, window: Windows
) -> None:
    page = window(blog.page(head=DARK), color_scheme="light").page
    root = page.locator("winnow-comments .winnow")
    root.wait_for()
    assert root.get_attribute("data-theme") == "dark"
    page.evaluate("document.documentElement.className = 'day'; document.body.style.color = '#222'")
    page.evaluate("document.documentElement.className = 'light'")
    page.locator("winnow-comments .winnow[data-theme=light]").wait_for()


def test_a_page_sets_colours_and_font_by_variables(blog: Blog, window: Windows) -> None:
    style = (
        "<style>body{font-family:fantasy}"
        "winnow-comments{--winnow-accent:rgb(120,0,120);--winnow-radius:0px}</style>"
    )
    page = window(blog.page(head=style)).page
    button = page.locator("form button.main")
    look = button.evaluate(
        "b => [getComputedStyle(b).backgroundColor, getComputedStyle(b).borderRadius,"
        " getComputedStyle(b).fontFamily]"
    )
    assert look == ["rgb(120, 0, 120)", "0px", "fantasy"]


LABELS = {
    "en": ("Comment", "Post Comment", "2 comments"),
    "de": ("Kommentar", "Kommentar abschicken", "2 Kommentare"),
    "es": ("Comentario", "Publicar el comentario", "2 comentarios"),
    "fr": ("Commentaire", "Publier le commentaire", "2 commentaires"),
    "pt-BR": ("Comentário", "Publicar comentário", "2 comentários"),
    "tr": ("Yorum", "Yorumu gönder", "2 yorum"),
    "ur": ("تبصرہ", "تبصرہ بھیجیں", "2 تبصرے"),
    "fi": ("Comment", "Post Comment", "2 comments"),
}


@pytest.mark.parametrize("lang", list(LABELS))
def test_it_speaks_the_pages_language(blog: Blog, window: Windows, lang: str) -> None:
    address = blog.page(lang=lang)
    for name in ("Ann", "Bea"):
        blog.publish(address, name=name)
    page = window(address).page
    label, button, heading = LABELS[lang]
    page.get_by_role("textbox", name=label, exact=True).wait_for()
    page.get_by_role("button", name=button, exact=True).wait_for()
    page.get_by_role("heading", name=heading, exact=True).wait_for()
    root = page.locator("winnow-comments .winnow")
    assert root.get_attribute("lang") == (lang.partition("-")[0] if lang != "fi" else "en")
    assert root.get_attribute("dir") == ("rtl" if lang == "ur" else "ltr")


def test_urdu_stands_right_to_left_and_each_comment_in_its_own_direction(
    blog: Blog, window: Windows
) -> None:
    address = blog.page(lang="ur")
    blog.publish(address, name="Ann", body="Left to right.")
    blog.publish(address, name="عائشہ", body="دائیں سے بائیں۔")
    page = window(address).page
    page.locator(".words").nth(1).wait_for()
    directions = [
        words.evaluate("node => getComputedStyle(node).direction")
        for words in page.locator(".words").all()
    ]
    assert directions == ["ltr", "rtl"]
    name, email = (page.locator(f"[name={n}]").bounding_box() for n in ("name", "email"))
    assert name["x"] > email["x"]
    assert page.locator("[name=email]").evaluate("f => getComputedStyle(f).direction") == "ltr"


@pytest.mark.parametrize("lang", ["en", "ur"])
@pytest.mark.parametrize("width", [320, 390, 640, 1600])
def test_no_width_needs_sideways_scrolling(
    blog: Blog, window: Windows, width: int, lang: str
) -> None:
    """640 pixels are a screen of 1,280 at 200 % zoom."""
    address, parent = blog.page(lang=lang), None
    for _ in range(5):
        parent = blog.publish(address, name="N" * 80, body="w" * 900, parent=parent)["id"]
    page = window(address, viewport={"width": width, "height": 800}).page
    page.locator("article").nth(4).wait_for()
    page.locator("article button.reply").nth(4).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.add_style_tag(content="body{font-size:36px}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    narrowest = min(
        box["width"] for box in (w.bounding_box() for w in page.locator(".words").all())
    )
    assert narrowest > min(width, 700) * 0.6


def test_a_keyboard_is_enough(blog: Blog, window: Windows) -> None:
    address = blog.page()
    blog.publish(address, name="Tomas")
    page = window(address).page
    page.locator("form").wait_for()

    def focused() -> str:
        return str(page.evaluate(
            "(() => { const a = document.querySelector('winnow-comments').shadowRoot.activeElement;"
            " return a ? a.name || a.getAttribute('aria-label') || a.textContent : '' })()"
        ))  # fmt: skip

    def press(key: str) -> str:
        page.keyboard.press(key)
        return focused()

    while focused() != "Reply to Tomas":
        press("Tab")
    assert press("Enter") == "body"
    page.keyboard.type("Typed without a mouse.")
    page.keyboard.press("Shift+Tab")
    assert focused() == "Cancel the reply"
    assert press("Enter") == "Reply to Tomas"
    assert press("Enter") == "body"
    order = [press("Tab") for _ in range(4)]
    assert order == ["name", "email", "url", "Post Comment"]
    page.locator("[name=name]").focus()
    page.keyboard.type("Ann")
    press("Tab")
    page.keyboard.type("ann@example.org")
    page.keyboard.press("Enter")
    page.get_by_text("Your comment is published.").first.wait_for()
    assert "Typed without a mouse." in focused()
    status = page.locator("winnow-comments [role=status]")
    assert "Your comment is published." in status.inner_text()


def test_what_is_missing_is_said_at_once_and_without_a_request(blog: Blog, window: Windows) -> None:
    page = window(blog.page()).page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    write(page, Name=" ", Comment="")
    page.get_by_role("button", name="Post Comment").click()
    assert page.get_by_text("Please fill this in.").count() == 2
    assert "POST" not in asked
    assert page.locator("[name=body]").evaluate("f => f === f.getRootNode().activeElement")
