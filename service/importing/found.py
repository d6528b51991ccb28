"""What readers give: a comment of another system in Winnow's words, or why it is left out."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from service.records import Action, Status

Skipped = Literal["pingback", "trackback", "deleted", "empty", "other type"]
"""Why a record is no comment to import."""


class Found(Struct, kw_only=True):
    """A comment as a reader found it; `mend` checks it."""

    id: str
    """As `named` makes it; empty where it has none, and is known by its content."""
    page: str
    body: str
    """Plain text."""
    page_title: str = ""
    name: str = ""
    email: str = ""
    url: str = ""
    ip: str = ""
    user_agent: str = ""
    created_at: str = ""
    """RFC 3339."""
    edited_at: str = ""
    parent: str = ""
    """As `id`; empty = none."""
    status: Status = "pending"
    decision: Action | None = None
    """What a human there had concluded."""
    decided_by: str = ""
    """The system's name."""
    metadata: dict[str, Any] = {}


def named(system: str, number: object) -> str:
    """The id of a comment of another system, such as `wordpress:17`; nothing where it has none."""
    return f"{system}:{number}" if number not in (None, "") else ""
