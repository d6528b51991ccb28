"""Signals from how the text is written: shouting, repetition, disguise, praise, language."""

import re
import string
from collections import Counter

from classifier.language import UNKNOWN, detect
from classifier.signals.patterns import PRAISE
from classifier.signals.records import Check, Finding, Scan
from classifier.signals.signs import Sign
from classifier.text import Span

_SHORTEST = 12  # letters below which capitals say nothing (acronyms)
_SHOUT = 0.6  # share of capitals from which a text shouts
_CAPITALS = string.ascii_uppercase.encode()
_SMALL = string.ascii_lowercase.encode()
_RUN = re.compile(r"(\S)\1{7,}")
_FEWEST_WORDS = 8  # words below which repetition says nothing
_REPEATED = 0.3  # share of the text that one word may make up
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]+")
# Asked at the start of a word only: at each letter of a long one, time would grow with its square.
_MIXED_WORD = re.compile(
    r"(?<!\w)(?=\w*[A-Za-z])(?=\w*[\u0370-\u052f\u0530-\u058f\u13a0-\u13ff])\w+"
)
_STYLED = re.compile(r"[\U0001d400-\U0001d7ff\uff21-\uff3a\uff41-\uff5a\u24b6-\u24e9]{3,}")
_PRAISE = re.compile(rf"\b(?:{PRAISE})")
_LONGEST_PRAISE = 600  # code points; longer texts are about something
_LETTERS_TOLD = 40  # letters below which a language is a guess
_STOCK_SHARE = 0.35  # share of a short text that stock praise must make up


def _shouting(scan: Scan) -> Finding | None:
    upper, letters = _letters(scan.given.text)
    if letters < _SHORTEST or upper < _SHOUT * letters:
        return None
    share = min(1.0, upper / letters)
    return share, f"{share:.0%} of the letters are capitals", ()


def _letters(text: str) -> tuple[int, int]:
    """How many capitals and how many letters a text has."""
    if not text.isascii():
        return sum(map(str.isupper, text)), sum(map(str.isalpha, text))
    written = text.encode("ascii")
    rest = written.translate(None, _CAPITALS)
    return len(written) - len(rest), len(written) - len(rest.translate(None, _SMALL))


def _repetition(scan: Scan) -> Finding | None:
    text = scan.given.text
    runs: tuple[Span, ...] = ()
    if Sign.RUN in scan.signs:
        runs = tuple(match.span() for match in _RUN.finditer(text))
    words = [word for word in scan.words if len(word) > 2]
    # A word that often leaves room for few others; counting takes longer than to see that.
    if len(words) >= _FEWEST_WORDS and len(set(words)) <= (1 - _REPEATED) * len(words) + 1:
        word, times = Counter(words).most_common(1)[0]
        if times > _REPEATED * len(words):
            return min(1.0, 2 * times / len(words)), f"“{word}” {times} times", runs
    return (0.4, "one character many times in a row", runs) if runs else None


def _obfuscation(scan: Scan) -> Finding | None:
    text = scan.given.text
    if text.isascii():
        return _spelled(scan)
    patterns = (_HIDDEN, _MIXED_WORD, _STYLED)
    places = sorted(match.span() for pattern in patterns for match in pattern.finditer(text))
    if not places:
        return None
    hidden = sum(end - start for start, end in places)
    strength = min(1.0, 0.3 + 3 * hidden / len(text))
    return (
        strength,
        "letters that only look like others, or characters that do not show",
        (*places,),
    )


def _spelled(scan: Scan) -> Finding | None:
    """Words broken up or spelt with digits: the normal form loses characters."""
    before, after = len(scan.given.text), len(scan.folded)
    lost = (before - after) / max(before, 1)
    return (min(1.0, 2 * lost), "letters spelt out or repeated", ()) if lost > 0.1 else None


def _praise(scan: Scan) -> Finding | None:
    text = scan.given.text
    if len(text) > _LONGEST_PRAISE or Sign.PRAISE not in scan.signs:
        return None
    lowered = scan.lowered
    text = lowered if len(lowered) == len(text) else text  # a few letters grow in lower case
    places = tuple(match.span() for match in _PRAISE.finditer(text))
    covered = sum(end - start for start, end in places)
    baited = bool(scan.links or scan.given.url)
    if not places or covered < _STOCK_SHARE * len(text.strip()) / (2 if baited else 1):
        return None
    return (0.8 if baited else 0.3), "praise that would fit any page", places


def _language(scan: Scan) -> Finding | None:
    expected, text = scan.given.language.split("-")[0].lower(), scan.given.text
    if not expected or sum(map(str.isalpha, text)) < _LETTERS_TOLD:
        return None
    found = detect(text)
    if found in (expected, UNKNOWN):
        return None
    return 0.3, f"written in another language ({found}) than the page ({expected})", ()


CHECKS: tuple[Check, ...] = (
    Check("shouting", "Most letters are capitals.", _shouting),
    Check("repetition", "One word or character makes up much of the text.", _repetition),
    Check(
        "obfuscation", "Words are disguised: lookalikes, hidden or spelt-out letters.", _obfuscation
    ),
    Check("praise.template", "Stock praise that would fit any page, more so with a link.", _praise),
    Check("language.other", "The text is in another language than the page.", _language),
)
