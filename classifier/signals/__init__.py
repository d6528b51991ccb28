"""What plain rules notice about a submission, next to what the model thinks.

``SIGNALS`` lists every signal; ``run_signals`` runs all of them, with no early exit, because
a moderator wants every reason. What a signal leads to is the policy's to decide.
"""

from typing import NamedTuple

from classifier.fingerprint import fingerprint_of, words_of
from classifier.links import links_of
from classifier.signals import contact, form, style, web
from classifier.signals.records import Check, Scan, Signal, SignalInput
from classifier.signals.signs import Sign, signs
from classifier.text import fold

__all__ = ["SIGNALS", "Examined", "Signal", "SignalInput", "examine", "run_signals"]

_CHECKS: tuple[Check, ...] = (*web.CHECKS, *contact.CHECKS, *style.CHECKS, *form.CHECKS)

SIGNALS: tuple[tuple[str, str], ...] = tuple((check.code, check.sentence) for check in _CHECKS)


class Examined(NamedTuple):
    """What rules see in a submission: signals, number of links, normal form and fingerprint."""

    signals: list[Signal]
    links: int
    folded: str
    fingerprint: str


def examine(given: SignalInput) -> Examined:
    """Everything that takes no model, with the normal form and the links looked for once."""
    text, lowered = given.text, given.text.lower()
    found = signs(text, lowered)
    plain = Sign.DISGUISE not in found and text.isascii()
    folded = lowered if plain else fold(text)
    words = words_of(folded)
    links = links_of(text) if Sign.LINK in found else ()
    scan = Scan(given, links, lowered, folded, words, found)
    return Examined(_signals(scan), len(scan.links), folded, fingerprint_of(words, text))


def run_signals(given: SignalInput) -> list[Signal]:
    """Everything noticed about a submission, in the order of ``SIGNALS``."""
    return examine(given).signals


def _signals(scan: Scan) -> list[Signal]:
    signals = []
    for check in _CHECKS:
        found = check.look(scan)
        if found:
            strength, detail, spans = found
            signals.append(Signal(check.code, round(strength, 3), detail, spans))
    return signals
