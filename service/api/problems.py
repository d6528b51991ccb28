"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from service import errors, log
from service.errors import Invalid, WinnowError

MEDIA_TYPE = "application/problem+json"
_encode = msgspec.json.Encoder().encode

_BY_STATUS: dict[int, type[WinnowError]] = {
    400: errors.Malformed,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    408: errors.TooSlow,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.Malformed,
    503: errors.Unavailable,
}


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What every error answers (RFC 9457), with the request's id."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[dict[str, str]] | None = None


def type_of(error: type[WinnowError] | WinnowError) -> str:
    """The URI of a kind of problem: its entry in the documentation every installation serves."""
    return f"/docs/problems#{error.code}"


def document(error: WinnowError, instance: str, request_id: str) -> dict[str, Any]:
    """The problem document of a failure, as plain data."""
    problem: dict[str, Any] = {
        "type": type_of(error),
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
        **error.members,
    }
    if isinstance(error, Invalid):
        problem["errors"] = [
            {"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in error.errors
        ]
    return problem


def body(error: WinnowError, instance: str, request_id: str) -> bytes:
    """The problem document of a failure, encoded."""
    return _encode(document(error, instance, request_id))


def public(error: Exception) -> WinnowError:
    """What a caller is told about any exception; an unforeseen one is logged, not described."""
    if isinstance(error, WinnowError):
        return error
    if isinstance(error, HTTPException) and error.status_code < 500:
        kind = _BY_STATUS.get(error.status_code, errors.Malformed)
        failure = kind("" if error.status_code in (404, 405) else str(error.detail or ""))
        failure.headers |= error.headers or {}
        return failure
    log.get("api").error("unforeseen", error=type(error).__name__, exc_info=error)
    return WinnowError("This is our fault; the request id helps to find it in the log.")


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The response to a failed request."""
    failure = public(error)
    request_id = str(request.scope.get("request_id", ""))
    return Response(
        body(failure, request.scope["path"], request_id),
        status_code=failure.status,
        media_type=MEDIA_TYPE,
        headers=failure.headers,
    )
