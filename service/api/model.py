"""The model in use: what is said about it, what was before it, and going back."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from msgspec import UNSET, Struct, UnsetType

from service.api import answers
from service.api.document import Operation
from service.api.requests import Req, caller, services
from service.api.sites import whole_installation
from service.errors import NotFound
from service.services import Services

SHIPPED: Final = "shipped"
"""What the model that came with this release is called among those before the one in use."""


class ModelChangeOut(Struct, kw_only=True):
    """One change of the model in use."""

    at: str
    by: str
    action: str
    before: str
    after: str


class ModelOut(Struct, kw_only=True):
    """The model in use."""

    version: str
    """Stands on every verdict it makes."""
    labels: list[str]
    card: str
    metrics: dict[str, Any]
    champion: str
    challenger: str | None
    pinned: bool
    """Whether the settings name the model, so that it cannot be changed here."""
    earlier: list[str]
    """What was in use before, the newest first: where a rollback goes."""
    history: list[ModelChangeOut] | UnsetType = UNSET
    """Who changed the model, the newest last; for admins of the installation."""


@get(
    "/v1/model",
    opt={
        "operation": Operation(
            summary="The model in use: card and metrics",
            scope="read",
            answers={200: ModelOut},
            problems=(401, 403, 404, 409, 503),
            tag="Ops",
            description="The ETag is the model's version.",
        )
    },
)
async def model(request: Req) -> Response[bytes]:
    """The model in use."""
    credential = await caller(request, "read")
    rules_all = "admin" in credential.scopes and credential.sites is None
    return _told(services(request), history=rules_all)


@post(
    "/v1/model/rollback",
    status_code=200,
    opt={
        "operation": Operation(
            summary="Go back to the model before this one",
            scope="admin",
            answers={200: ModelOut},
            problems=(401, 403, 404, 409, 412, 503),
            tag="Ops",
            headers=("If-Match",),
            description="Every process takes it over within seconds; comments say which version "
            "scored them. Send If-Match, and an order that is repeated goes back once.",
        )
    },
)
async def rollback(request: Req) -> Response[bytes]:
    """Go back to the model before this one."""
    parts = services(request)
    credential = await caller(request, "admin")
    whole_installation(credential)
    given = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    leaving = None if given in ("", "*") else given
    await parts.models.rollback(by=credential.actor, now=parts.now(), leaving=leaving)
    return _told(parts, history=True)


def _told(parts: Services, *, history: bool) -> Response[bytes]:
    scorer = parts.scorer
    if scorer.model is None:
        raise NotFound("No model is loaded.")
    standing = parts.models.standing()
    out = ModelOut(
        version=scorer.version,
        labels=list(scorer.labels),
        card=scorer.card.text if scorer.card else "",
        metrics=scorer.card.metrics if scorer.card else {},
        champion=scorer.version,
        challenger=None,
        pinned=parts.models.pinned,
        earlier=[name or SHIPPED for name in standing.earlier],
    )
    if history:
        out.history = [
            ModelChangeOut(
                at=answers.iso(change.at),
                by=change.by,
                action=change.action,
                before=change.before or SHIPPED,
                after=change.after or SHIPPED,
            )
            for change in parts.models.shelf.history()
        ]
    return answers.answer(out, headers={"ETag": f'"{scorer.version}"'})


ROUTES = (model, rollback)
