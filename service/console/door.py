"""The console's door: who is signed in, and whether a posted form is one of ours."""

from __future__ import annotations

import asyncio
import base64
import hmac
from typing import Final

from litestar.datastructures import Cookie
from msgspec import Struct

from service import auth
from service.accounts import SignedIn
from service.errors import Forbidden
from service.html import Req, parts
from service.records import Credential, Moderator
from service.services import Services
from service.store.sessions import LONGEST_S, By, Session

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
    session: Session

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
    session = await services.store.sessions.find(token, services.now()) if token else None
    if session is None:
        raise NotSignedIn
    moderator, generation = await asyncio.gather(
        services.store.api_keys.moderator(session.moderator),
        services.store.logins.generation(session.moderator),
    )
    if moderator is None or moderator.disabled or generation != session.generation:
        raise NotSignedIn
    return Visitor(moderator, auth.credential_of(moderator), _csrf(services, token), session)


async def begin(request: Req, signed_in: SignedIn, by: By) -> Cookie:
    """The cookie of a new session; the one this browser had before ends (ASVS 5.0 7.2.4)."""
    services = parts(request)
    earlier = request.cookies.get(cookie_name(services), "")
    if earlier:
        await services.store.sessions.close(earlier)
    agent = request.headers.get("user-agent", "")
    token = await services.store.sessions.open(
        signed_in.moderator.id,
        services.now(),
        generation=signed_in.generation,
        by=by,
        agent=agent,
    )
    return session_cookie(services, token)


async def end(request: Req) -> Cookie:
    """Ends the session of this browser; the cookie that takes its own away."""
    services = parts(request)
    await services.store.sessions.close(request.cookies.get(cookie_name(services), ""))
    return session_cookie(services, "")


async def change_password(
    request: Req, signed_in: Visitor, password: str, current: str, email: str = ""
) -> Cookie:
    """Sets the visitor's password; every session ends, and this browser gets a new one.

    Who came by a one-time link need not know the current one.

    Raises:
        Invalid, Conflict, Throttled: as `Accounts.set_password`.
    """
    linked = signed_in.session.by == "link"
    generation = await parts(request).accounts.set_password(
        signed_in.moderator, password, current=None if linked else current, email=email
    )
    return await begin(request, SignedIn(signed_in.moderator, generation), "password")


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
