"""The demo article with its thread and form, and the author's receipt."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Response, Router, get
from litestar.datastructures import Cookie
from msgspec import Struct

from service.bootstrap import DEMO, demo_key
from service.embed.thread import placed
from service.errors import NotFound
from service.html import Face, Req, failure, page_end, parts
from service.pipeline.reasons import TOLD
from service.pipeline.receipts import Told, by_receipt, told
from service.records import StoredComment
from service.services import Services
from service.store.queues import Filter
from service.throttle import client_ip

FACE: Final = Face("service.embed", "/embed")
SENT: Final = "winnow-sent"
"""The cookie by which a form's answer tells our own page which comment was just sent."""
THREAD_SIZE: Final = 100

HEADLINES: Final[dict[str, str]] = {
    "pending": "Waiting for a moderator",
    "approved": "Published",
    "rejected": "Not published",
    "spam": "Not published",
    "erased": "Erased",
}
"""How a comment stands, for its author."""


class Receipt(Struct, frozen=True):
    """A comment as its author sees it."""

    token: str
    stored: StoredComment
    told: Told

    @property
    def headline(self) -> str:
        """Its status in a few words."""
        return HEADLINES[self.told.status]

    @property
    def sentence(self) -> str:
        """The status in a sentence, or the reason where there is one."""
        return self.told.reason or TOLD[self.told.status]


async def _receipt(services: Services, token: str) -> Receipt:
    stored = await by_receipt(services.store, services.secrets, token)
    return Receipt(token, stored, told(stored))


@get("/r/{token:str}")
async def receipt(request: Req, token: str) -> Response[str]:
    """The author's own view of a comment, by the signed link they were given."""
    services = parts(request)
    await services.throttle.anonymous(client_ip(request.scope, services.settings.proxy_networks))
    found = await _receipt(services, token)
    page = found.stored.comment.page
    context = {
        "receipt": found,
        "link": page if page.startswith(("http://", "https://")) else "",
        "now": services.now(),
    }
    return FACE.page("receipt.html", context, headers={"X-Robots-Tag": "noindex"})


@get("/demo")
async def demo(request: Req) -> Response[str]:
    """A sample article with its approved thread and the comment form."""
    services = parts(request)
    if not services.settings.demo:
        raise NotFound("This installation has no demo page.")
    own = services.settings.public_url
    page = f"{own}/demo"
    rules = await services.rules.get(DEMO)
    after = page_end(request.query_params.get("after", ""))
    thread = await services.publisher.thread(DEMO, page, after=after, limit=THREAD_SIZE)
    own_host, host = urlsplit(own).netloc, request.headers.get("host", "")
    hosts = {own_host, *(urlsplit(origin).netloc for origin in rules.site.origins)}
    items = placed(thread.items)
    parent = request.query_params.get("reply", "")
    context = {
        "page": page,
        "key": demo_key(services.secrets),
        "items": items,
        "total": await services.store.queues.count(DEMO, "approved", Filter(page=page)),
        "following": f"{thread.next.score}.{thread.next.id}" if thread.next else "",
        "body_max": rules.policy.limits.body_max,
        "answered": next((item.comment for item in items if item.comment.id == parent), None),
        "sent": await _sent(request),
        "stranger": "" if host in hosts else host,
        # Where this page is reached by another of its names, the form still leads to the real one.
        "forms": "" if host == own_host else own,
        "now": services.now(),
    }
    return FACE.page("demo.html", context, cookies=[_forgotten(request)] if context["sent"] else [])


async def _sent(request: Req) -> Receipt | None:
    """The comment whose form led here, once."""
    token = request.cookies.get(SENT, "")
    if not token:
        return None
    try:
        return await _receipt(parts(request), token)
    except NotFound:
        return None


def _forgotten(request: Req) -> Cookie:
    return Cookie(key=SENT, value="", path="/demo", max_age=0, httponly=True, samesite="strict")


def _failed(request: Req, error: Exception) -> Response[Any]:
    """A failure as a page."""
    said = failure(error)
    return FACE.notice(said.title, said.detail, status=said.status)


ROUTES: Final = (
    Router(
        "/",
        route_handlers=[receipt, demo, FACE.static()],
        exception_handlers={Exception: _failed},
    ),
)
