"""Signals from the form around the text: traps, speed, the author's name and address."""

import re

from classifier.signals.records import Check, Finding, Scan

_FASTEST_MS = 3000  # people need longer to read the form and write anything
_TYPING_MS = 25  # per character: faster than 40 characters a second is pasted or sent by program
_TRADE_NAME = re.compile(
    r"\b(?:casino|poker|slots?|betting|viagra|cialis|pills?|pharmacy|loans?|mortgage|insurance|seo"
    r"|escorts?|essays?|crypto|bitcoin|forex|cheap|discount|buy|best|top \d+|online|services?"
    r"|company|agency|movers|packers|plumb\w+|repair|dating|porn|weight loss|marketing|outlet)\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"://|www\.|\.(?:com|net|org|info|ru|biz|shop)\b", re.IGNORECASE)
_LONG_NAME_WORDS = 5
_PROGRAM = re.compile(
    r"curl|wget|python|java/|libwww|go-http|scrapy|httpclient|headless", re.IGNORECASE
)


def _honeypot(scan: Scan) -> Finding | None:
    return (1.0, "the hidden field was filled in", ()) if scan.given.honeypot.strip() else None


def _elapsed(scan: Scan) -> Finding | None:
    elapsed = scan.given.elapsed_ms
    if elapsed is None:
        return None
    if elapsed < _FASTEST_MS:
        strength = 1.0 - 0.5 * max(elapsed, 0) / _FASTEST_MS
        return strength, f"sent {max(elapsed, 0) / 1000:.1f} s after the form was shown", ()
    if elapsed < _TYPING_MS * len(scan.given.text):
        return 0.3, "longer than can be typed in the time", ()
    return None


def _author_url(scan: Scan) -> Finding | None:
    return (0.3, "the author left a website address", ()) if scan.given.url.strip() else None


def _author_keyword(scan: Scan) -> Finding | None:
    name = scan.given.name.strip()
    if _ADDRESS.search(name):
        return 0.9, "the author's name is an address", ()
    if _TRADE_NAME.search(name):
        return 0.8, "the author's name is an advertisement", ()
    if len(name.split()) > _LONG_NAME_WORDS:
        return 0.4, "the author's name is a sentence", ()
    return None


def _user_agent(scan: Scan) -> Finding | None:
    agent = scan.given.user_agent
    if agent is None:
        return None
    if not agent.strip():
        return 0.4, "no browser named", ()
    return (0.4, "sent by a program, not a browser", ()) if _PROGRAM.search(agent) else None


CHECKS: tuple[Check, ...] = (
    Check("honeypot", "The hidden field, which people do not see, was filled in.", _honeypot),
    Check("elapsed", "The comment was sent faster than a person could have written it.", _elapsed),
    Check("author.url", "The author left a website address.", _author_url),
    Check(
        "author.keyword",
        "The author's name is an advertisement, address or sentence.",
        _author_keyword,
    ),
    Check("user_agent", "The sender names no browser, or is a program.", _user_agent),
)
