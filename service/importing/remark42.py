"""Remark42: its backup, a line about the site and then a line for each comment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from service.importing.found import Found, Skipped, named
from service.importing.objects import inside, objects, text
from service.importing.opened import Opened
from service.importing.plain import to_text

SYSTEM: Final = "remark42"


def read(file: Opened) -> Iterator[dict[str, Any]]:
    """The comments of a backup; the first line is about the site.

    Raises:
        Malformed: at the first line that is no JSON object.
    """
    return (row for row in objects(file) if "locator" in row)


def shape(row: dict[str, Any]) -> Found | Skipped:
    """A comment in Winnow's words."""
    if row.get("delete"):
        return "deleted"
    user, place, edit = (inside(row.get(name)) for name in ("user", "locator", "edit"))
    beside = {"remark42_user": text(user.get("id"))[:200], "score": row.get("score")}
    return Found(
        id=named(SYSTEM, row.get("id")),
        parent=named(SYSTEM, text(row.get("pid"))),
        page=text(place.get("url")),
        page_title=text(row.get("title")),
        name=text(user.get("name")),
        ip=_address(text(user.get("ip"))),
        created_at=text(row.get("time")),
        edited_at=text(edit.get("time")),
        body=text(row.get("orig")) or to_text(text(row.get("text"))),
        status="approved",
        decision="approve",
        decided_by=SYSTEM,
        metadata={name: value for name, value in beside.items() if value},
    )


def _address(ip: str) -> str:
    """Remark42 keeps a hash instead of an address: that is none."""
    return ip if "." in ip or ":" in ip else ""
