"""Akismet's API, versions 1.1 and 1.2, for clients as people have them.

They read exact bodies and little else: `true` and `false` without a line break; `invalid` with
status 200 for a key nobody knows, and `X-akismet-debug-help` with that and never otherwise. What
is neither (429, 503) makes WordPress hold the comment and ask again later, Discourse try its job
again, and others fail as they would with Akismet out of reach.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response, post, route

from service.api.compat.akismet_check import Checked, admit, check
from service.api.compat.akismet_feedback import learn
from service.api.compat.akismet_request import Asked, read
from service.api.compat.akismet_usage import key_sites as sites_of
from service.api.compat.akismet_usage import stats, usage_limit
from service.api.compat.door import JSON, exact
from service.api.problems import public
from service.api.requests import Req, services
from service.errors import (
    Malformed,
    MethodNotAllowed,
    Throttled,
    TooLarge,
    Unavailable,
    WinnowError,
)
from service.ids import random_id

REQUEST_MAX: Final = 1024 * 1024
"""Bytes of a request: WordPress sends the longest comment it stores three times over."""
THANKS: Final = "Thanks for making the web a better place."
WAIT: Final = "wait"
RECHECK_S: Final = 120
"""When a website asks again how a comment stands that waits for a moderator; as Akismet."""


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A failure as Akismet's clients understand it; never a problem document."""
    failure = public(error)
    plain = Throttled | Unavailable | TooLarge | MethodNotAllowed
    if isinstance(failure, plain) or failure.status >= 500:
        # No word that a client could take for an answer.
        return exact(failure.code, status=_status(failure), headers=failure.headers)
    return exact("invalid", headers={"X-akismet-debug-help": _one_line(failure)})


def _status(failure: WinnowError) -> int:
    """An unforeseen failure is one that may pass: clients ask again."""
    return 503 if failure.status == 500 else failure.status


def _one_line(failure: WinnowError) -> str:
    text = failure.detail.encode("ascii", "replace").decode()
    return " ".join(text.split())[:200]


_DOOR: Final[dict[str, Any]] = {
    "status_code": 200,
    "request_max_body_size": REQUEST_MAX,
    "exception_handlers": {Exception: refused},
}


@post("/1.1/verify-key", **_DOOR)
async def verify_key(request: Req) -> Response[bytes]:
    """Whether a key opens this door."""
    asked = await read(request)
    await admit(services(request), asked.key, remembered=True)
    return exact("valid")


@post("/1.1/comment-check", **_DOOR)
async def comment_check(request: Req) -> Response[bytes]:
    """Whether a comment is spam."""
    asked, parts = await read(request), services(request)
    caller = await admit(parts, asked.key, remembered=True)
    if not asked.text("blog"):
        raise Malformed('Empty "blog" value')
    checked = await check(parts, caller, asked)
    word = "true" if checked.answer.spam else "false"
    if checked.answer.waits and _takes_false_for_done(asked):
        word = WAIT
    return exact(word, headers=_headers(checked))


def _takes_false_for_done(asked: Asked) -> bool:
    """Whether this is WordPress's plugin from before it knew `X-akismet-recheck-after`.

    It would publish what is `false`; what is neither true nor false it holds and asks about again
    (seen with 5.0.2). Those that know the header say where they want to be called back.
    """
    return asked.wordpress and not asked.text("callback")


def _headers(checked: Checked) -> dict[str, str]:
    headers = {"X-akismet-guid": checked.guid}
    if checked.answer.sure:
        headers["X-akismet-pro-tip"] = "discard"
    if checked.answer.waits:
        headers["X-akismet-recheck-after"] = str(RECHECK_S)
    return headers


@post("/1.1/submit-spam", **_DOOR)
async def submit_spam(request: Req) -> Response[bytes]:
    """Somebody says a comment is spam."""
    return await _feedback(request, spam=True)


@post("/1.1/submit-ham", **_DOOR)
async def submit_ham(request: Req) -> Response[bytes]:
    """Somebody says a comment is none."""
    return await _feedback(request, spam=False)


async def _feedback(request: Req, *, spam: bool) -> Response[bytes]:
    asked, parts = await read(request), services(request)
    caller = await admit(parts, asked.key)
    await learn(parts, caller, asked, spam=spam)
    return exact(THANKS)


@post("/1.1/token", **_DOOR)
async def token(request: Req) -> Response[bytes]:
    """A token for Akismet's statistics pages, which are not here; it opens nothing."""
    asked = await read(request)
    await admit(services(request), asked.key)
    return exact(random_id(24))


@post("/1.1/deactivate", **_DOOR)
async def deactivate(request: Req) -> Response[bytes]:
    """A plugin says goodbye; its key lives until it is revoked."""
    asked = await read(request)
    await admit(services(request), asked.key)
    return exact("deactivated")


@post("/1.1/get-stats", **_DOOR)
async def get_stats(request: Req) -> Response[bytes]:
    """What came of the calls."""
    asked, parts = await read(request), services(request)
    site = (await admit(parts, asked.key)).site
    return exact(await stats(parts.store.usage, site, asked, parts.now()), media=JSON)


@post("/1.1/get-subscription", **_DOOR)
async def get_subscription(request: Req) -> Response[bytes]:
    """An account in good standing that never ends."""
    asked = await read(request)
    site = (await admit(services(request), asked.key)).site
    account = {"account_id": 0, "account_name": site, "account_type": "winnow"}
    standing = {"status": "active", "limit_reached": False, "next_billing_date": False}
    return exact(msgspec.json.encode(account | standing), media=JSON)


@route("/1.2/usage-limit", http_method=["GET", "POST"], **_DOOR)
async def usage(request: Req) -> Response[bytes]:
    """How much was asked this month."""
    asked, parts = await read(request), services(request)
    site = (await admit(parts, asked.key)).site
    return exact(await usage_limit(parts.store.usage, site, asked, parts.now()), media=JSON)


@route("/1.2/key-sites", http_method=["GET", "POST"], **_DOOR)
async def key_sites(request: Req) -> Response[bytes]:
    """Which websites asked in a month, and how often."""
    asked, parts = await read(request), services(request)
    site = (await admit(parts, asked.key)).site
    text, csv = await sites_of(parts.store.usage, site, asked, parts.now())
    return exact(text, media="text/csv" if csv else JSON)


ROUTES: tuple[Any, ...] = (
    verify_key,
    comment_check,
    submit_spam,
    submit_ham,
    token,
    deactivate,
    get_stats,
    get_subscription,
    usage,
    key_sites,
)
