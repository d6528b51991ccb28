"""What plain rules notice about a submission, next to what the model thinks.

``SIGNALS`` lists every signal; ``run_signals`` runs all of them, with no early exit, because
a moderator wants every reason. What a signal leads to is the policy's to decide.
"""

from classifier.links import find_links
from classifier.signals import contact, form, style, web
from classifier.signals.records import Check, Scan, Signal, SignalInput

__all__ = ["SIGNALS", "Signal", "SignalInput", "run_signals"]

_CHECKS: tuple[Check, ...] = (*web.CHECKS, *contact.CHECKS, *style.CHECKS, *form.CHECKS)

SIGNALS: tuple[tuple[str, str], ...] = tuple((check.code, check.sentence) for check in _CHECKS)


def run_signals(given: SignalInput) -> list[Signal]:
    """Everything noticed about a submission, in the order of ``SIGNALS``."""
    scan = Scan(given, find_links(given.text))
    signals = []
    for check in _CHECKS:
        found = check.look(scan)
        if found:
            strength, detail, spans = found
            signals.append(Signal(check.code, round(strength, 3), detail, spans))
    return signals
