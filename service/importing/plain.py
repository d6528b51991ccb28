"""From HTML to the plain text that Winnow keeps.

Nothing is rendered and no tag survives; paragraphs, lists and quotes become line breaks, a link its
text and its address, so that links still count. One pass over the text without recursion: the
standard library's `HTMLParser` takes quadratic time on tags that never end, and raises on some.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Final

_OPENING: Final = re.compile(r"<(?:(!--)|([!?])|(/?)([a-zA-Z][a-zA-Z0-9]*))")
_QUOTE_OR_END: Final = re.compile("[\"'>]")
_SPACE: Final = re.compile(r"\s+")
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_TARGET: Final = re.compile(
    r"""(?:^|[\s"'/])(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE
)
_TARGET_WITHIN: Final = 4_096
"""Characters of a tag in which an address is looked for."""
_WEB: Final = re.compile(r"(?:https?:)?//\S+|mailto:\S+", re.IGNORECASE)

_PARAGRAPHS: Final = (
    *("p", "blockquote", "ul", "ol", "dl", "pre", "table", "figure", "hr"),
    *("h1", "h2", "h3", "h4", "h5", "h6"),
)
_LINES: Final = (
    *("br", "li", "tr", "div", "dt", "dd"),
    *("section", "article", "header", "footer", "figcaption"),
)
_BREAKS: Final = dict.fromkeys(_PARAGRAPHS, "\n\n") | dict.fromkeys(_LINES, "\n")
_DROPPED: Final = frozenset(["script", "style"])


def to_text(html: str, *, keeps_lines: bool = False) -> str:
    """The text that a reader of `html` would see.

    Args:
        html: anything; what is no markup counts as text.
        keeps_lines: whether line breaks between tags mean something, as in WordPress.
    """
    if "<" not in html and "&" not in html:
        return html.strip() if keeps_lines else _SPACE.sub(" ", html).strip()
    return _Page(html, keeps_lines=keeps_lines).text()


class _Page:
    """One text on its way."""

    def __init__(self, html: str, *, keeps_lines: bool) -> None:
        self._html = html
        self._keeps_lines = keeps_lines
        self._parts: list[str] = []
        self._preformatted = 0
        self._link: tuple[str, int] | None = None
        """The address of the open link, and how many parts stood before it."""
        self._unended: set[str] = set()
        """What was looked for up to the end in vain: looking again would take quadratic time."""

    def text(self) -> str:
        at, html = 0, self._html
        while found := _OPENING.search(html, at):
            self._data(html[at : found.start()])
            at = self._markup(found)
        self._data(html[at:])
        self._end_link()
        lines = "\n".join(line.rstrip() for line in "".join(self._parts).split("\n"))
        return _BLANK_LINES.sub("\n\n", lines).strip()

    def _markup(self, found: re.Match[str]) -> int:
        """Takes what begins with `<`; returns where to go on."""
        comment, declaration, closing, name = found.groups()
        if comment:
            end = self._find("-->", found.end())
            return found.end() if end < 0 else end + 3
        end = self._find(">", found.end()) if declaration else self._end_of_tag(found.end())
        if end < 0:  # no tag, but text with a stray bracket
            self._parts.append(unescape(self._html[found.start() :]))
            return len(self._html)
        if not declaration:
            self._tag(name.lower(), self._html[found.end() : end], closing=bool(closing))
            if name.lower() in _DROPPED and not closing:
                return self._behind(name.lower(), end + 1)
        return end + 1

    def _end_of_tag(self, at: int) -> int:
        """Where a tag's `>` is, outside quotes; -1 = nowhere."""
        while found := _QUOTE_OR_END.search(self._html, at):
            if found[0] == ">":
                return found.start()
            partner = self._find(found[0], found.end())
            at = found.end() if partner < 0 else partner + 1
        return -1

    def _behind(self, name: str, at: int) -> int:
        """Where to go on behind an element that is dropped; one without an end is only its tag."""
        if name in self._unended:
            return at
        closing = re.compile(f"</{name}", re.IGNORECASE).search(self._html, at)
        if closing is None:
            self._unended.add(name)
            return at
        return closing.start()

    def _find(self, what: str, at: int) -> int:
        if what in self._unended:
            return -1
        end = self._html.find(what, at)
        if end < 0:
            self._unended.add(what)
        return end

    def _data(self, text: str) -> None:
        if "&" in text:
            text = unescape(text)
        last = self._parts[-1][-1:] if self._parts else "\n"
        if self._keeps_lines or self._preformatted:
            # `<br />` and the line break behind it are one.
            text = text.removeprefix("\n") if last == "\n" and self._parts else text
        else:
            text = _SPACE.sub(" ", text)
            text = text.lstrip(" ") if last in "\n " else text
        if text:
            self._parts.append(text)

    def _tag(self, name: str, rest: str, *, closing: bool) -> None:
        if name == "a":
            self._end_link()
            if not closing and (target := _target(rest)):
                self._link = target, len(self._parts)
        elif name == "img" and not closing:
            if target := _target(rest):
                self._parts.append(f" {target} ")
        elif name in _BREAKS:
            if name == "pre":
                self._preformatted = max(0, self._preformatted + (-1 if closing else 1))
            if not (closing and name == "li"):
                self._parts.append(_BREAKS[name] + ("- " if name == "li" else ""))

    def _end_link(self) -> None:
        """Puts an open link's address behind its text, unless the text says it already."""
        if self._link is None:
            return
        (target, start), self._link = self._link, None
        text = "".join(self._parts[start:]).strip()
        if not text or _says(text, target):
            self._parts[start:] = [target]
        else:
            self._parts.append(f" ({target})")


def _target(rest: str) -> str:
    """The web address in a tag's attributes, or nothing."""
    found = _TARGET.search(rest[:_TARGET_WITHIN])
    if not found:
        return ""
    address = unescape(found[1] or found[2] or found[3] or "").strip()
    return address if _WEB.fullmatch(address) else ""


def _says(text: str, target: str) -> bool:
    """Whether a link's text is its address, perhaps without the scheme or shortened by dots."""
    bare = target.lower().partition("//")[2] or target.lower().removeprefix("mailto:")
    said = text.lower().removeprefix("https://").removeprefix("http://")
    cut = said.rstrip("….")
    return said.rstrip("/") == bare.rstrip("/") or (
        len(cut) < len(said) and len(cut) > 3 and bare.startswith(cut)
    )
