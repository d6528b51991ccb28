"""Erasures: a person asks a site to be forgotten."""

from __future__ import annotations

import re
from typing import Annotated, Final

from litestar import Response, get, post
from msgspec import Meta, Struct

from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, read_json, services
from service.api.sites import own_site
from service.errors import NotFound, invalid
from service.store.erasures import Erasure

AT_ONCE: Final = 2
"""Slices of comments erased while the caller waits; the worker erases the rest."""
AUTHOR_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}")
"""An author's id, as queues show it."""
_PREFIX: Final = "er_"


class ErasureIn(Struct, forbid_unknown_fields=True):
    """Who is to be erased: by address, or by the author's id where there is no address."""

    email: Annotated[str, Meta(extra_json_schema={"maxLength": 254, "format": "email"})] = ""
    author: Annotated[str, Meta(extra_json_schema={"pattern": f"^({AUTHOR_ID.pattern})?$"})] = ""


class ErasureOut(Struct, kw_only=True):
    """How an erasure stands; it does not say of whom."""

    id: str
    site: str
    status: str
    """`running`, then `done`."""
    comments: int
    """How many were erased so far, over all the times it was asked for."""
    asked_at: str
    finished_at: str | None
    by: str


@post(
    "/v1/sites/{site:str}/erasures",
    status_code=200,
    opt={
        "operation": Operation(
            summary="Erase a person: their comments and all that is known of them",
            scope="erase",
            body=ErasureIn,
            answers={200: ErasureOut, 202: ErasureOut},
            problems=(400, 401, 403, 404, 413, 415, 422, 503),
            tag="Site owners",
            description="At once nothing sealed for this person can be opened any more. `200`: "
            "everything is erased; `202`: the rest follows within seconds, whatever happens to "
            "this service meanwhile. Asked again, the same erasure is answered, and covers what "
            "came since. Threads keep their shape; each comment becomes `erased`, with an event. "
            "Bans stay: they hold a keyed hash. The answer does not tell whether the person was "
            "known here, except by the count of comments.",
        )
    },
)
async def erase(request: Req, site: str) -> Response[bytes]:
    """Erase a person."""
    credential = await own_site(request, site, "erase")
    parts = services(request)
    author = _author(request, site, await read_json(request, ErasureIn))
    begun = await parts.eraser.begin(site, author, by=credential.actor, now=parts.now())
    erasure = await parts.eraser.go_on(site, author, slices=AT_ONCE) or begun
    path = f"/v1/sites/{site}/erasures/{_PREFIX}{author}"
    status = 200 if erasure.status == "done" else 202
    return answers.answer(_out(site, erasure), status=status, headers={"Location": path})


@get(
    "/v1/sites/{site:str}/erasures/{erasure_id:str}",
    opt={
        "operation": Operation(
            summary="How an erasure stands",
            scope="erase",
            answers={200: ErasureOut},
            problems=(401, 403, 404, 503),
            tag="Site owners",
        )
    },
)
async def erasure(request: Req, site: str, erasure_id: str) -> Response[bytes]:
    """How an erasure stands; it is known for 400 days."""
    await own_site(request, site, "erase")
    author = erasure_id.removeprefix(_PREFIX)
    named = erasure_id.startswith(_PREFIX) and AUTHOR_ID.fullmatch(author)
    found = await services(request).store.erasures.read(site, author) if named else None
    if found is None:
        raise NotFound("This site has no such erasure.")
    return answers.answer(_out(site, found))


def _author(request: Req, site: str, asked: ErasureIn) -> str:
    """The author meant.

    Raises:
        Invalid: none, two, or no valid one.
    """
    if bool(asked.email) == bool(asked.author):
        raise invalid("/email", "required", "say 'email', or 'author' for one without an address")
    if asked.email:
        return services(request).eraser.author_of(site, asked.email)
    if not AUTHOR_ID.fullmatch(asked.author):
        raise invalid("/author", "invalid_author", "the 22 characters that queues show")
    return asked.author


def _out(site: str, found: Erasure) -> ErasureOut:
    return ErasureOut(
        id=_PREFIX + found.author,
        site=site,
        status=found.status,
        comments=found.comments,
        asked_at=answers.iso(found.asked_at),
        finished_at=answers.iso_or_none(found.finished_at),
        by=found.by,
    )


ROUTES = (erase, erasure)
