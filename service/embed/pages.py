"""The demo article with its thread and form, and every route of this face."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Response, Router, get
from litestar.datastructures import Cookie

from service.bootstrap import DEMO, demo_key
from service.embed import receipts, script
from service.embed.receipts import FACE, Receipt
from service.embed.thread import placed
from service.errors import NotFound
from service.html import Req, failure, page_end, parts
from service.store.queues import Filter

SENT: Final = "winnow-sent"
"""The cookie by which a form's answer tells our own page which comment was just sent."""
THREAD_SIZE: Final = 100


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
        "site": DEMO,
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
        return await receipts.find(parts(request), token)
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
        route_handlers=[*receipts.ROUTES, script.embed, script.words, demo, FACE.static()],
        exception_handlers={Exception: _failed},
    ),
)
