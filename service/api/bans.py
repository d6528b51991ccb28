"""Bans: authors, addresses, domains and networks a site does not want to hear from."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Response, delete, get, put
from msgspec import Meta, Struct

from service import auth
from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, caller, read_body, read_json, services
from service.errors import NotFound, invalid
from service.pipeline import fields
from service.pipeline.banning import Kind, canonical, guess, stored_id
from service.pipeline.shown import masked
from service.records import Ban


class BanIn(Struct, forbid_unknown_fields=True):
    """Who; without `kind` and `value` the id in the path says it."""

    kind: Kind | None = None
    value: Annotated[str, Meta(min_length=1, max_length=254)] | None = None
    outcome: Literal["hold", "spam", "reject"] = "reject"
    shadow: bool = False
    reason: Annotated[str, Meta(max_length=200)] = ""
    expires_at: Annotated[str, Meta(max_length=40)] | None = None


class BanOut(Struct, kw_only=True):
    """A ban; an address is shown masked."""

    id: str
    kind: str
    value: str
    outcome: str
    shadow: bool
    reason: str
    created_at: str
    created_by: str
    expires_at: str | None


class BansOut(Struct):
    """A site's bans."""

    items: list[BanOut]
    next: str | None = None


@get(
    "/v1/sites/{site:str}/bans",
    opt={
        "operation": Operation(
            summary="List a site's bans",
            scope="queues",
            answers={200: BansOut},
            problems=(401, 403, 404, 503),
            tag="Moderators",
        )
    },
)
async def bans(request: Req, site: str) -> Response[bytes]:
    """A site's bans, newest first."""
    parts = services(request)
    auth.reach(await caller(request, "queues"), site)
    rules = await parts.rules.refresh(site)
    newest = sorted(rules.bans, key=lambda ban: -ban.created_at)
    return answers.answer(BansOut([ban_out(ban) for ban in newest]))


@put(
    "/v1/sites/{site:str}/bans/{ban_id:path}",
    opt={
        "operation": Operation(
            summary="Ban an author, address, domain, IP or CIDR",
            scope="decide",
            body=BanIn,
            answers={200: BanOut},
            problems=(400, 401, 403, 404, 409, 415, 422, 503),
            tag="Moderators",
            description="The id may say it all (`spam.example`, `203.0.113.0/24`, an author's id, "
            "an address, or `kind:value`); or it is any name and the body says `kind` and `value`.",
        )
    },
)
async def ban(request: Req, site: str, ban_id: str) -> Response[bytes]:
    """Ban somebody."""
    parts = services(request)
    credential = await caller(request, "decide")
    auth.reach(credential, site)
    asked = await read_json(request, BanIn) if await read_body(request) else BanIn()
    kind, value = named(ban_id.lstrip("/"), asked)
    now = parts.now()
    made = Ban(
        id=stored_id(parts.secrets, site, ban_id.lstrip("/")),
        kind=kind,
        value=canonical(kind, value, site, parts.secrets),
        label=masked(value) if kind == "address" else value,
        outcome=asked.outcome,
        shadow=asked.shadow,
        reason=asked.reason,
        created_at=now,
        created_by=credential.actor,
        expires_at=_instant(asked.expires_at),
    )
    await parts.store.sites.ban(site, made)
    return answers.answer(ban_out(made))


@delete(
    "/v1/sites/{site:str}/bans/{ban_id:path}",
    status_code=204,
    opt={
        "operation": Operation(
            summary="Lift a ban",
            scope="decide",
            answers={204: None},
            problems=(401, 403, 404, 503),
            tag="Moderators",
        )
    },
)
async def unban(request: Req, site: str, ban_id: str) -> None:
    """Lift a ban."""
    parts = services(request)
    auth.reach(await caller(request, "decide"), site)
    await parts.rules.get(site)
    if not await parts.store.sites.unban(site, stored_id(parts.secrets, site, ban_id.lstrip("/"))):
        raise NotFound("There is no such ban.")


def named(ban_id: str, asked: BanIn) -> tuple[Kind, str]:
    """Kind and value of a ban: from the body, else read from the id.

    Raises:
        Invalid: only one of `kind` and `value` is given, or the id is none of the kinds.
    """
    if (asked.kind is None) != (asked.value is None):
        missing = "value" if asked.value is None else "kind"
        raise invalid(f"/{missing}", "required", "'kind' and 'value' belong together")
    if asked.kind is not None and asked.value is not None:
        return asked.kind, asked.value
    kind, _, value = ban_id.partition(":")
    match kind:
        case "author" | "address" | "domain" | "ip" | "cidr" if value:
            return kind, value
        case "email" if value:
            return "address", value
    return guess(ban_id), ban_id


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return fields.instant(text, None)
    except fields.Wrong as wrong:
        raise invalid("/expires_at", wrong.code, wrong.detail) from None


def ban_out(ban: Ban) -> BanOut:
    """A ban as moderators see it."""
    return BanOut(
        id=ban.id,
        kind=ban.kind,
        value=ban.label or ban.value,
        outcome=ban.outcome,
        shadow=ban.shadow,
        reason=ban.reason,
        created_at=answers.iso(ban.created_at),
        created_by=ban.created_by,
        expires_at=answers.iso_or_none(ban.expires_at),
    )


ROUTES = (bans, ban, unban)
