"""Checks: which looked at a comment, and why one did not. Pure.

A verdict stores only what did not run as it should (`Verdict.checks`), so that an ordinary comment
pays nothing; `told` gives every check's outcome.
"""

from __future__ import annotations

from typing import Final

from service.records import Facts, Reason, Verdict

CHECKS: Final[dict[str, str]] = {
    "model": "The scores of the model's first stage",
    "second_stage": "The sentence encoder's scores",
    "signals": "Links, shouting, disguises and whatever else stands out",
    "author": "The address: bans, throw-away services, how earlier comments were judged",
    "network": "Bans of addresses and networks it came from",
}
"""Every check, and what it looks at; in the order they are told."""

OUTCOMES: Final[dict[str, str]] = {
    "ran": "It looked",
    "off": "It is not switched on",
    "unavailable": "There was none to ask: missing, or refused as damaged",
    "failed": "It broke on this comment",
    "timeout": "It took too long on this comment",
    "full": "Too many comments were in line for it",
    "late": "The comment had waited long enough",
    "unreadable": "It does not know the comment's language",
    "no_address": "The comment came without an e-mail address",
    "no_ip": "It is not known where the comment came from",
    "skipped": "Nobody asked for it: the comment was imported",
}
"""Every outcome of a check, and what it means."""

HELD: Final[dict[str, tuple[str, str]]] = {
    "unavailable": ("check.unavailable", "No model could score this comment"),
    "failed": ("check.unavailable", "No model could score this comment"),
    "timeout": ("check.timeout", "The checks took too long on this comment"),
}
"""Outcomes of the model or the signals that hold a comment for a human: reason and detail."""
RESCORED: Final = ("check.unavailable", "check.timeout", "check.second_stage")
"""Reasons that go away once the check can look: such comments are decided again."""
SECOND_STAGE: Final = ("unavailable", "failed")
"""Outcomes of the second stage that hold; under load the first stage stands alone on purpose."""


def missed(facts: Facts, *, unseen: bool) -> dict[str, str]:
    """What did not run, for a verdict to store; `unseen`: there are no usable scores."""
    found = dict(facts.scored.checks)
    if unseen:
        found.setdefault("model", "unavailable")
    if not facts.draft.email:
        found["author"] = "no_address"
    if not facts.draft.ip:
        found["network"] = "no_ip"
    return found


def holding(missed: dict[str, str]) -> Reason | None:
    """Why a comment must wait for a human, by what did not run; None where nothing asks for it."""
    for check in ("model", "signals"):
        if (why := missed.get(check, "")) in HELD:
            return Reason(*HELD[why])
    if missed.get("second_stage") in SECOND_STAGE:
        return Reason("check.second_stage", "The second stage could not look at this comment")
    return None


def told(verdict: Verdict) -> dict[str, str]:
    """Every check's outcome."""
    stored = verdict.checks
    if stored.get("signals") == "skipped":
        return dict.fromkeys(CHECKS, "skipped") | stored
    both = "+" in verdict.model
    every = dict.fromkeys(CHECKS, "ran") | {"second_stage": "ran" if both else "off"}
    return every | stored
