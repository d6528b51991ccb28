"""The author's receipt: how the comment stands, and the appeal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect
from msgspec import Struct

from service.embed.words import RIGHT_TO_LEFT, language_of, said
from service.errors import Conflict, Invalid, NotFound
from service.html import Face, Req, parts
from service.html.times import ago
from service.pipeline import appeals
from service.pipeline.reasons import TOLD
from service.pipeline.receipts import Told, by_receipt, told
from service.records import StoredComment
from service.services import Services
from service.throttle import client_ip

FACE: Final = Face("service.embed", "/embed")

HEADLINES: Final[dict[str, str]] = {
    "pending": "Waiting for a moderator",
    "approved": "Published",
    "rejected": "Not published",
    "spam": "Not published",
    "erased": "Erased",
}
"""How a comment stands, for its author."""

OUTCOMES: Final[dict[str, str]] = {
    "granted": "A moderator looked again and published your comment.",
    "denied": "A moderator looked again and decided as before. This is final.",
}
"""What became of an appeal."""

LENGTHS: Final = {"shortest": f"{appeals.SHORTEST:,}", "longest": f"{appeals.LONGEST:,}"}


class Receipt(Struct, frozen=True):
    """A comment as its author sees it."""

    token: str
    stored: StoredComment
    told: Told
    appeal: appeals.Standing | None

    @property
    def headline(self) -> str:
        """Its status in a few words."""
        return HEADLINES[self.told.status]

    @property
    def sentence(self) -> str:
        """The status in a sentence, or the reason where there is one."""
        return self.told.reason or TOLD[self.told.status]

    @property
    def outcome(self) -> str:
        """What became of the appeal, '' where there is nothing to say."""
        return OUTCOMES.get(self.appeal or "", "")

    @property
    def language(self) -> str:
        """The language it was written in, as far as we speak it."""
        return language_of(self.stored.comment.locale)

    def say(self, text: str) -> str:
        """A sentence in its author's language."""
        return said(self.language, text)

    def sent(self, now: int) -> str:
        """When it was sent."""
        at = self.stored.comment.created_at
        if self.language == "en":
            return ago(at, now)
        return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"


async def find(services: Services, token: str) -> Receipt:
    """The receipt behind a link.

    Raises:
        NotFound: it is not one of ours.
    """
    return _receipt(token, await by_receipt(services.store, services.secrets, token))


def _receipt(token: str, stored: StoredComment) -> Receipt:
    return Receipt(token, stored, told(stored), appeals.standing(stored))


@get("/r/{token:str}")
async def receipt(request: Req, token: str) -> Response[str]:
    """The author's own view of a comment, by the signed link they were given."""
    return _page(request, await _counted(request, token))


@post("/r/{token:str}/appeal", status_code=200)
async def appeal(request: Req, token: str) -> Response[Any]:
    """Takes the appeal of the receipt's form; the link itself is what entitles to it."""
    services, found = parts(request), await _counted(request, token)
    text = str((await request.form()).get("text", ""))
    try:
        await appeals.appeal(services.store, found.stored, text, now=services.now())
    except Invalid as error:
        wrong = "Please write {shortest} to {longest} characters."
        return _page(request, found, status=error.status, wrong=wrong, text=text)
    except Conflict as error:
        fresh = await find(services, token)
        wrong = "This comment cannot be appealed any more."
        return _page(request, fresh, status=error.status, wrong=wrong, text=text)
    return Redirect(f"/r/{token}", status_code=303)


async def _counted(request: Req, token: str) -> Receipt:
    """The receipt; who asks carries no key, so their address is counted."""
    services = parts(request)
    await services.throttle.anonymous(client_ip(request.scope, services.settings.proxy_networks))
    try:
        return await find(services, token)
    except NotFound:
        await services.throttle.wrong_key()
        raise


def _page(
    request: Req, found: Receipt, *, status: int = 200, wrong: str = "", text: str = ""
) -> Response[str]:
    page = found.stored.comment.page
    context = {
        "receipt": found,
        "say": found.say,
        "link": page if page.startswith(("http://", "https://")) else "",
        "direction": "rtl" if found.language in RIGHT_TO_LEFT else "ltr",
        "lengths": LENGTHS,
        "shortest": appeals.SHORTEST,
        "longest": appeals.LONGEST,
        "wrong": found.say(wrong).format(**LENGTHS),
        "text": text,
        "now": parts(request).now(),
    }
    headers = {"X-Robots-Tag": "noindex"}
    return FACE.page("receipt.html", context, status=status, headers=headers)


ROUTES: Final = (receipt, appeal)
