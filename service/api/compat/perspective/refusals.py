"""Every refusal of this door, in the shape of Google's errors.

Each carries `error.details[0]`: a client on PyPI fails without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Response
from msgspec import Struct

from service.api import problems
from service.api.compat.door import JSON, exact
from service.api.requests import Req
from service.errors import WinnowError

SERVICE: Final = "commentanalyzer.googleapis.com"
_TYPE = "type.googleapis.com/"
_NO_KEY: Final = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use "
    "API Key or other form of API consumer identity to call this API."
)
_BAD_KEY: Final = "API key not valid. Please pass a valid API key."

Detail = dict[str, Any]


class Refused(Exception):
    """A request that this door refuses."""

    def __init__(self, message: str, *details: Detail, code: int = 400, status: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.code = code
        self.status = status or "INVALID_ARGUMENT"


class Violation(NamedTuple):
    """What is wrong with one field of a body."""

    field: str
    description: str


def refused(kind: str, message: str, **more: Any) -> Refused:
    """A refusal by the comment analyzer itself: one of its error types."""
    name = f"{_TYPE}google.commentanalyzer.v1alpha1.Error"
    return Refused(message, {"@type": name, "errorType": kind, **more})


def wrong_language(attribute: str, languages: Sequence[str], *, requested: bool) -> Refused:
    """An attribute was asked for in a language that it does not know."""
    named = "requestedLanguages" if requested else "detectedLanguages"
    return refused(
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        f"Attribute {attribute} does not support request languages: {', '.join(languages)}",
        languageNotSupportedByAttributeError={named: list(languages), "attribute": attribute},
    )


def unreadable(violations: Sequence[Violation], message: str = "") -> Refused:
    """A body or parameter that does not fit the message types; names everything wrong."""
    shown = [{k: v for k, v in each._asdict().items() if v} for each in violations]
    detail = {"@type": f"{_TYPE}google.rpc.BadRequest", "fieldViolations": shown}
    return Refused(message or "\n".join(each.description for each in violations), detail)


def no_key() -> Refused:
    """The request carries no key at all."""
    detail = _info("CREDENTIALS_MISSING")
    return Refused(_NO_KEY, detail, code=403, status="PERMISSION_DENIED")


def bad_key() -> Refused:
    """The key is unknown, revoked or expired."""
    return Refused(_BAD_KEY, _info("API_KEY_INVALID"))


class _Kind(Struct, frozen=True):
    """How one of our own failures is told."""

    status: str
    reason: str
    message: str = ""
    """Empty: what the failure itself says."""


_KINDS: Final[dict[int, _Kind]] = {
    403: _Kind("PERMISSION_DENIED", "API_KEY_SERVICE_BLOCKED"),
    404: _Kind("NOT_FOUND", "METHOD_NOT_FOUND", "Method not found."),
    405: _Kind("UNIMPLEMENTED", "METHOD_NOT_FOUND"),
    413: _Kind("INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE", "Request payload size exceeds the limit."),
    429: _Kind("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
    500: _Kind("INTERNAL", "INTERNAL"),
    503: _Kind("UNAVAILABLE", "SERVICE_UNAVAILABLE"),
}
_OTHER: Final = _Kind("INVALID_ARGUMENT", "BAD_REQUEST")


def answer(request: Req, error: Exception) -> Response[bytes]:
    """The response to a failed request of this door."""
    headers: dict[str, str] = {}
    if not isinstance(error, Refused):
        failure = problems.public(error)
        headers = {k: v for k, v in failure.headers.items() if k != "WWW-Authenticate"}
        error = _told(failure)
    content = msgspec.json.encode(
        {
            "error": {
                "code": error.code,
                "message": error.message,
                "status": error.status,
                "details": error.details,
            }
        }
    )
    pretty = msgspec.json.format(content) + b"\n"
    return exact(pretty, status=error.code, media=JSON, headers=headers)


def _told(failure: WinnowError) -> Refused:
    if failure.status == 401:
        return bad_key()
    kind = _KINDS.get(failure.status, _OTHER)
    details = [_info(kind.reason)]
    if "Retry-After" in failure.headers:
        delay = f"{failure.headers['Retry-After']}s"
        details.append({"@type": f"{_TYPE}google.rpc.RetryInfo", "retryDelay": delay})
    message = kind.message or failure.detail
    return Refused(message, *details, code=failure.status, status=kind.status)


def _info(reason: str) -> Detail:
    return {
        "@type": f"{_TYPE}google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": SERVICE},
    }
