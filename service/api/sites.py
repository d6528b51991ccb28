"""Sites, their keys and policies: for site owners and ops."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

from litestar import Response, delete, get, patch, post, put
from msgspec import UNSET, Meta, Struct, UnsetType

from service import auth
from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, caller, if_match, is_known, read_json, services
from service.errors import Forbidden, NotFound, invalid
from service.ids import random_id
from service.pipeline import fields
from service.pipeline.policy import check_policy
from service.records import ApiKey, Credential, Policy, Site, SiteId

POLICY_MAX: Final = 1024 * 1024
"""Bytes of a policy: two lists of 5,000 words of 50 characters or so, each with its settings."""

Origin = Annotated[str, Meta(pattern=r"^https?://[a-z0-9._\[\]:-]{1,255}$")]
Name = Annotated[str, Meta(max_length=80)]


class SiteIn(Struct, forbid_unknown_fields=True):
    """A new site."""

    id: SiteId
    name: Name = ""
    origins: Annotated[list[Origin], Meta(max_length=100)] = []
    akismet_queue: bool = False


class SitePatch(Struct, forbid_unknown_fields=True):
    """What to change of a site."""

    name: Name | UnsetType = UNSET
    origins: Annotated[list[Origin], Meta(max_length=100)] | UnsetType = UNSET
    akismet_queue: bool | UnsetType = UNSET


class SiteOut(Struct, kw_only=True):
    """A site."""

    id: str
    name: str
    origins: list[str]
    created_at: str
    akismet_queue: bool
    """Whether comments that Akismet's clients ask about enter the queues, too."""


class SitesOut(Struct):
    """The sites the caller sees."""

    items: list[SiteOut]
    next: str | None = None


class KeyIn(Struct, forbid_unknown_fields=True):
    """A new key."""

    kind: Literal["publishable", "secret", "compat"]
    label: Name = ""
    expires_at: Annotated[str, Meta(max_length=40)] | None = None
    scopes: list[str] | None = None


class KeyOut(Struct, kw_only=True):
    """A key; `key` only in the answer that makes it."""

    id: str
    kind: str
    label: str
    created_at: str
    expires_at: str | None
    hint: str
    key: str | UnsetType = UNSET


class KeysOut(Struct):
    """A site's live keys."""

    items: list[KeyOut]
    next: str | None = None


def owners_operation(summary: str, **more: Any) -> dict[str, Any]:
    """The declaration of a route for site owners."""
    problems = more.pop("problems", (401, 403, 404, 503))
    return {
        "operation": Operation(
            summary=summary,
            scope=more.pop("scope", "admin"),
            problems=problems,
            tag="Site owners",
            **more,
        )
    }


WRITE_PROBLEMS: Final = (400, 401, 403, 404, 409, 415, 422, 503)


@post(
    "/v1/sites",
    opt=owners_operation(
        "Make a site", body=SiteIn, answers={201: SiteOut}, problems=WRITE_PROBLEMS
    ),
)
async def make_site(request: Req) -> Response[bytes]:
    """Make a site."""
    parts = services(request)
    whole_installation(await caller(request, "admin"))
    asked = await read_json(request, SiteIn)
    site = Site(
        id=asked.id,
        number=0,
        name=asked.name or asked.id,
        origins=tuple(asked.origins),
        created_at=parts.now(),
        akismet_queue=asked.akismet_queue,
    )
    await parts.store.sites.create(site, Policy())
    return answers.answer(site_out(site), status=201, headers={"Location": f"/v1/sites/{site.id}"})


@get("/v1/sites", opt=owners_operation("List sites", scope="threads", answers={200: SitesOut}))
async def list_sites(request: Req) -> Response[bytes]:
    """The sites the caller's key reaches."""
    parts = services(request)
    credential = await caller(request, "threads")
    if credential.kind == "publishable":
        raise Forbidden("A publishable key may not list sites.")
    named = await parts.gate.sites(credential)
    found = await asyncio.gather(*map(parts.store.sites.configuration, named))
    # A moderator may still be named for a site that is gone.
    return answers.answer(SitesOut([site_out(made.site) for made in found if made is not None]))


async def own_site(request: Req, site: str, scope: auth.Scope = "admin") -> Credential:
    """The caller, if they may do this to that site, and it exists.

    Raises:
        Unauthenticated, Forbidden, NotFound.
    """
    credential = await caller(request, scope)
    auth.reach(credential, site)
    # Not through the rules: a site whose rules cannot be compiled is still its owner's to repair.
    if not await services(request).store.sites.exists(site):
        raise NotFound(f"No site {site!r}.")
    return credential


def whole_installation(credential: Credential) -> None:
    """Checks that the caller rules every site.

    Raises:
        Forbidden: they do not.
    """
    if credential.sites is not None:
        raise Forbidden("This needs an admin key of the installation.")


@get(
    "/v1/sites/{site:str}",
    opt=owners_operation("Read a site", scope="read", answers={200: SiteOut}),
)
async def read_site(request: Req, site: str) -> Response[bytes]:
    """One site."""
    await own_site(request, site, "read")
    found, _ = await services(request).store.sites.read(site)
    return answers.answer(site_out(found))


@patch(
    "/v1/sites/{site:str}",
    opt=owners_operation(
        "Change a site", body=SitePatch, answers={200: SiteOut}, problems=WRITE_PROBLEMS
    ),
)
async def change_site(request: Req, site: str) -> Response[bytes]:
    """Change a site's name, its origins, or whether Akismet's clients fill its queues."""
    await own_site(request, site)
    parts = services(request)
    asked = await read_json(request, SitePatch)
    changed, _ = await parts.store.sites.read(site)
    if asked.name is not UNSET:
        changed.name = asked.name or site
    if asked.origins is not UNSET:
        changed.origins = tuple(asked.origins)
    if asked.akismet_queue is not UNSET:
        changed.akismet_queue = asked.akismet_queue
    await parts.store.sites.change(changed)
    parts.rules.forget(site)
    return answers.answer(site_out(changed))


@delete(
    "/v1/sites/{site:str}",
    status_code=204,
    opt=owners_operation("Delete a site with all its comments and keys", answers={204: None}),
)
async def delete_site(request: Req, site: str) -> None:
    """Delete a site with all its comments and keys; also what an interrupted deletion left."""
    auth.reach(await caller(request, "admin"), site)
    parts = services(request)
    await parts.store.sites.delete(site)
    parts.rules.forget(site)


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
    records = await services(request).store.api_keys.of_site(site)
    return answers.answer(KeysOut([key_out(record) for record in records]))


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


@get(
    "/v1/sites/{site:str}/policy",
    opt=owners_operation("Read a site's policy", scope="read", answers={200: Policy, 304: None}),
)
async def read_policy(request: Req, site: str) -> Response[bytes]:
    """A site's policy; its ETag is its version."""
    await own_site(request, site, "read")
    _, policy = await services(request).store.sites.read(site)
    tag = f'"{policy.version}"'
    if is_known(request, tag):
        return Response(b"", status_code=304, headers={"ETag": tag})
    return answers.answer(policy, headers={"ETag": tag})


@put(
    "/v1/sites/{site:str}/policy",
    request_max_body_size=POLICY_MAX,
    opt=owners_operation(
        "Save a site's policy as its next version",
        body=Policy,
        answers={200: Policy},
        problems=(400, 401, 403, 404, 412, 413, 415, 422, 503),
        headers=("If-Match",),
    ),
)
async def save_policy(request: Req, site: str) -> Response[bytes]:
    """Save a policy; without `If-Match` over whatever is current."""
    await own_site(request, site)
    parts = services(request)
    policy = await read_json(request, Policy)
    check_policy(policy)
    saved = await parts.store.sites.save_policy(site, policy, expected=if_match(request))
    await parts.rules.refresh(site)
    return answers.answer(saved, headers={"ETag": f'"{saved.version}"'})


def site_out(site: Site) -> SiteOut:
    """A site as its owner sees it."""
    return SiteOut(
        id=site.id,
        name=site.name,
        origins=list(site.origins),
        created_at=answers.iso(site.created_at),
        akismet_queue=site.akismet_queue,
    )


def key_out(record: ApiKey) -> KeyOut:
    """A key as its owner sees it."""
    return KeyOut(
        id=record.id,
        kind=record.kind,
        label=record.label,
        created_at=answers.iso(record.created_at),
        expires_at=answers.iso_or_none(record.expires_at),
        hint=record.hint,
    )


ROUTES = (
    make_site,
    list_sites,
    read_site,
    change_site,
    delete_site,
    make_key,
    list_keys,
    revoke_key,
    read_policy,
    save_policy,
)
