"""From HTML to text: what a reader would see, safely and in linear time."""

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.importing.plain import to_text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("plain", "plain"),
        ("<p>One</p><p>Two <b>bold</b></p>", "One\n\nTwo bold"),
        ("<p>a</p>\n\n\n<p>b</p>", "a\n\nb"),
        ("one<br>two<br/>three<BR />four", "one\ntwo\nthree\nfour"),
        ("<ul><li>one</li><li>two</li></ul>after", "- one\n- two\n\nafter"),
        ("<blockquote><p>said</p></blockquote>no", "said\n\nno"),
        ("many   spaces\nand a line", "many spaces and a line"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("&lt;b&gt; &amp; &quot;x&quot; &#233; &#x1F600; &copy", '<b> & "x" é 😀 ©'),
        ("a < b and b > a <3", "a < b and b > a <3"),
        ("ends in <a", "ends in <a"),
        ("<!-- hidden -->seen<!doctype x><?pi x?>", "seen"),
        ("<!-- never closed", "never closed"),
        ("a<script>steal('<b>')</script>b<STYLE>p{}</STYLE>c", "abc"),
        ("how does <script> work", "how does work"),
        ("<b title=\"x > y\" onclick='z > 1'>t</b>", "t"),
        ("</p></p></b>x", "x"),
    ],
)
def test_a_reader_sees_the_same_words(given, text):
    assert to_text(given) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ('see <a href="https://x.example/a?b=1&amp;c=2">this</a>!', "see this "
         "(https://x.example/a?b=1&c=2)!"),
        ('<a href="https://x.example/">https://x.example</a>', "https://x.example/"),
        ("<a href=http://x.example/p>x.example/p</a>", "http://x.example/p"),
        ('<a href="https://x.example/long/path">https://x.example/lo...</a>',
         "https://x.example/long/path"),
        ('<a rel=nofollow href=\'//x.example/\'>x</a>', "x (//x.example/)"),
        ('<a href="https://x.example/"></a>', "https://x.example/"),
        ('<a href="https://x.example/">never closed', "never closed (https://x.example/)"),
        ('<a href="https://a.example/">a<a href="https://b.example/">b</a>',
         "a (https://a.example/)b (https://b.example/)"),
        ('<a href="javascript:alert(1)">click</a>', "click"),
        ('<a href="#top">up</a> <a>none</a>', "up none"),
        ('<a href="mailto:me@x.example">write</a>', "write (mailto:me@x.example)"),
        ('<img src="https://x.example/i.png" alt="cat"> purrs', "https://x.example/i.png purrs"),
    ],
)  # fmt: skip
def test_a_link_leaves_its_address(given, text):
    """So that links still count; only addresses a browser would go to on the web."""
    assert to_text(given) == text


def test_line_breaks_of_wordpress_mean_something():
    """There a comment is plain text with some tags; `<br />` and its line break are one."""
    given = "First.\nSecond<br />\nthird.\n\n\n\n<em>Last</em> &amp; least  "
    assert to_text(given, keeps_lines=True) == "First.\nSecond\nthird.\n\nLast & least"


HOSTILE = (
    *("<", "<a ", "<!--", "<![", "<![CDATA[", "<?", "</", "</a ", "&", "&#", "&#x", "<a b='"),
    *("<script>", "<script></s", "<style></style", "<!", "<a/", '<a b="x', "<p>", "</pre><pre>"),
    *("<a href='http://e.example/'>", "<li>", " \n", "href=", "<a href=", " ", "\n", "<b '\">"),
    *("<a =", "<a><!--", "<div>", "\0", "<\0", "&lt;", '"<a ', "'>"),
)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit):
    """Four times the text may take some four times as long, never sixteen."""

    def seconds(size):
        text = unit * (size // len(unit))
        started = time.perf_counter()
        for keeps_lines in (False, True):
            to_text(text, keeps_lines=keeps_lines)
        return time.perf_counter() - started

    small = min(seconds(50_000) for _ in range(3))
    assert min(seconds(200_000) for _ in range(3)) < 10 * small + 0.05


def test_deep_nesting_needs_no_stack():
    assert to_text("<div>" * 200_000 + "deep" + "</div>" * 200_000) == "deep"


@given(st.text(), st.booleans())
def test_any_text_is_taken(text, keeps_lines):
    """Nothing raises, and what comes out is settled and no longer than what went in, by much."""
    found = to_text(text, keeps_lines=keeps_lines)
    assert found == found.strip()
    assert len(found) <= 3 * len(text) + 10


NAMES = st.sampled_from(["b", "p", "a", "script", "style", "x-evil", "svg", "br", "IMG", "li"])
VALUES = st.text(st.characters(exclude_characters="\"'<>", exclude_categories=["Cs"]), max_size=8)
ATTRIBUTES = st.lists(
    st.tuples(st.sampled_from(["onload", "href", "src", "class"]), VALUES), max_size=3
).map(lambda pairs: "".join(f' {name}="evil{value}"' for name, value in pairs))
TAGS = st.builds(lambda close, name, more: f"<{close}{name}{more}>", st.sampled_from(["", "/"]),
                 NAMES, ATTRIBUTES)  # fmt: skip
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(html.escape)


@given(st.lists(TAGS | WORDS | st.just("<!-- evil -->"), max_size=20), st.booleans())
def test_no_markup_survives(parts, keeps_lines):
    """Of tags nothing is left, not even of their attributes; brackets only where text had them."""
    found = to_text("".join(parts), keeps_lines=keeps_lines)
    written = html.unescape("".join(p for p in parts if not p.startswith("<")))
    assert found.count("<") <= written.count("<")
    assert "evil" not in found
    assert "onload" not in found.replace(written, "")
