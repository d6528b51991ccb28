"""What a request must keep to beyond its types: Google's own rules, in the order it tells them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from service.api.compat.perspective.attributes import exists
from service.api.compat.perspective.messages import TEXT_TYPES
from service.api.compat.perspective.refusals import refused

TEXT_MAX: Final = 20_480
"""Bytes of a comment."""
CONTEXT_MAX: Final = 1_048_576
"""Bytes of one text of the context."""

_UNSET: Final = ("TEXT_TYPE_UNSPECIFIED", "SCORE_TYPE_UNSPECIFIED")
_INVALID: Final = "INVALID_REQUEST"


def comment_text(body: dict[str, Any]) -> str:
    """The comment of a request whose comment and context keep the rules.

    Raises:
        Refused.
    """
    comment = body.get("comment", {})
    text = str(comment.get("text", ""))
    if not text:
        raise refused("COMMENT_EMPTY", "Comment must be non-empty.")
    _check_type(comment)
    if len(text.encode()) > TEXT_MAX:
        raise refused("COMMENT_TOO_LONG", "Comment text too long.")
    _check_context(body.get("context", {}))
    return text


def _check_type(entry: dict[str, Any]) -> None:
    kind = entry.get("type", "PLAIN_TEXT")
    if kind not in TEXT_TYPES:
        raise refused(_INVALID, "Unknown text type")
    if kind not in ("PLAIN_TEXT", *_UNSET):
        raise refused(_INVALID, "Currently, only 'PLAIN_TEXT' comments are supported")


def _check_context(context: dict[str, Any]) -> None:
    entries, pair = context.get("entries", []), context.get("articleAndParentComment")
    if entries and pair is not None:
        raise refused(
            _INVALID,
            "Context can have either entries or article_and_parent_comment, but both fields were "
            "populated.",
        )
    for entry in [*entries, *(pair or {}).values()]:
        _check_type(entry)
        if len(entry.get("text", "").encode()) > CONTEXT_MAX:
            raise refused(_INVALID, "Context text too long.")


def requested(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The attributes a request asks for, each with its parameters.

    Raises:
        Refused: there are none, or one cannot be given.
    """
    wanted: dict[str, dict[str, Any]] = body.get("requestedAttributes", {})
    if not wanted:
        raise refused("NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes")
    check_names(wanted)
    for name, parameters in wanted.items():
        check_score_type(name, parameters.get("scoreType", "PROBABILITY"))
    return wanted


def check_names(names: Iterable[str]) -> None:
    """Checks that every attribute is one of ours.

    Raises:
        Refused: it is unknown, or nothing here means the same.
    """
    for name in names:
        if not exists(name):
            raise refused(_INVALID, f"Unknown requested attribute: {name[:100]}")


def check_score_type(name: str, kind: str) -> None:
    """Checks that a score is a probability.

    Raises:
        Refused: it is something else.
    """
    if kind not in ("PROBABILITY", *_UNSET):
        raise refused(
            _INVALID, f"Requested score type {kind} is not supported by attribute {name[:100]}"
        )
