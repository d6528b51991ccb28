"""One page of the console at one site: who looks at it, what they may, and the form they sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response
from litestar.datastructures import FormMultiDict
from litestar.response import Redirect
from msgspec import Struct

from service import auth
from service.console.door import Visitor, check_form, visitor
from service.console.face import FACE
from service.errors import Forbidden, Invalid, NotFound, invalid
from service.html import Req, parts
from service.services import Services

DAY_MS: Final = 86_400_000


class NotForYou(Forbidden):
    """The visitor's role does not allow it."""

    title = "Not for your role"


class Room(Struct, frozen=True, kw_only=True):
    """A page, one site, and the moderator who is there."""

    services: Services
    visitor: Visitor
    sites: list[str]
    site: str
    """Empty where the visitor has no site."""
    here: str
    """The page's name, as its address ends."""

    def may(self, scope: auth.Scope) -> bool:
        """Whether the visitor's role allows something."""
        return scope in self.visitor.credential.scopes

    def needs_site(self) -> str:
        """The site.

        Raises:
            NotFound: the visitor has none.
        """
        if not self.site:
            raise NotFound("There is no site yet.")
        return self.site

    def page(self, template: str, *, status: int = 200, **context: Any) -> Response[Any]:
        """The page, with what every page of the console shows."""
        shared = {
            "room": self,
            "visitor": self.visitor,
            "sites": self.sites,
            "site": self.site,
            "here": self.here,
            "now": self.services.now(),
        }
        return FACE.page(template, shared | context, status=status)

    def to(self, path: str = "", **query: str) -> str:
        """The address of this page, or of one below it, at this site."""
        said = {"site": self.site} | query
        chosen = urlencode({name: value for name, value in said.items() if value})
        return f"/console/{self.here}{path}" + (f"?{chosen}" if chosen else "")

    def back(self, done: str, path: str = "", **query: str) -> Response[Any]:
        """Leads from a form back to a page that says what was done."""
        return Redirect(self.to(path, done=done, **query), status_code=303)


async def enter(request: Req, here: str, scope: auth.Scope, site: str = "") -> Room:
    """Opens a page for whom it is: about `site`, the one in its address, or the visitor's first.

    Raises:
        NotSignedIn, Forbidden, NotFound.
    """
    asked = site or request.query_params.get("site", "")
    return await _opened(request, await visitor(request), here, scope, asked)


async def _opened(
    request: Req, signed_in: Visitor, here: str, scope: auth.Scope, site: str
) -> Room:
    services = parts(request)
    if scope not in signed_in.credential.scopes:
        raise NotForYou(f"You are a {signed_in.moderator.role} here: ask an admin for this.")
    sites = await services.gate.sites(signed_in.credential)
    if site:
        auth.reach(signed_in.credential, site)
        if site not in sites:
            raise NotFound(f"No site {site!r}.")
    chosen = site or (sites[0] if sites else "")
    return Room(services=services, visitor=signed_in, sites=sites, site=chosen, here=here)


class Form:
    """What a form said; a field that is not there reads as empty."""

    def __init__(self, fields: FormMultiDict | None = None) -> None:
        self._fields = fields if fields is not None else FormMultiDict()

    def text(self, name: str) -> str:
        """One field, trimmed."""
        return str(self._fields.get(name, "")).strip()

    def raw(self, name: str) -> str:
        """One field as it was sent: passwords may begin with a space."""
        return str(self._fields.get(name, ""))

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be there several times."""
        return [str(value) for value in self._fields.getall(name, [])]

    def on(self, name: str) -> bool:
        """Whether a box was ticked."""
        return name in self._fields

    def names(self) -> list[str]:
        """The fields there are."""
        return list(dict.fromkeys(self._fields))


async def posted(request: Req, here: str, scope: auth.Scope) -> tuple[Room, Form]:
    """Opens a page that a form was sent to, if the form is ours.

    Raises:
        NotSignedIn, Forbidden, NotFound.
    """
    form, signed_in = Form(await request.form()), await visitor(request)
    check_form(request, signed_in, form.raw("csrf"))
    return await _opened(request, signed_in, here, scope, form.text("site")), form


def wrong(error: Invalid) -> Mapping[str, str]:
    """What is wrong, by field: the pointer `/lists/0` is the field `lists.0`."""
    return {
        e.pointer.removeprefix("/").replace("/", "."): e.detail[:1].upper() + e.detail[1:]
        for e in reversed(error.errors)
    }


def last_moment(text: str, field: str, now: int) -> int | None:
    """The end of a day that a date field names, ms; None where it is empty.

    Raises:
        Invalid: it is no date, or is over.
    """
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise invalid(f"/{field}", "invalid_date", "a date such as 2026-12-31") from None
    end = int(day.timestamp() * 1000) + DAY_MS
    if end <= now:
        raise invalid(f"/{field}", "out_of_range", "this day is over")
    return end
