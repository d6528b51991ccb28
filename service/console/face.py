"""What all pages of the console share: templates, answers as pages or JSON, failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from litestar import Response, Router
from litestar.handlers import HTTPRouteHandler

from service.console.door import NotSignedIn
from service.errors import Conflict, WinnowError
from service.html import Face, Req, failure

FACE: Final = Face("service.console", "/console")
LINK: Final = "winnow moderator link NAME"
"""The command that prints a fresh sign-in link."""


def wants_json(request: Req) -> bool:
    """Whether a script of ours asks, which shows the answer itself."""
    return request.headers.get("accept", "").startswith("application/json")


def told(status_code: int = 200, **members: Any) -> Response[Any]:
    """An answer to a script of ours."""
    return Response(
        members,
        status_code=status_code,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def routed(*handlers: HTTPRouteHandler) -> Sequence[Router]:
    """Routes whose failures are told as pages, or as JSON to a script of ours."""
    failures: dict[int | type[Exception], Any] = {NotSignedIn: _not_signed_in, Exception: _failed}
    return (Router("/", route_handlers=[*handlers], exception_handlers=failures),)


def _not_signed_in(request: Req, error: Exception) -> Response[Any]:
    if wants_json(request):
        return told(401, outcome="failed", text="You are signed out. Reload the page.")
    return FACE.page("signed_out.html", {"command": LINK, "left": False}, status=401)


def _failed(request: Req, error: Exception) -> Response[Any]:
    refusal: WinnowError = failure(error)
    detail = "There is nothing to undo." if _nothing_to_undo(refusal) else refusal.detail
    if wants_json(request):
        return told(refusal.status, outcome="failed", text=detail)
    return FACE.notice(refusal.title, detail, status=refusal.status, home="/console")


def _nothing_to_undo(error: WinnowError) -> bool:
    return isinstance(error, Conflict) and error.members.get("code") == "nothing_to_undo"
