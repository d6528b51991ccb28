"""Every refusal of the moderation door, in the shape of OpenAI's errors."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response

from service.api import problems
from service.api.compat.door import exact
from service.api.requests import Req
from service.errors import WinnowError

HEADERS: Final = {"openai-version": "2020-10-01"}

_INVALID: Final = "invalid_request_error"
_NO_KEY: Final = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_CODES: Final[dict[int, tuple[str, str | None]]] = {
    403: (_INVALID, "insufficient_permissions"),
    405: (_INVALID, "method_not_supported"),
    413: (_INVALID, "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "service_unavailable"),
}
"""Status → type and code."""


class Refused(Exception):
    """A request that this door refuses; `param` is what is wrong with it."""

    def __init__(
        self, message: str, param: str | None = None, code: str | None = None, *, status: int = 400
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.status = status
        self.type = _INVALID


def key_of(request: Req) -> str:
    """The request's key.

    Raises:
        Refused: there is none.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refused(_NO_KEY, status=401)
    return key.strip()


def answer(request: Req, error: Exception) -> Response[bytes]:
    """The response to a failed request of this door."""
    headers = dict(HEADERS)
    if not isinstance(error, Refused):
        failure = problems.public(error)
        headers |= failure.headers | _retrying(failure)
        error = _told(request, failure)
    content: dict[str, Any] = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    body = msgspec.json.encode({"error": content})
    return exact(body, status=error.status, media="application/json", headers=headers)


def _retrying(failure: WinnowError) -> dict[str, str]:
    """What tells OpenAI's own clients when to come back."""
    after = failure.headers.get("Retry-After")
    if after is None:
        return {}
    return {"x-should-retry": "true", "retry-after-ms": str(int(after) * 1000)}


def _told(request: Req, failure: WinnowError) -> Refused:
    if failure.status == 401:
        shown = _masked(key_of(request))
        why = f"Incorrect API key provided: {shown}. Keys are made with `winnow key add`."
        return Refused(why, code="invalid_api_key", status=401)
    message = failure.detail
    if failure.status == 405:
        path = request.scope["path"]
        message = f"Not allowed to {request.method} on {path}. (HINT: send a POST.)"
    kind, code = _CODES.get(failure.status, (_INVALID, None))
    refused = Refused(message, code=code, status=failure.status)
    refused.type = kind
    return refused


def _masked(key: str) -> str:
    return f"{key[:3]}***{key[-2:]}" if len(key) > 10 else "***"
