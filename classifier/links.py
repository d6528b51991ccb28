"""Finding links in a text as written: addresses with a scheme, ``www.`` and bare domains."""

import re
from dataclasses import dataclass

# Bare domains count only with endings that are not also file or library names
# (asp.net, socket.io and main.rs are none).
_BARE_ENDINGS = (
    "com|org|info|biz|ru|cn|shop|top|xyz|online|site|club|store|casino|bet|vip|pro|link|click|live"
)
_LINK = re.compile(
    r"(?:https?|hxxps?|ftp)://[^\s<>\"'\]]+|\bwww\.[^\s<>\"'\]]+"
    rf"|(?<![\w@./-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}(?:{_BARE_ENDINGS})\b(?:/[^\s<>\"'\]]*)?",
    re.IGNORECASE,
)
SIGN = rf"://|www\.|\.(?:{_BARE_ENDINGS})\b"
"""What every link holds, in lower case."""
_SIGN = re.compile(SIGN)
_SCHEME = re.compile(r"^[a-z]+://", re.IGNORECASE)
_TRAILING = ".,;:!?)}'\""


@dataclass(frozen=True, slots=True)
class Link:
    """A link, ``text[start:end]`` as written, and its host in lower case without port."""

    start: int
    end: int
    url: str
    host: str


def find_links(text: str) -> tuple[Link, ...]:
    """The links of a text in order."""
    if "." not in text and "://" not in text:
        return ()
    if not _SIGN.search(text.lower()):
        return ()
    return links_of(text)


def links_of(text: str) -> tuple[Link, ...]:
    """The links of a text that shows a sign of one, in order."""
    return tuple(_link(match) for match in _LINK.finditer(text))


def link_count(text: str) -> int:
    """How many links a text holds."""
    return len(find_links(text))


def without_links(text: str) -> str:
    """The text with a space in the place of each link."""
    return _LINK.sub(" ", text)


def host_of(url: str) -> str:
    """The host of an address with or without scheme, lower case, no port or user."""
    rest = _SCHEME.sub("", url.strip())
    for mark in "/?#":
        rest = rest.split(mark, 1)[0]
    return rest.rsplit("@", 1)[-1].split(":", 1)[0].lower()


def _link(match: re.Match[str]) -> Link:
    url = match[0].rstrip(_TRAILING)
    return Link(match.start(), match.start() + len(url), url, host_of(url))
