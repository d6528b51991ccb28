"""A site's keys: made and shown once, listed without themselves, rotated, revoked."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from litestar import Response, delete, get, post
from msgspec import UNSET, Meta, Struct, UnsetType

from service import auth
from service.api import answers
from service.api.requests import Req, read_body, read_json, services
from service.api.sites import WRITE_PROBLEMS, Name, own_site, owners_operation
from service.errors import NotFound, invalid
from service.ids import random_id
from service.pipeline import fields
from service.records import ApiKey


class KeyIn(Struct, forbid_unknown_fields=True):
    """A new key."""

    kind: Literal["publishable", "secret", "compat"]
    label: Name = ""
    expires_at: Annotated[str, Meta(max_length=40)] | None = None
    scopes: list[str] | None = None


class RotateIn(Struct, forbid_unknown_fields=True):
    """How a key is rotated."""

    overlap_s: Annotated[int, Meta(ge=0, le=30 * 86_400)] = 86_400
    """How long the old key goes on working beside the new one."""


class KeyOut(Struct, kw_only=True):
    """A key; `key` only in the answer that makes it."""

    id: str
    kind: str
    label: str
    created_at: str
    expires_at: str | None
    hint: str
    last_used_at: str | None = None
    """To the hour; None = never, or not since it was made."""
    key: str | UnsetType = UNSET


class RotatedOut(Struct, kw_only=True):
    """A key's successor, and when the key itself ends."""

    old_id: str
    old_expires_at: str
    new: KeyOut


class KeysOut(Struct):
    """A site's live keys."""

    items: list[KeyOut]
    next: str | None = None


@post(
    "/v1/sites/{site:str}/keys",
    opt=owners_operation("Make a key", body=KeyIn, answers={201: KeyOut}, problems=WRITE_PROBLEMS),
)
async def make_key(request: Req, site: str) -> Response[bytes]:
    """Make a key; it is shown this once."""
    await own_site(request, site)
    parts = services(request)
    asked = await read_json(request, KeyIn)
    record = ApiKey(
        id=random_id(9),
        kind=asked.kind,
        site=site,
        label=asked.label,
        scopes=_scopes(asked),
        created_at=parts.now(),
        expires_at=_expiry(asked.expires_at, parts.now()),
    )
    key = await parts.store.api_keys.add(record)
    out = key_out(record)
    out.key = key
    return answers.answer(out, status=201)


def _scopes(asked: KeyIn) -> tuple[str, ...]:
    """Fewer scopes than the kind's own, if asked for."""
    if asked.scopes is None:
        return ()
    allowed = auth.SCOPES[asked.kind]
    for i, scope in enumerate(asked.scopes):
        if scope not in allowed:
            raise invalid(f"/scopes/{i}", "out_of_range", f"one of {', '.join(sorted(allowed))}")
    return tuple(asked.scopes)


def _expiry(text: str | None, now: int) -> int | None:
    if text is None:
        return None
    try:
        if not text:  # an empty field of a comment is an absent one; a key would never expire
            raise fields.Wrong("invalid_date")
        expiry = fields.instant(text, None)
    except fields.Wrong as wrong:
        raise invalid("/expires_at", wrong.code, wrong.detail) from None
    if expiry is not None and expiry <= now:
        raise invalid("/expires_at", "out_of_range", "this lies in the past")
    return expiry


@get(
    "/v1/sites/{site:str}/keys", opt=owners_operation("List a site's keys", answers={200: KeysOut})
)
async def list_keys(request: Req, site: str) -> Response[bytes]:
    """A site's live keys, without the keys themselves."""
    await own_site(request, site)
    keys = services(request).store.api_keys
    records, used = await asyncio.gather(keys.of_site(site), keys.used(site))
    return answers.answer(KeysOut([key_out(record, used.get(record.id)) for record in records]))


@post(
    "/v1/sites/{site:str}/keys/{key_id:str}/rotate",
    opt=owners_operation(
        "Replace a key by a new one",
        body=RotateIn,
        optional_body=True,
        answers={201: RotatedOut},
        problems=WRITE_PROBLEMS,
        description="The new key has the kind, scopes, label and expiry of the old one, which "
        "goes on working for `overlap_s` (a day, unless you say otherwise; `0` ends it within a "
        "second).",
    ),
)
async def rotate_key(request: Req, site: str, key_id: str) -> Response[bytes]:
    """Replace a key; its successor is shown this once."""
    await own_site(request, site)
    parts = services(request)
    asked = await read_json(request, RotateIn) if await read_body(request) else RotateIn()
    done = await parts.store.api_keys.rotate(
        site,
        key_id,
        new_id=random_id(9),
        now=parts.now(),
        overlap_ms=asked.overlap_s * 1000,
    )
    if done is None:
        raise NotFound("This site has no such key.")
    record, key, ends = done
    out = RotatedOut(old_id=key_id, old_expires_at=answers.iso(ends), new=key_out(record))
    out.new.key = key
    return answers.answer(out, status=201)


@delete(
    "/v1/sites/{site:str}/keys/{key_id:str}",
    status_code=204,
    opt=owners_operation("Revoke a key", answers={204: None}),
)
async def revoke_key(request: Req, site: str, key_id: str) -> None:
    """Revoke a key: within a second nobody can use it."""
    await own_site(request, site)
    if not await services(request).store.api_keys.revoke(site, key_id):
        raise NotFound("This site has no such key.")


def key_out(record: ApiKey, used_at: int | None = None) -> KeyOut:
    """A key as its owner sees it."""
    return KeyOut(
        id=record.id,
        kind=record.kind,
        label=record.label,
        created_at=answers.iso(record.created_at),
        expires_at=answers.iso_or_none(record.expires_at),
        hint=record.hint,
        last_used_at=answers.iso_or_none(used_at),
    )


ROUTES = (make_key, list_keys, rotate_key, revoke_key)
