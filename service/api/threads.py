"""The published thread of a page, as JSON and as Atom (RFC 4287)."""

from __future__ import annotations

import hashlib
import re
from typing import cast, get_args
from xml.etree import ElementTree as ET

from litestar import Response, get
from msgspec import Struct

from service import auth
from service.api import answers
from service.api.document import CURSOR, SITE, Operation, choice_param, text_param, whole_param
from service.api.kept import Sent
from service.api.requests import Query, Req, caller, cursor, is_known, one_site, services
from service.errors import invalid
from service.pipeline import fields
from service.pipeline.publish import Order, Published
from service.services import Services
from service.store.queues import Filter

ATOM = "application/atom+xml"
QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")
FRESH = "public, max-age=0, must-revalidate"
ORDERS = get_args(Order)


class PageOut(Struct):
    """A page and its thread's size."""

    site: str
    url: str
    title: str
    approved: int
    first_at: str | None
    closed: bool


class ThreadOut(Struct):
    """One page of a thread, and what holds for all of it."""

    items: list[answers.PublishedOut]
    next: str | None
    total: int
    """Comments published on the page."""
    closed: bool
    """Whether it takes no new ones."""


async def _asked(request: Req, *names: str) -> tuple[Query, str, str]:
    """The query, site and canonical page a reader asks for."""
    credential = await caller(request, "threads")
    query = Query(request, "site", *names)
    site = await one_site(request, credential, query.text("site"))
    if credential.kind == "publishable":
        parts = services(request)
        origin = request.headers.get("origin")
        # Browsers leave Origin out of same-origin reads; a foreign one is refused.
        if origin:
            rules = await parts.rules.get(site)
            auth.check_origin(rules.site, origin, parts.settings.public_url)
    name = "url" if "url" in names else "page"
    value = query.text(name)
    if not value:
        raise invalid(f"/{name}", "required", "name the page by its URL")
    try:
        return query, site, fields.page(value)
    except fields.Wrong as wrong:
        raise invalid(f"/{name}", wrong.code, wrong.detail) from None


@get(
    "/v1/pages",
    opt={
        "operation": Operation(
            summary="A page and how many comments are published on it",
            scope="threads",
            query=(SITE, text_param("url", "The page's URL.", required=True)),
            answers={200: PageOut},
            problems=(401, 403, 404, 422, 503),
            tag="Websites",
        )
    },
)
async def page(request: Req) -> Response[bytes]:
    """A page and how many comments are published on it."""
    parts = services(request)
    _, site, url = await _asked(request, "url")
    found = await parts.store.pages.read(site, url)
    return answers.answer(
        PageOut(
            site=site,
            url=url,
            title=found.title,
            approved=await parts.store.queues.count(site, "approved", Filter(page=url)),
            first_at=answers.iso_or_none(found.first_at),
            closed=await _closed(parts, site, found.first_at),
        ),
        headers={"Cache-Control": FRESH},
    )


async def _closed(parts: Services, site: str, first_at: int | None) -> bool:
    """Whether a page whose first comment came at `first_at` takes no new ones."""
    days = (await parts.rules.get(site)).policy.closing.days
    age_ms = parts.now() - first_at if first_at else 0
    return days is not None and age_ms > days * 86_400_000


@get(
    "/v1/pages/comments",
    opt={
        "operation": Operation(
            summary="The approved thread of a page",
            scope="threads",
            query=(
                SITE,
                text_param("page", "The page's URL.", required=True),
                choice_param("order", "Which comments come first.", *ORDERS),
                whole_param("limit", "Comments in one answer.", 1, 500, 100),
                CURSOR,
            ),
            answers={200: ThreadOut, 304: None},
            also=("application/atom+xml",),
            problems=(401, 403, 404, 422, 503),
            headers=("If-None-Match",),
            tag="Websites",
            description="Never an e-mail address, a hash of one, an IP or a score. "
            "With `Accept: application/atom+xml` an Atom feed of the newest.",
        )
    },
)
async def thread(request: Req) -> Response[bytes]:
    """The approved thread of a page."""
    parts = services(request)
    query, site, url = await _asked(request, "page", "order", "cursor", "limit")
    limit, after = query.whole("limit", 100, 1, 500), query.cursor()
    order = cast(Order, query.choice("order", "oldest", *ORDERS))
    atom = prefers_atom(request.headers.get("accept", ""))
    known = await parts.store.pages.read(site, url)
    closed = await _closed(parts, site, known.first_at)
    asked = f"{known.revision} {limit} {query.text('cursor')} {atom} {order} {closed}"
    tag = f'"{known.revision}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"'
    headers = {"ETag": tag, "Cache-Control": FRESH, "Vary": "Accept, Authorization"}
    if is_known(request, tag):
        return Response(b"", status_code=304, headers=headers)
    if atom:
        latest = await parts.publisher.latest(site, url, limit=limit)
        content = feed(url, known.title, latest)
        return Response(content, media_type=ATOM, headers=headers)
    # A revision is of one site: another that is made under its name later begins with the first.
    number = (await parts.rules.get(site)).site.number
    question, kept = (number, url, order, limit, query.text("cursor")), request.app.state.kept
    if (sent := kept.get(question, tag)) is not None:
        return Response(sent.body, media_type="application/json", headers=sent.headers)
    found = await parts.publisher.thread(site, url, order=order, after=after, limit=limit)
    asked_for = {"site": site, "page": url, "order": order, "limit": str(limit)}
    response = answers.listing(
        [answers.published_out(item) for item in found.items],
        cursor(found.next),
        f"{parts.settings.public_url}/v1/pages/comments",
        asked_for,
        total=await parts.store.queues.count(site, "approved", Filter(page=url)),
        closed=closed,
    )
    response.headers.update(headers)
    kept.put(question, Sent(tag, dict(response.headers), response.content))
    return response


def prefers_atom(accept: str) -> bool:
    """Whether an `Accept` header wants Atom rather than JSON (RFC 9110, 12.5.1)."""
    wanted = {"application/json": 0.0, ATOM: 0.0}
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        if media in wanted:
            wanted[media] = float(quality) if QUALITY.fullmatch(quality) else 0.0
    return wanted[ATOM] > wanted["application/json"]


def feed(url: str, title: str, items: list[Published]) -> bytes:
    """An Atom feed of published comments."""
    root = ET.Element("feed", xmlns="http://www.w3.org/2005/Atom")
    ET.SubElement(root, "id").text = url
    ET.SubElement(root, "title").text = visible(title or url)
    ET.SubElement(root, "link", href=url)
    latest = max((item.edited_at or item.created_at for item in items), default=0)
    ET.SubElement(root, "updated").text = answers.iso(latest)
    for item in items:
        entry = ET.SubElement(root, "entry")
        ET.SubElement(entry, "id").text = f"urn:winnow:{item.id}"
        ET.SubElement(entry, "title").text = visible(f"{item.name}: {item.body[:60]}")
        author = ET.SubElement(entry, "author")
        ET.SubElement(author, "name").text = visible(item.name)
        ET.SubElement(entry, "published").text = answers.iso(item.created_at)
        ET.SubElement(entry, "updated").text = answers.iso(item.edited_at or item.created_at)
        ET.SubElement(entry, "content", type="text").text = visible(item.body)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def visible(text: str) -> str:
    """The text without what XML 1.0 cannot carry (non-characters U+FFFE and U+FFFF)."""
    return text.replace("\ufffe", "").replace("\uffff", "")


ROUTES = (page, thread)
