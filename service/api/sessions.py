"""Console sessions: which browsers are signed in; ended by their moderator or an admin."""

from __future__ import annotations

from litestar import Response, delete, get
from msgspec import Struct

from service.api import answers
from service.api.document import Operation
from service.api.moderators import one_moderator
from service.api.requests import Req, caller, services
from service.errors import NotFound
from service.records import Moderator
from service.store.sessions import Session

OWN = "A moderator's own, or, for an admin, those of moderators of the admin's sites."


class SessionOut(Struct, kw_only=True):
    """One browser that is signed in to the console."""

    id: str
    began_at: str
    seen_at: str
    """When it was last used, to the minute."""
    agent: str
    by: str
    """What its moderator signed in with: `link` or `password`."""


class SessionsOut(Struct):
    """A moderator's live sessions."""

    items: list[SessionOut]
    next: str | None = None


@get(
    "/v1/moderators/{moderator_id:str}/sessions",
    opt={
        "operation": Operation(
            summary="List a moderator's console sessions",
            scope="read",
            answers={200: SessionsOut},
            problems=(401, 403, 404, 503),
            tag="Moderators",
            description=OWN,
        )
    },
)
async def sessions(request: Req, moderator_id: str) -> Response[bytes]:
    """A moderator's live sessions, newest first."""
    found = await _one(request, moderator_id)
    return answers.answer(SessionsOut([session_out(s) for s in await _live(request, found)]))


@delete(
    "/v1/moderators/{moderator_id:str}/sessions",
    status_code=204,
    opt={
        "operation": Operation(
            summary="End all of a moderator's console sessions",
            scope="read",
            answers={204: None},
            problems=(401, 403, 404, 503),
            tag="Moderators",
            description=OWN,
        )
    },
)
async def end_sessions(request: Req, moderator_id: str) -> None:
    """Sign a moderator out everywhere."""
    await services(request).accounts.end_sessions(await _one(request, moderator_id))


@delete(
    "/v1/moderators/{moderator_id:str}/sessions/{session_id:str}",
    status_code=204,
    opt={
        "operation": Operation(
            summary="End a console session",
            scope="read",
            answers={204: None},
            problems=(401, 403, 404, 503),
            tag="Moderators",
            description=OWN,
        )
    },
)
async def end_session(request: Req, moderator_id: str, session_id: str) -> None:
    """Sign one browser out."""
    found = await _one(request, moderator_id)
    if not await services(request).store.sessions.close_one(found.id, session_id):
        raise NotFound("There is no such session.")


async def _one(request: Req, moderator_id: str) -> Moderator:
    """Oneself, or somebody the caller rules.

    Raises:
        NotFound: somebody else, or nobody.
    """
    credential = await caller(request, "read")
    if credential.kind == "personal" and credential.id == moderator_id:
        found = await services(request).store.api_keys.moderator(moderator_id)
        if found is not None:
            return found
    if "admin" not in credential.scopes:
        raise NotFound("There is no such moderator.")
    return await one_moderator(request, moderator_id, credential)


async def _live(request: Req, moderator: Moderator) -> list[Session]:
    store = services(request).store
    generation = await store.logins.generation(moderator.id)
    return await store.sessions.of(moderator.id, generation)


def session_out(session: Session) -> SessionOut:
    """A session as its moderator sees it."""
    return SessionOut(
        id=session.id,
        began_at=answers.iso(session.since),
        seen_at=answers.iso(session.seen),
        agent=session.agent,
        by=session.by,
    )


ROUTES = (sessions, end_sessions, end_session)
