"""The console's door: who is signed in, and whether a posted form is one of ours."""

from __future__ import annotations

import base64
import hmac
from typing import Final

from litestar.datastructures import Cookie
from msgspec import Struct

from service import auth
from service.errors import Forbidden
from service.html import Req, parts
from service.records import Credential, Moderator
from service.services import Services
from service.store.sessions import LONGEST_S

OURS: Final = ("same-origin", "none")
"""What `Sec-Fetch-Site` says of a request from our own page, or typed by the user."""


class NotSignedIn(Exception):
    """No session, or one that has ended."""


class Visitor(Struct, frozen=True):
    """Who is signed in."""

    moderator: Moderator
    credential: Credential
    csrf: str
    """What this session's forms carry."""

    @property
    def decides(self) -> bool:
        """Whether their role may decide."""
        return "decide" in self.credential.scopes


async def visitor(request: Req) -> Visitor:
    """Who is signed in.

    Raises:
        NotSignedIn: nobody.
    """
    services = parts(request)
    token = request.cookies.get(cookie_name(services), "")
    moderator_id = await services.store.sessions.find(token, services.now()) if token else None
    moderator = moderator_id and await services.store.api_keys.moderator(moderator_id)
    if not moderator:
        raise NotSignedIn
    return Visitor(moderator, auth.credential_of(moderator), _csrf(services, token))


def check_origin(request: Req) -> None:
    """Checks that a form was sent from our own pages.

    Raises:
        Forbidden: it came from elsewhere, or does not say from where.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        ours = site in OURS
    else:
        # Browsers leave Sec-Fetch-Site out on plain HTTP away from localhost.
        origin = request.headers.get("origin", "")
        own = (parts(request).settings.public_url, request.headers.get("host", ""))
        ours = bool(origin) and (origin in own or origin.partition("://")[2] in own)
    if not ours:
        raise Forbidden("This form was not sent from the console's own pages.")


def check_form(request: Req, signed_in: Visitor, token: str) -> None:
    """Checks that a form was sent from our own pages, in this session.

    Raises:
        Forbidden: it was not.
    """
    check_origin(request)
    if not hmac.compare_digest(token.encode(), signed_in.csrf.encode()):
        raise Forbidden("This form belongs to another session. Go back and reload the page.")


def session_cookie(services: Services, token: str) -> Cookie:
    """The cookie of a new session; an empty token ends it."""
    return Cookie(
        key=cookie_name(services),
        value=token,
        path="/",
        max_age=LONGEST_S if token else 0,
        secure=_https(services),
        httponly=True,
        samesite="strict",
    )


def cookie_name(services: Services) -> str:
    """`__Host-` binds the cookie to this very host; browsers take it over https only."""
    return "__Host-winnow" if _https(services) else "winnow"


def _https(services: Services) -> bool:
    return services.settings.public_url.startswith("https:")


def _csrf(services: Services, token: str) -> str:
    digest = hmac.digest(services.secrets.subkey("console csrf"), token.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
