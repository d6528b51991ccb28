"""Requirements of what the console's pages call to sign somebody in and to change a password."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from service.console import door
from service.console.door import NotSignedIn
from service.errors import WinnowError
from service.html import Req, parts
from service.records import Moderator
from service.services import Services

PASSWORD, NEXT = "nine purple teapots argue", "nine purple teapots whisper"
OURS = {"Sec-Fetch-Site": "same-origin"}


@post("/in", status_code=200)
async def sign_in(request: Req) -> Response[Any]:
    """As the sign-in page's form does it."""
    form = await request.form()
    door.check_origin(request)
    accounts = parts(request).accounts
    if "token" in form:
        who = await accounts.use_link(str(form["token"]))
        by: Any = "link"
    else:
        who = await accounts.sign_in(
            str(form["email"]), str(form["password"]), "", ip="::1", now=parts(request).now()
        )
        by = "password"
    if who is None:
        raise HTTPException(status_code=403)
    return Response({}, cookies=[await door.begin(request, who, by)])


@post("/password", status_code=200)
async def change(request: Req) -> Response[Any]:
    """As the account page's form does it."""
    form, visitor = await request.form(), await door.visitor(request)
    door.check_form(request, visitor, str(form.get("csrf", "")))
    cookie = await door.change_password(
        request, visitor, str(form["password"]), str(form.get("current", "")),
        str(form.get("email", "")),
    )  # fmt: skip
    return Response({}, cookies=[cookie])


@get("/me")
async def me(request: Req) -> dict[str, str]:
    """Who is signed in."""
    visitor = await door.visitor(request)
    return {"id": visitor.moderator.id, "csrf": visitor.csrf, "by": visitor.session.by}


def told(request: Req, error: Exception) -> Response[Any]:
    status = error.status if isinstance(error, WinnowError) else 401
    return Response({}, status_code=status)


@pytest.fixture
async def pages(services: Services) -> AsyncIterator[Any]:
    """Makes browsers on a page of ours."""
    app = Litestar(
        [sign_in, change, me],
        state=State({"services": services}),
        exception_handlers={WinnowError: told, NotSignedIn: told},
        logging_config=None,
    )
    opened: list[httpx.AsyncClient] = []

    def browser() -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://x", headers=OURS))
        return opened[-1]

    ann = Moderator(id="ann", name="Ann", email="ann@staff.example", role="moderator", sites=("a",))
    await services.store.api_keys.add_moderator(ann)
    yield browser
    for client in opened:
        await client.aclose()


async def linked(services: Services, browser: httpx.AsyncClient) -> dict[str, str]:
    token = await services.store.api_keys.new_sign_in("ann")
    assert (await browser.post("/in", data={"token": token})).status_code == 200
    return dict((await browser.get("/me")).json())


async def test_a_link_lets_a_password_be_set_which_signs_in_from_then_on(
    services: Services, pages: Any
) -> None:
    first, other, second = pages(), pages(), pages()
    me, _ = await linked(services, first), await linked(services, other)
    assert me["by"] == "link"
    sent = {"csrf": me["csrf"], "password": PASSWORD}
    planted = dict(first.cookies)
    assert (await first.post("/password", data=sent | {"csrf": "x"})).status_code == 403
    assert (await first.post("/password", data=sent | {"password": "short"})).status_code == 422
    assert (await first.post("/password", data=sent)).status_code == 200
    assert (await first.get("/me")).json()["by"] == "password"
    assert dict(first.cookies) != planted, "the session is another one"
    assert (await other.get("/me")).status_code == 401, "every other session ended"
    wrong = await second.post("/in", data={"email": "ann@staff.example", "password": "wrong"})
    assert wrong.status_code == 403
    right = {"email": "ann@staff.example", "password": PASSWORD}
    assert (await second.post("/in", data=right)).status_code == 200
    assert (await second.get("/me")).json()["id"] == "ann"


async def test_who_signed_in_by_password_must_know_it_to_change_it(
    services: Services, pages: Any
) -> None:
    browser = pages()
    sent = {"csrf": (await linked(services, browser))["csrf"], "password": PASSWORD}
    await browser.post("/password", data=sent)
    csrf = (await browser.get("/me")).json()["csrf"]
    assert csrf != sent["csrf"]
    changed = {"csrf": csrf, "password": NEXT, "current": "wrong"}
    assert (await browser.post("/password", data=changed)).status_code == 422
    changed["current"] = PASSWORD
    assert (await browser.post("/password", data=changed)).status_code == 200
    link = pages()
    sent = {"csrf": (await linked(services, link))["csrf"], "password": PASSWORD}
    assert (await link.post("/password", data=sent)).status_code == 200, "a link replaces it"
    assert (await browser.get("/me")).status_code == 401


async def test_a_form_from_another_site_signs_nobody_in(services: Services, pages: Any) -> None:
    browser = pages()
    token = await services.store.api_keys.new_sign_in("ann")
    foreign = {"Sec-Fetch-Site": "cross-site"}
    answer = await browser.post("/in", data={"token": token}, headers=foreign)
    assert answer.status_code == 403
    assert (await browser.post("/in", data={"token": token})).status_code == 200
