"""Signing in and out: by a one-time link, or by address, password and perhaps a code."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from service.accounts import SignedIn
from service.console.door import begin, check_form, check_origin, end, visitor
from service.console.face import FACE, LINK, routed
from service.console.room import Form
from service.errors import Throttled
from service.html import Req, parts
from service.store.sessions import By
from service.throttle import client_ip

WRONG: Final = "The address, the password or the code is wrong."
"""The same whichever it is: nobody learns whose address is known here."""


@get("/console/sign-in")
async def sign_in_page(request: Req) -> Response[str]:
    """The form; with a link's token one button, so that a link preview does not use it up."""
    return _page(token=request.query_params.get("token", ""))


@post("/console/sign-in", status_code=200)
async def sign_in(request: Req) -> Response[Any]:
    """Opens a session for whoever proves who they are."""
    check_origin(request)
    form = Form(await request.form())
    if "token" in form.names():
        return await _by_link(request, form)
    return await _by_password(request, form)


async def _by_link(request: Req, form: Form) -> Response[Any]:
    services = parts(request)
    await services.throttle.anonymous(client_ip(request.scope, services.settings.proxy_networks))
    services.throttle.admits_strangers()
    who = await services.accounts.use_link(form.text("token"))
    if who is None:
        await services.throttle.wrong_key()
        return _page(dead=True, status=403)
    return await _opened(request, who, "link")


async def _by_password(request: Req, form: Form) -> Response[Any]:
    services, email = parts(request), form.text("email")
    try:
        who = await services.accounts.sign_in(
            email,
            form.raw("password"),
            form.text("code"),
            ip=client_ip(request.scope, services.settings.proxy_networks),
            now=services.now(),
        )
    except Throttled as refused:
        minutes = -(-int(refused.headers["Retry-After"]) // 60)
        return _page(email=email, wrong=f"Too many tries. Come back in {minutes} min.", status=429)
    if who is None:
        return _page(email=email, wrong=WRONG, status=403)
    return await _opened(request, who, "password")


async def _opened(request: Req, who: SignedIn, by: By) -> Response[Any]:
    cookie = await begin(request, who, by)
    return Redirect(
        "/console", status_code=303, cookies=[cookie], headers={"Cache-Control": "no-store"}
    )


def _page(*, status: int = 200, **said: Any) -> Response[str]:
    plain = {"token": "", "dead": False, "email": "", "wrong": "", "command": LINK}
    return FACE.page("sign_in.html", plain | said, status=status)


@post("/console/sign-out", status_code=200)
async def sign_out(request: Req) -> Response[Any]:
    """Ends the session."""
    check_form(request, await visitor(request), Form(await request.form()).raw("csrf"))
    return FACE.page(
        "signed_out.html", {"command": LINK, "left": True}, cookies=[await end(request)]
    )


ROUTES: Final = routed(sign_in_page, sign_in, sign_out)
