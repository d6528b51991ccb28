"""Signals from links: how many, and of what kind."""

import re

from classifier.links import Link
from classifier.signals.records import Check, Finding, Scan
from classifier.signals.signs import Sign

_MANY_LINKS = 5  # links from which on the count alone is as strong as it gets
_SHORTENERS = frozenset(
    [
        *("bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "buff.ly", "cutt.ly"),
        *("rebrand.ly", "rb.gy", "shorturl.at", "t.ly", "tiny.cc", "s.id", "v.gd", "bl.ink"),
        *("lnkd.in", "clck.ru", "u.to", "vk.cc", "qr.ae", "soo.gd", "shorte.st", "adf.ly"),
    ]
)
_RAW_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\]|0x[0-9a-f]+|\d{8,10}")
_TRADES = re.compile(
    r"casino|slots?(?:online|gacor)|poker|betting|judi|togel|viagra|(?<![a-z])cialis|pharma|pills?\b|levitra"
    r"|crypto|bitcoin|forex|binaryoption|airdrop|payday|loans?\b|replica|outlet|cheap|(?<![a-z])escorts?\b|porn"
    r"|xxx|dating|essay|seo\b|backlink|weightloss|keto|cbd",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<a\s[^>]{0,200}href|\[url\s?=|\[link\s?=", re.IGNORECASE)


def _found(links: list[Link], strength: float, detail: str) -> Finding | None:
    if not links:
        return None
    return strength, detail, tuple((link.start, link.end) for link in links)


def _count(scan: Scan) -> Finding | None:
    number = len(scan.links)
    detail = f"{number} link" + ("s" if number > 1 else "")
    return _found(list(scan.links), min(1.0, number / _MANY_LINKS), detail)


def _shortener(scan: Scan) -> Finding | None:
    links = [link for link in scan.links if link.host.removeprefix("www.") in _SHORTENERS]
    return _found(links, 0.7, "a link that hides its target behind a shortener")


def _raw_ip(scan: Scan) -> Finding | None:
    links = [link for link in scan.links if _RAW_IP.fullmatch(link.host) and not _local(link.host)]
    return _found(links, 0.8, "a link to a bare IP address")


def _local(host: str) -> bool:
    """Addresses that people paste when they talk about their own machine (RFC 1918, 1122)."""
    return host.startswith(("127.", "10.", "192.168."))


def _punycode(scan: Scan) -> Finding | None:
    links = [link for link in scan.links if "xn--" in link.host or not link.host.isascii()]
    return _found(links, 0.5, "a link whose host has letters outside of ASCII")


def _trade(scan: Scan) -> Finding | None:
    links = [link for link in scan.links if _TRADES.search(link.url)]
    return _found(links, 0.8, "a link that names a trade spammers advertise")


def _markup(scan: Scan) -> Finding | None:
    if Sign.MARKUP not in scan.signs:
        return None
    places = tuple(match.span() for match in _MARKUP.finditer(scan.given.text))
    return (0.6, "link markup that comment forms do not offer", places) if places else None


CHECKS: tuple[Check, ...] = (
    Check("links.count", "How many links the text holds; five or more is full strength.", _count),
    Check("links.shortener", "A link goes through a shortener that hides its target.", _shortener),
    Check("links.raw_ip", "A link points at a bare, public IP address.", _raw_ip),
    Check("links.punycode", "A link's host is written in or encodes non-ASCII letters.", _punycode),
    Check("links.trade", "A link names gambling, pills, loans or another spam trade.", _trade),
    Check("links.markup", "The text holds HTML or BBCode link markup.", _markup),
)
