"""What the emulated APIs have in common: who may enter, bodies, and answers of exact bytes.

Each door reads a foreign request, asks the pipeline, and shapes a foreign answer; its failures are
in the foreign shape, too, so each registers its own exception handler with its routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from litestar import HttpMethod, Response
from msgspec import Struct

from service import auth
from service.errors import MethodNotAllowed
from service.records import Credential
from service.services import Services

TEXT: Final = "text/plain"
"""Litestar adds the charset."""
JSON: Final = "application/json; charset=UTF-8"
ANY: Final = [
    HttpMethod.GET,
    HttpMethod.POST,
    HttpMethod.PUT,
    HttpMethod.PATCH,
    HttpMethod.DELETE,
]
"""The methods of a route that refuses the wrong ones itself, so in the foreign shape."""


class Guest(Struct, frozen=True):
    """Who came through a door."""

    credential: Credential
    site: str | None
    """The site of their key; None where it reaches several (an admin key)."""
    limits: dict[str, str]
    """The RateLimit headers of their answer."""


def check_post(method: str) -> None:
    """Checks that a request is a POST.

    Raises:
        MethodNotAllowed: it is not.
    """
    if method != "POST":
        error = MethodNotAllowed("Send a POST.")
        error.headers["Allow"] = "POST"
        raise error


async def enter(parts: Services, key: str) -> Guest:
    """Whoever this key belongs to, counted against its rate limit.

    Raises:
        Unauthenticated: the key is unknown, revoked or expired, or empty.
        Forbidden: it does not open the emulated APIs.
        Throttled, Unavailable.
    """
    credential = await parts.gate.credential(f"Bearer {key}", parts.now())
    auth.allow(credential, "doors")
    limits = await parts.throttle.submission(credential, "")
    sites = credential.sites
    site = next(iter(sites)) if sites is not None and len(sites) == 1 else None
    return Guest(credential, site, limits)


def exact(
    content: bytes | str,
    *,
    status: int = 200,
    media: str = TEXT,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """An answer of exactly these bytes."""
    data = content.encode() if isinstance(content, str) else content
    return Response(data, status_code=status, media_type=media, headers=dict(headers or {}))
