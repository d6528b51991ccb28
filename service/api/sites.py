"""Sites, their keys and policies: for site owners and ops."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from litestar import Response, delete, get, patch, post, put
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from service import auth
from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, caller, if_match, is_known, read_json, services
from service.errors import Forbidden, NotFound
from service.pipeline.policy import check_policy
from service.records import Credential, Days, Policy, Retention, Site, SiteId

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
    retention: Retention = Retention()


class RetentionPatch(Struct, forbid_unknown_fields=True):
    """What to change of how long things are kept; null = for ever."""

    refused_days: Days | UnsetType | None = UNSET
    approved_days: Days | UnsetType | None = UNSET
    private_days: Days | UnsetType | None = UNSET
    audit_days: Days | UnsetType | None = UNSET


class SitePatch(Struct, forbid_unknown_fields=True):
    """What to change of a site."""

    name: Name | UnsetType = UNSET
    origins: Annotated[list[Origin], Meta(max_length=100)] | UnsetType = UNSET
    akismet_queue: bool | UnsetType = UNSET
    retention: RetentionPatch | UnsetType = UNSET


class SiteOut(Struct, kw_only=True):
    """A site."""

    id: str
    name: str
    origins: list[str]
    created_at: str
    akismet_queue: bool
    """Whether comments that Akismet's clients ask about enter the queues, too."""
    retention: Retention
    """For how many days texts, addresses of computers and audit entries are kept; null = for
    ever."""


class SitesOut(Struct):
    """The sites the caller sees."""

    items: list[SiteOut]
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
        retention=asked.retention,
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
    """Change a site's name, origins, or retention, or whether Akismet's clients fill its queues."""
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
    if asked.retention is not UNSET:
        given = {n: v for n, v in structs.asdict(asked.retention).items() if v is not UNSET}
        changed.retention = structs.replace(changed.retention, **given)
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
        retention=site.retention,
    )


ROUTES = (
    make_site,
    list_sites,
    read_site,
    change_site,
    delete_site,
    read_policy,
    save_policy,
)
