"""Whether a policy document makes sense beyond its types; what it means is in `decide`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from service.pipeline.reasons import LABELS
from service.pipeline.words import PolicyError, compile_patterns, key, wildcard_errors
from service.records import AllowEntry, FieldError, Policy, SignalRule, Threshold, WordEntry

__all__ = ["POLICY_CODES", "PolicyError", "check_policy"]

POLICY_CODES: Final[dict[str, str]] = {
    "unknown_label": "There is no such label",
    "invalid_signal": "This is not the name of a signal or of a group of signals",
    "out_of_order": "A stricter outcome needs a threshold at least as high",
    "empty": "Nothing is left to look for",
    "duplicate": "This entry is in the list already",
    "invalid_pattern": "This is not an RE2 pattern",
    "too_costly": "The patterns are too large together",
    "matches_everything": "This pattern matches every text",
}
"""Every code `check_policy` may report, and its sentence."""

_SIGNAL: Final = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


def check_policy(policy: Policy) -> None:
    """Refuse a policy that is well typed but makes no sense.

    Raises:
        PolicyError: with one error per wrong place.
    """
    errors = [
        *_threshold_errors(policy),
        *_signal_errors(policy),
        *_entry_errors("block", policy.block),
        *_entry_errors("allow", policy.allow),
        *_duplicates("/patterns/{}/pattern", [entry.pattern for entry in policy.patterns]),
        *compile_patterns(policy.patterns)[1],
        *wildcard_errors(policy),
    ]
    if errors:
        raise PolicyError(tuple(errors))


def _policy_error(pointer: str, code: str) -> FieldError:
    return FieldError(pointer, code, POLICY_CODES[code])


def _threshold_errors(policy: Policy) -> Iterator[FieldError]:
    for label, rule in policy.thresholds.items():
        pointer = "/thresholds/" + label.replace("~", "~0").replace("/", "~1")
        if label not in LABELS:
            yield _policy_error(pointer, "unknown_label")
        yield from _order_errors(pointer, rule)


def _signal_errors(policy: Policy) -> Iterator[FieldError]:
    for code, rule in policy.signals.items():
        pointer = "/signals/" + code.replace("~", "~0").replace("/", "~1")
        if not _SIGNAL.fullmatch(code):
            yield _policy_error(pointer, "invalid_signal")
        yield from _order_errors(pointer, rule)


def _order_errors(pointer: str, rule: Threshold | SignalRule) -> Iterator[FieldError]:
    """A milder outcome must not begin above a stricter one: it could never be reached."""
    steps = [(n, v) for n in ("hold", "spam", "reject") if (v := getattr(rule, n)) is not None]
    for (_, milder), (name, stricter) in pairwise(steps):
        if stricter < milder:
            yield _policy_error(f"{pointer}/{name}", "out_of_order")


def _entry_errors(name: str, entries: Sequence[WordEntry | AllowEntry]) -> Iterator[FieldError]:
    for index, entry in enumerate(entries):
        stars = "*" if entry.match == "wildcard" else ""
        if not key(entry).strip(stars):
            yield _policy_error(f"/{name}/{index}/text", "empty")
    keys = [(key(entry), entry.match) for entry in entries]
    yield from _duplicates(f"/{name}/{{}}/text", keys)


def _duplicates(pointer: str, keys: Sequence[object]) -> Iterator[FieldError]:
    first: dict[object, int] = {}
    for index, found in enumerate(keys):
        if first.setdefault(found, index) != index:
            yield _policy_error(pointer.format(index), "duplicate")
