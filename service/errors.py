"""Every failure Winnow can tell a caller about, on one page.

WinnowError
├── Malformed                400  malformed             the request cannot be read
├── Unauthenticated          401  unauthenticated       no key, or one we do not know
├── Forbidden                403  forbidden             the key may not do this
│   └── OriginNotAllowed     403  origin_not_allowed    a publishable key used from elsewhere
├── NotFound                 404  not_found             nothing there, or nothing this key may see
├── MethodNotAllowed         405  method_not_allowed    the path exists, the method does not
├── Conflict                 409  conflict              the state does not allow it
│   └── StaleVersion         409  stale_version         somebody decided first; carries the winner
├── TooSlow                  408  too_slow              the body did not arrive in time
├── PreconditionFailed       412  precondition_failed   If-Match names another version
├── TooLarge                 413  too_large             the body is over the limit
├── UnsupportedMediaType     415  unsupported_media_type
├── Misdirected              421  misdirected           the Host header names no host of ours
├── Invalid                  422  invalid               fields break rules; carries each of them
│   └── IdempotencyMismatch  422  idempotency_mismatch  the key was used for another body
├── PreconditionRequired     428  precondition_required the write needs If-Match
├── Throttled                429  throttled             over quota; carries when to come back
└── Unavailable              503  unavailable           cannot be stored now; nothing was

What a class carries becomes members of the problem+json answer (RFC 9457) in `api/problems`.
"""

from __future__ import annotations

import random
from typing import Any, ClassVar

from service.records import FieldError


class WinnowError(Exception):
    """A failure with a stable code, an HTTP status and a sentence for the caller."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.members = members
        """Further members of the problem document."""
        self.headers: dict[str, str] = {}


class Malformed(WinnowError):
    """The request cannot be read at all."""

    code, status, title = "malformed", 400, "The request cannot be read"


class Unauthenticated(WinnowError):
    """No key, or one that is unknown, revoked or expired."""

    code, status, title = "unauthenticated", 401, "A valid key is needed"

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail, **members)
        self.headers["WWW-Authenticate"] = 'Bearer realm="winnow"'


class Forbidden(WinnowError):
    """The key is valid but may not do this."""

    code, status, title = "forbidden", 403, "This key may not do that"


class OriginNotAllowed(Forbidden):
    """A publishable key was used from a page its site does not own."""

    code, title = "origin_not_allowed", "This origin is not one of the site's"


class NotFound(WinnowError):
    """Nothing there, or nothing this key may see: the two read the same."""

    code, status, title = "not_found", 404, "Not found"


class MethodNotAllowed(WinnowError):
    """The path exists, the method does not."""

    code, status, title = "method_not_allowed", 405, "This path does not take that method"


class Conflict(WinnowError):
    """The state of things does not allow it."""

    code, status, title = "conflict", 409, "The current state does not allow this"


class StaleVersion(Conflict):
    """Somebody else changed the comment first."""

    code, title = "stale_version", "Somebody decided first"


class TooSlow(WinnowError):
    """The request's body did not arrive in time."""

    code, status, title = "too_slow", 408, "The request did not arrive in time"


class PreconditionFailed(WinnowError):
    """`If-Match` names a version that is not the current one."""

    code, status, title = "precondition_failed", 412, "The version has changed"


class TooLarge(WinnowError):
    """The body is over the limit."""

    code, status, title = "too_large", 413, "The request is too large"


class UnsupportedMediaType(WinnowError):
    """The body is of a type this path does not read."""

    code, status, title = "unsupported_media_type", 415, "This content type is not read here"


class Misdirected(WinnowError):
    """The request's Host is none of those this service answers for."""

    code, status, title = "misdirected", 421, "This host is not served here"


class Invalid(WinnowError):
    """One or more fields break a rule."""

    code, status, title = "invalid", 422, "One or more fields are not valid"

    def __init__(self, errors: tuple[FieldError, ...], detail: str = "") -> None:
        named = "; ".join(f"{e.pointer or '/'}: {e.detail}" for e in errors[:3])
        super().__init__(detail or named)
        self.errors = errors


class IdempotencyMismatch(Invalid):
    """The Idempotency-Key was used before, for another body."""

    code, title = "idempotency_mismatch", "This Idempotency-Key belongs to another request"


class PreconditionRequired(WinnowError):
    """The write needs `If-Match`."""

    code, status, title = "precondition_required", 428, "Send If-Match with the version you read"


class Throttled(WinnowError):
    """Over quota."""

    code, status, title = "throttled", 429, "Too many requests"

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, **members: Any) -> None:
        super().__init__(detail, **members)
        self.headers["Retry-After"] = spread(retry_after_s)
        self.limit = ""
        """The limit that refused."""
        self.until = 0.0
        """When it allows one more, on this process's monotonic clock."""
        self.probing_s = 0.0
        """How long others wait then for the answer to the first who asks again."""


class Unavailable(WinnowError):
    """The service cannot store or answer this now; nothing was lost, ask again."""

    code, status, title = "unavailable", 503, "Not available right now"

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, **members: Any) -> None:
        super().__init__(detail, **members)
        self.headers["Retry-After"] = spread(retry_after_s)


def spread(seconds: float) -> str:
    """A `Retry-After`, ±20 % around a quarter more than `seconds`: never too early, and not all who
    were refused together come back together."""
    later = max(1.0, seconds) * random.uniform(1.0, 1.5)  # noqa: S311
    return str(int(later + random.random()))  # noqa: S311


def invalid(pointer: str, code: str, detail: str) -> Invalid:
    """An `Invalid` about one field."""
    return Invalid((FieldError(pointer, code, detail),))
