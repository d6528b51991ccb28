"""One line of an import: what it says, by the rules of the API, and the id its comment gets.

Only the e-mail address may be missing, as it does in comments that came from other systems.

The id follows from the line alone, so importing a line twice makes one comment and a reply finds
its parent whichever comes first:

- an id of Winnow keeps its time and its random part and gets the number of the new site;
- any other id (a number, a UUID) is hashed, and sorts before all ids of Winnow's own;
- a line without an id is named by its content.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from service.errors import Invalid, Malformed
from service.ids import new_id
from service.pipeline import fields, validate
from service.records import Action, Draft, FieldError, Limits, Status

LINE_MAX: Final = 1 << 20
"""Bytes; far more than the largest comment needs."""


class Incoming(Struct, frozen=True, kw_only=True):
    """A line that passed validation."""

    draft: Draft
    """Without a parent: that is in `parent`, as the line names it."""
    id: str = ""
    parent: str = ""
    status: Status | None = None
    decision: Action | None = None
    decided_by: str = ""
    decided_at: int | None = None
    edited_at: int | None = None
    reason: str = ""
    note: str = ""
    appeal: str = ""
    model: str = ""
    """What scored it where it comes from; empty = nothing."""
    checks: dict[str, str] = {}
    """Which checks did not look at it there, and why."""


_Name = Annotated[str, Meta(max_length=200)]
_Word = Annotated[str, Meta(max_length=30)]
_Id = _Name | int
_Time = str | int

_BESIDE: Final[dict[str, Any]] = {
    "id": _Id | None,
    "parent": _Id | None,
    "status": Literal["pending", "approved", "rejected", "spam"] | None,
    "decision": Literal["", "approve", "reject", "spam"] | None,
    "decided_by": _Name | None,
    "decided_at": _Time | None,
    "edited_at": _Time | None,
    "reason": _Name | None,
    "note": Annotated[str, Meta(max_length=2_000)] | None,
    "appeal": Annotated[str, Meta(max_length=2_000)] | None,
    "model": _Name | None,
    "checks": Annotated[dict[_Word, _Word], Meta(max_length=16)] | None,
}
"""What a line may hold beside the fields of a submission, and its type."""
_IGNORED: Final = frozenset({"site", "version"})
"""The target is named by who imports; versions begin anew in each store."""
_TIMES: Final = ("created_at", "decided_at", "edited_at")


def read_line(text: bytes, now: int) -> Incoming:
    """What one line says; `now` is ms since the epoch.

    Raises:
        Malformed: it is no JSON object.
        Invalid: it breaks rules; with all the errors one can see.
    """
    data = _object(text)
    beside = {name: data.pop(name) for name in _BESIDE if name in data}
    errors = [error for name in beside for error in _type_errors(name, beside[name])]
    if isinstance(at := data.get("created_at"), int) and not isinstance(at, bool):
        data["created_at"] = _iso(at)
    data["email"] = data.get("email") or ""  # other systems' comments may have none
    draft: Draft | None = None
    try:
        submission = validate.decode_mapping(data)
        draft = validate.check(
            submission,
            body_max=Limits().body_max,
            publishable=False,
            now=now,
            needs_email=False,
        )
    except Invalid as invalid:
        errors += invalid.errors
    times, wrong = _times(beside, now)
    if errors or wrong or draft is None:
        raise Invalid((*errors, *wrong))
    return Incoming(
        draft=draft,
        id=_name(beside.get("id")),
        parent=_name(beside.get("parent")),
        status=beside.get("status"),
        decision=beside.get("decision") or None,
        decided_by=beside.get("decided_by") or "",
        reason=beside.get("reason") or "",
        note=beside.get("note") or "",
        appeal=beside.get("appeal") or "",
        model=beside.get("model") or "",
        checks=beside.get("checks") or {},
        **times,
    )


def _object(text: bytes) -> dict[str, Any]:
    if len(text) > LINE_MAX:
        raise Malformed(f"The line is longer than {LINE_MAX} bytes")
    try:
        data = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The line is not JSON in UTF-8: {error}") from None
    if not isinstance(data, dict):
        raise Malformed("A line is a JSON object")
    return {name: value for name, value in data.items() if name not in _IGNORED}


def _type_errors(name: str, value: object) -> list[FieldError]:
    try:
        msgspec.convert(value, _BESIDE[name])
    except msgspec.ValidationError as error:
        code = "wrong_type" if str(error).startswith("Expected `") else "out_of_range"
        if "length" in str(error):
            code = "too_long"
        return [FieldError(f"/{name}", code, str(error))]
    return []


def _name(value: str | int | None) -> str:
    return "" if value is None else str(value)


def _times(beside: Mapping[str, Any], now: int) -> tuple[dict[str, int | None], list[FieldError]]:
    found: dict[str, int | None] = {}
    wrong = []
    for name in _TIMES[1:]:
        value = beside.get(name)
        try:
            text = _iso(value) if isinstance(value, int) else value
            found[name] = fields.instant(text, now) if isinstance(text, str) else None
        except fields.Wrong as error:
            wrong.append(FieldError(f"/{name}", error.code, error.detail))
    return found, wrong


def _iso(ms: int) -> str:
    """RFC 3339, so that both spellings of a time meet the same rules."""
    try:
        moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    except (ValueError, OverflowError, OSError):
        return "out of range"
    return moment.isoformat()


# --------------------------------------------------------------------------------- ids

_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)
_TO_CROCKFORD: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)


def id_of(incoming: Incoming, site_number: int) -> str:
    """The id a line's comment has on a site."""
    if incoming.id:
        return imported_id(incoming.id, site_number)
    draft = incoming.draft
    said = (draft.page, draft.email, draft.name, draft.body, draft.created_at, incoming.parent)
    return _hashed(b"content" + msgspec.json.encode(said), site_number)


def imported_id(named: str, site_number: int) -> str:
    """The id on a site of the comment that some system calls `named`."""
    if _ULID.fullmatch(upper := named.upper()):
        return upper[:10] + new_id(0, site_number)[10:14] + upper[14:]
    return _hashed(b"id" + named.encode(), site_number)


def _hashed(said: bytes, site_number: int) -> str:
    digest = hashlib.sha256(b"winnow import " + said).digest()
    # 40 bits in the place of the time: before 2004, so never among the ids made here.
    time = int.from_bytes(digest[:5])
    rest = base64.b32encode(digest[5:15]).decode().translate(_TO_CROCKFORD)
    return new_id(time, site_number)[:14] + rest[:12]
