"""`POST /v1/comments`: the hot path, as lean as it can be made.

A bare ASGI route with prebuilt codecs (Litestar's request object and parameter parsing would double
its cost); everything it may answer is declared in `OPERATION`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, cast

import msgspec
from litestar import Litestar, asgi
from litestar.types import Receive, Scope, Send

from service import auth, metrics, tracing
from service.api import answers, problems, refusal
from service.api.document import Operation
from service.api.edge import App
from service.api.requests import BODY_MAX
from service.errors import (
    Malformed,
    MethodNotAllowed,
    Throttled,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    WinnowError,
    invalid,
)
from service.ids import short_hash
from service.pipeline import validate
from service.pipeline.enqueue import author_key
from service.pipeline.rules import Rules
from service.pipeline.submit import Accepted
from service.records import Credential, Draft, Submission
from service.services import Services
from service.store.idempotency import Idempotency
from service.throttle import BY_KEY, client_ip

PATH: Final = "/v1/comments"
FORM: Final = "application/x-www-form-urlencoded"
OPERATION: Final = Operation(
    summary="Submit a comment",
    scope="submit",
    body=Submission,
    forms=True,
    answers={201: answers.AcceptedOut, 303: None},
    problems=(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
    headers=("Idempotency-Key",),
    tag="Websites",
)


class Caller(msgspec.Struct):
    """One request's caller and headers, as the intake needs them."""

    headers: dict[bytes, bytes]
    credential: Credential
    ip: str
    own: str

    @property
    def publishable(self) -> bool:
        """Whether this comes from a web page."""
        return self.credential.kind == "publishable"

    def header(self, name: bytes) -> str:
        """A header's value, '' where it is absent."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def media(self) -> bytes:
        """The body's media type, without parameters."""
        return _media(self.headers)

    @property
    def origin(self) -> str | None:
        """The page's origin."""
        return auth.origin_of(self.header(b"origin"), self.header(b"referer"))


@asgi(PATH, opt={"operations": {"POST": OPERATION}}, copy_scope=False)
async def intake(scope: Scope, receive: Receive, send: Send) -> None:
    """Submit a comment."""
    try:
        if scope["method"] != "POST":  # type: ignore[typeddict-item]
            error = MethodNotAllowed("Submit comments with POST.")
            error.headers["Allow"] = "POST"
            raise error
        status, headers, content = await _submit(scope, receive)
    except Exception as error:
        failure = problems.public(error)
        if isinstance(failure, Throttled) and failure.limit in BY_KEY:
            scope["throttled"] = failure  # type: ignore[typeddict-unknown-key]
        metrics.REFUSED.labels(failure.code).inc()
        status, (headers, content) = failure.status, _refused(cast(Any, scope), failure)
        headers = {**headers, **failure.headers}
    raw = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
    raw.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content, "more_body": False})


def ahead_of(app: Litestar) -> App:
    """`app` with this route found ahead of its router, which costs three coroutines a comment."""

    def routed(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"] == PATH:
            scope["litestar_app"], scope["path_template"] = app, PATH
            return intake.fn(scope, receive, send)
        return app(scope, receive, send)

    return routed


def _refused(scope: Any, failure: WinnowError) -> tuple[dict[str, str], bytes]:
    """The headers and content of a refusal: a page for a browser's plain form, else a problem."""
    request_id = scope.get("request_id", "")
    if refusal.prefers_page(dict(scope["headers"])):
        return refusal.page(failure, request_id)
    content = problems.body(failure, PATH, request_id)
    return {"Content-Type": problems.MEDIA_TYPE}, content


async def _submit(scope: Scope, receive: Receive) -> tuple[int, dict[str, str], bytes]:
    parts = cast(Services, scope["litestar_app"].state.services)
    now = parts.now()
    caller, form, body = await _caller(parts, scope, receive, now)
    auth.allow(caller.credential, "submit")
    own = None
    if len(caller.credential.sites or ()) == 1:
        # Before anything is read: a foreign page learns nothing of what we think of its comment.
        own = (await rules_for(parts, caller, None)).policy.limits
    limits = await parts.throttle.submission(caller.credential, caller.ip, own)
    if form is None:
        body = await _read(receive, caller.headers)
        if caller.media not in (b"application/json", b""):
            raise UnsupportedMediaType("Send application/json or " + FORM + ".")
    submission = validate.decode_json(body) if form is None else validate.decode_form(form)
    rules = await rules_for(parts, caller, submission.site)
    draft = check(submission, caller, rules, now)
    if caller.publishable:
        limits = await _posted(parts, draft, rules, limits)
    accepted = await parts.intake.submit(
        draft,
        rules.site.id,
        idempotency=_idempotency(caller, body),
        now=now,
    )
    if form is not None:
        return 303, _landed(landing(caller, rules, accepted, parts), accepted, parts), b""
    return 201, *_created(parts, caller, accepted, limits)


async def _posted(
    parts: Services, draft: Draft, rules: Rules, limits: dict[str, str]
) -> dict[str, str]:
    """Counts a web page's comment for its author and its page, as soon as these are known."""
    author = parts.secrets.author_id(rules.site.id, author_key(draft))
    page = short_hash(draft.page)
    return await parts.throttle.posted(rules.site.id, author, page, rules.policy.limits, limits)


def _created(
    parts: Services, caller: Caller, accepted: Accepted, limits: dict[str, str]
) -> tuple[dict[str, str], bytes]:
    receipt = f"{parts.settings.public_url}/r/{parts.secrets.receipt(accepted.id)}"
    out = answers.accepted_out(accepted, receipt, full=not caller.publishable)
    headers = {
        "Content-Type": "application/json",
        "Location": f"/v1/comments/{accepted.id}",
        **limits,
    }
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers, answers.encode(out)


async def _caller(
    parts: Services, scope: Scope, receive: Receive, now: int
) -> tuple[Caller, dict[str, str] | None, bytes]:
    """Who is calling, and the form they sent if it is one, with its raw body.

    A plain form cannot send Authorization: its key is a field, known after the body is read.
    """
    headers = dict(scope["headers"])
    ip = client_ip(scope, parts.settings.proxy_networks)
    form: dict[str, str] | None = None
    body = b""
    if _media(headers) == FORM.encode():
        await parts.throttle.anonymous(ip)
        body = await _read(receive, headers)
        form = validate.form_fields(body)
        credential = await _form_credential(parts, headers, form.pop("key", ""), now)
    else:
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        credential = await parts.gate.credential(authorization, now)
    return Caller(headers, credential, ip, parts.settings.public_url), form, body


def _media(headers: dict[bytes, bytes]) -> bytes:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


async def _form_credential(
    parts: Services, headers: dict[bytes, bytes], key: str, now: int
) -> Credential:
    header = headers.get(b"authorization", b"").decode("latin-1")
    if header:
        return await parts.gate.credential(header, now)
    if not key:
        raise Unauthenticated("Send the site's publishable key as the form field 'key'.")
    credential = await parts.gate.key(key, now)
    if credential.kind != "publishable":
        raise Unauthenticated("Only a publishable key may stand in a form.")
    return credential


async def rules_for(parts: Services, caller: Caller, named: str | None) -> Rules:
    """The rules of the site a submission is for.

    Raises:
        Invalid: the site is not named and the key does not imply it.
        Forbidden: the key belongs to another site, or is used from elsewhere.
        NotFound: no such site.
    """
    sites = caller.credential.sites
    if named is None:
        if sites is None or len(sites) != 1:
            raise invalid("/site", "required", "this key reaches several sites: name one")
        named = next(iter(sites))
    auth.reach(caller.credential, named)
    rules = await parts.rules.get(named)
    if caller.publishable:
        auth.check_origin(rules.site, caller.origin, caller.own)
    return rules


def check(submission: Submission, caller: Caller, rules: Rules, now: int) -> Draft:
    """The valid draft of a submission; a web page's address and agent come from the request.

    Raises:
        validate.Invalid: with every field that breaks a rule.
    """
    with tracing.stage("validate"):
        draft = validate.check(
            submission,
            body_max=rules.policy.limits.body_max,
            publishable=caller.publishable,
            now=now,
        )
    if not caller.publishable:
        return draft
    return msgspec.structs.replace(
        draft,
        names_page=False,
        ip=caller.ip,
        user_agent=caller.header(b"user-agent")[:512],
        referrer=caller.header(b"referer")[:2048],
    )


def landing(caller: Caller, rules: Rules, accepted: Accepted, parts: Services) -> str:
    """Where a form's sender is led: back to the page if it is the site's, else to the receipt."""
    origin = caller.origin or ""
    page = accepted.page
    ours = (*rules.site.origins, caller.own)
    if page.startswith("/") and origin in ours:
        return f"{origin}{page}"
    if any(page == o or page.startswith(o + "/") for o in ours):
        return page
    return f"{parts.settings.public_url}/r/{parts.secrets.receipt(accepted.id)}"


def _landed(location: str, accepted: Any, parts: Services) -> dict[str, str]:
    """A form's answer; our own page is told by a cookie which comment was just sent."""
    own, headers = parts.settings.public_url, {"Location": location}
    if location.startswith(f"{own}/demo"):
        token = parts.secrets.receipt(accepted.id)
        secure = "; Secure" if own.startswith("https:") else ""
        cookie = f"winnow-sent={token}; Path=/demo; Max-Age=300; HttpOnly; SameSite=Strict{secure}"
        headers["Set-Cookie"] = cookie
    return headers


def _idempotency(caller: Caller, body: bytes) -> Idempotency | None:
    """The Idempotency-Key with the body it came with."""
    key = idempotency_key(caller)
    return Idempotency.of(f"{caller.credential.actor} {key}", body) if key else None


def idempotency_key(caller: Caller) -> str:
    """The caller's Idempotency-Key, quoted or not; '' where none was sent.

    Raises:
        Invalid: it is empty, or longer than 255 characters.
    """
    key = caller.header(b"idempotency-key").strip().strip('"')
    if not key and b"idempotency-key" in caller.headers:
        raise invalid("/Idempotency-Key", "empty", "the key may not be empty")
    if len(key) > 255:
        raise invalid("/Idempotency-Key", "too_long", "at most 255 characters")
    return key


async def _read(receive: Receive, headers: dict[bytes, bytes]) -> bytes:
    """The whole body.

    Raises:
        TooLarge: over the limit; judged by Content-Length before anything is read.
        TooSlow: it did not arrive in time.
        Malformed: the caller went away.
    """
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > BODY_MAX:
        raise too_large()
    return await _chunks(receive)


async def _chunks(receive: Receive) -> bytes:
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Malformed("The request was cut off.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > BODY_MAX:
            raise too_large()
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def too_large() -> WinnowError:
    """The error for a body over 64 KiB."""
    return TooLarge(f"A request may carry at most {BODY_MAX} bytes.")
