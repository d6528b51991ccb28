"""Moderators: the people who review; made, listed, changed and removed by admins."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, get, patch, post
from msgspec import UNSET, Meta, Struct, UnsetType

from service import auth
from service.api import answers
from service.api.requests import Req, caller, read_json, services
from service.api.sites import WRITE_PROBLEMS, owners_operation, whole_installation
from service.errors import Conflict, NotFound, invalid
from service.ids import random_id
from service.pipeline import fields
from service.records import ApiKey, Credential, Moderator, Role


class ModeratorIn(Struct, forbid_unknown_fields=True):
    """A new moderator."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    email: Annotated[str, Meta(min_length=3, max_length=254)]
    role: Role
    sites: Annotated[list[str], Meta(max_length=1000)] = []


class ModeratorPatch(Struct, forbid_unknown_fields=True):
    """What to change of a moderator."""

    role: Role | UnsetType = UNSET
    sites: Annotated[list[str], Meta(max_length=1000)] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class ModeratorOut(Struct, kw_only=True):
    """A moderator; `token` and `sign_in` only in the answer that makes them."""

    id: str
    name: str
    email: str
    role: str
    sites: list[str]
    disabled: bool
    """Whether they are shut out: no sign-in, no session, no token."""
    token: str | UnsetType = UNSET
    sign_in: str | UnsetType = UNSET


class SignInOut(Struct):
    """A one-time console link."""

    sign_in: str


class ModeratorsOut(Struct):
    """The moderators."""

    items: list[ModeratorOut]
    next: str | None = None


@post(
    "/v1/moderators",
    opt=owners_operation(
        "Make a moderator", body=ModeratorIn, answers={201: ModeratorOut}, problems=WRITE_PROBLEMS
    ),
)
async def make_moderator(request: Req) -> Response[bytes]:
    """Make a moderator: a token for the API and a one-time console link."""
    parts = services(request)
    credential = await caller(request, "admin")
    asked = await read_json(request, ModeratorIn)
    await _check_moderator(request, credential, asked.role, asked.sites)
    moderator = Moderator(
        id=random_id(9),
        name=asked.name,
        email=fields_email(asked.email),
        role=asked.role,
        sites=tuple(asked.sites),
        created_at=parts.now(),
    )
    await parts.store.api_keys.add_moderator(moderator)
    token = await parts.store.api_keys.add(
        ApiKey(id=random_id(9), kind="personal", moderator=moderator.id, created_at=parts.now())
    )
    out = moderator_out(moderator)
    out.token = token
    out.sign_in = await _sign_in_link(request, moderator)
    return answers.answer(out, status=201)


def fields_email(text: str) -> str:
    """A valid address.

    Raises:
        Invalid.
    """
    try:
        return fields.email(text)
    except fields.Wrong as wrong:
        raise invalid("/email", wrong.code, wrong.detail) from None


async def _check_moderator(
    request: Req, credential: Credential, role: Role, sites: list[str]
) -> None:
    auth.check_role(credential, role, sites, await services(request).gate.sites(credential))


async def _sign_in_link(request: Req, moderator: Moderator) -> str:
    parts = services(request)
    token = await parts.store.api_keys.new_sign_in(moderator.id)
    return f"{parts.settings.public_url}/console/sign-in?token={token}"


@get("/v1/moderators", opt=owners_operation("List moderators", answers={200: ModeratorsOut}))
async def list_moderators(request: Req) -> Response[bytes]:
    """All moderators of the installation."""
    whole_installation(await caller(request, "admin"))
    moderators = await services(request).store.api_keys.moderators()
    return answers.answer(ModeratorsOut([moderator_out(m) for m in moderators]))


async def one_moderator(request: Req, moderator_id: str, credential: Credential) -> Moderator:
    """A moderator this admin rules: of the admin's own sites only.

    Raises:
        NotFound: nobody, or somebody who reviews elsewhere too: the two read the same.
    """
    found = await services(request).store.api_keys.moderator(moderator_id)
    if found is None or not auth.rules_over(credential, found):
        raise NotFound("There is no such moderator.")
    return found


@get(
    "/v1/moderators/{moderator_id:str}",
    opt=owners_operation("Read a moderator", answers={200: ModeratorOut}),
)
async def read_moderator(request: Req, moderator_id: str) -> Response[bytes]:
    """One moderator."""
    credential = await caller(request, "admin")
    return answers.answer(moderator_out(await one_moderator(request, moderator_id, credential)))


@patch(
    "/v1/moderators/{moderator_id:str}",
    opt=owners_operation(
        "Change a moderator's role or sites, or shut them out",
        body=ModeratorPatch,
        answers={200: ModeratorOut},
        problems=WRITE_PROBLEMS,
        description="A moderator who is disabled is signed out everywhere at once, and their "
        "token ends within a second; their decisions stay.",
    ),
)
async def change_moderator(request: Req, moderator_id: str) -> Response[bytes]:
    """Change a moderator."""
    credential = await caller(request, "admin")
    before = await one_moderator(request, moderator_id, credential)
    asked = await read_json(request, ModeratorPatch)
    after = msgspec.structs.replace(
        before,
        role=before.role if asked.role is UNSET else asked.role,
        sites=before.sites if asked.sites is UNSET else tuple(asked.sites),
        disabled=before.disabled if asked.disabled is UNSET else asked.disabled,
    )
    if (after.role, after.sites) != (before.role, before.sites):
        await _check_moderator(request, credential, after.role, list(after.sites))
    await services(request).accounts.change(before, after)
    return answers.answer(moderator_out(after))


@delete(
    "/v1/moderators/{moderator_id:str}",
    status_code=204,
    opt=owners_operation(
        "Remove a moderator with their token and sessions",
        answers={204: None},
        problems=(401, 403, 404, 409, 503),
    ),
)
async def remove_moderator(request: Req, moderator_id: str) -> None:
    """Remove a moderator; what they decided stays."""
    credential = await caller(request, "admin")
    found = await one_moderator(request, moderator_id, credential)
    await services(request).accounts.remove(found)


@post(
    "/v1/moderators/{moderator_id:str}/sign-in",
    status_code=201,
    opt=owners_operation(
        "Make a new one-time console link",
        answers={201: SignInOut},
        problems=(401, 403, 404, 409, 503),
        description="It works once, for 24 hours, and lets its moderator set a new password.",
    ),
)
async def make_sign_in(request: Req, moderator_id: str) -> Response[bytes]:
    """A new one-time link, for a first sign-in or a forgotten password."""
    credential = await caller(request, "admin")
    found = await one_moderator(request, moderator_id, credential)
    if found.disabled:
        raise Conflict("This moderator is disabled.")
    return answers.answer(SignInOut(await _sign_in_link(request, found)), status=201)


def moderator_out(moderator: Moderator) -> ModeratorOut:
    """A moderator as an admin sees them."""
    return ModeratorOut(
        id=moderator.id,
        name=moderator.name,
        email=moderator.email,
        role=moderator.role,
        sites=list(moderator.sites),
        disabled=moderator.disabled,
    )


ROUTES = (
    make_moderator,
    list_moderators,
    read_moderator,
    change_moderator,
    remove_moderator,
    make_sign_in,
)
