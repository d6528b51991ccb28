"""Signals from contact data: ways to be reached that a comment rarely needs."""

import re

from classifier.signals.records import Check, Finding, Scan
from classifier.signals.signs import Sign

_PHONE = re.compile(
    r"(?<![\w./:#-])(?:\+|00)\d{1,3}[ .()-]{0,2}(?:\d[ .()-]{0,2}){6,12}\d(?![\w-])"
    r"|(?<![\w./:#-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_MESSENGER = re.compile(
    r"\b(?:whats?\s?app|telegram|wechat|weixin|viber|kik|skype|icq|line id)\b\W{0,6}"
    r"(?:(?:me|us|no|number|at|on|id|is|via)\W{1,3}){0,3}(?:\+?\d[\d ()-]{5,}|@\w{3,})"
    r"|\b(?:t\.me|wa\.me|telegram\.me|api\.whatsapp\.com)/\S+",
    re.IGNORECASE,
)


def _look(pattern: re.Pattern[str], text: str, strength: float, detail: str) -> Finding | None:
    places = tuple(match.span() for match in pattern.finditer(text))
    return (strength, detail, places) if places else None


def _phone(scan: Scan) -> Finding | None:
    if Sign.DIGITS not in scan.signs:  # none is written without two in a row
        return None
    return _look(_PHONE, scan.given.text, 0.6, "a telephone number")


def _email(scan: Scan) -> Finding | None:
    if "@" not in scan.given.text:
        return None
    return _look(_EMAIL, scan.given.text, 0.5, "an e-mail address in the text")


def _messenger(scan: Scan) -> Finding | None:
    if Sign.MESSENGER not in scan.signs:
        return None
    return _look(_MESSENGER, scan.given.text, 0.8, "a messenger account to write to")


CHECKS: tuple[Check, ...] = (
    Check("contact.phone", "The text holds a telephone number.", _phone),
    Check("contact.email", "The text holds an e-mail address.", _email),
    Check("contact.messenger", "The text asks to be written to on a messenger.", _messenger),
)
