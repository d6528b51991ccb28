"""Moderators: the people who review, made and listed by admins."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post
from msgspec import UNSET, Meta, Struct, UnsetType

from service.api import answers
from service.api.requests import Req, caller, read_json, services
from service.api.sites import WRITE_PROBLEMS, owners_operation, whole_installation
from service.errors import invalid
from service.ids import random_id
from service.pipeline import fields
from service.records import ApiKey, Credential, Moderator, Role


class ModeratorIn(Struct, forbid_unknown_fields=True):
    """A new moderator."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    email: Annotated[str, Meta(min_length=3, max_length=254)]
    role: Role
    sites: Annotated[list[str], Meta(max_length=1000)] = []


class ModeratorOut(Struct, kw_only=True):
    """A moderator; `token` and `sign_in` only in the answer that makes them."""

    id: str
    name: str
    email: str
    role: str
    sites: list[str]
    token: str | UnsetType = UNSET
    sign_in: str | UnsetType = UNSET


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
    await _check_moderator(request, credential, asked)
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
    sign_in = await parts.store.api_keys.new_sign_in(moderator.id)
    out = moderator_out(moderator)
    out.token = token
    out.sign_in = f"{parts.settings.public_url}/console/sign-in?token={sign_in}"
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


async def _check_moderator(request: Req, credential: Credential, asked: ModeratorIn) -> None:
    if not asked.sites and asked.role != "admin":
        raise invalid("/sites", "required", "a moderator or viewer needs at least one site")
    if not asked.sites:
        whole_installation(credential)
    known = await services(request).gate.sites(credential)
    for i, site in enumerate(asked.sites):
        if site not in known:
            raise invalid(f"/sites/{i}", "unknown_site", "there is no such site")


@get("/v1/moderators", opt=owners_operation("List moderators", answers={200: ModeratorsOut}))
async def list_moderators(request: Req) -> Response[bytes]:
    """All moderators of the installation."""
    whole_installation(await caller(request, "admin"))
    moderators = await services(request).store.api_keys.moderators()
    return answers.answer(ModeratorsOut([moderator_out(m) for m in moderators]))


def moderator_out(moderator: Moderator) -> ModeratorOut:
    """A moderator as an admin sees them."""
    return ModeratorOut(
        id=moderator.id,
        name=moderator.name,
        email=moderator.email,
        role=moderator.role,
        sites=list(moderator.sites),
    )


ROUTES = (make_moderator, list_moderators)
