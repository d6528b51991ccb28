"""`POST /v1/comments`: the hot path, as lean as it can be made.

A bare ASGI route with prebuilt codecs (Litestar's request object and parameter parsing would double
its cost); everything it may answer is declared in `OPERATION`.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, cast

import msgspec
from litestar import asgi
from litestar.types import Receive, Scope, Send

from service import auth, metrics
from service.api import answers, problems
from service.api.document import Operation
from service.api.requests import BODY_MAX, client_ip
from service.errors import (
    Malformed,
    MethodNotAllowed,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    WinnowError,
    invalid,
)
from service.ids import short_hash
from service.pipeline import validate
from service.pipeline.rules import Rules
from service.records import Credential, Submission
from service.services import Services
from service.store.comments import Idempotency

FORM: Final = "application/x-www-form-urlencoded"
OPERATION: Final = Operation(
    summary="Submit a comment",
    scope="submit",
    body=Submission,
    forms=True,
    answers={201: answers.AcceptedOut, 303: None},
    problems=(400, 401, 403, 404, 413, 415, 422, 429, 503),
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
    def origin(self) -> str | None:
        """The page's origin."""
        return auth.origin_of(self.header(b"origin"), self.header(b"referer"))


@asgi("/v1/comments", opt={"operations": {"POST": OPERATION}}, copy_scope=False)
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
        metrics.REFUSED.labels(failure.code).inc()
        content = problems.body(failure, "/v1/comments", cast(Any, scope).get("request_id", ""))
        status, headers = failure.status, {"Content-Type": problems.MEDIA_TYPE, **failure.headers}
    raw = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
    raw.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content, "more_body": False})


async def _submit(scope: Scope, receive: Receive) -> tuple[int, dict[str, str], bytes]:
    parts = cast(Services, scope["litestar_app"].state.services)
    now = parts.now()
    headers = dict(scope["headers"])
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    form: dict[str, str] | None = None
    ip = client_ip(scope, parts.settings.proxy_networks)
    if media == FORM.encode():
        # A plain form cannot send Authorization, so its key is a field, known after the body is read.
        await parts.throttle.anonymous(ip)
        body = await _read(receive, headers)
        form = validate.form_fields(body)
        key = form.pop("key", "")
        credential = await _form_credential(parts, headers, key, now)
    else:
        credential = await parts.gate.credential(
            headers.get(b"authorization", b"").decode("latin-1"), now
        )
        body = b""
    auth.allow(credential, "submit")
    caller = Caller(headers, credential, ip, parts.settings.public_url)
    limits = await parts.throttle.submission(credential, ip)
    if form is None:
        body = await _read(receive, headers)
        if media not in (b"application/json", b""):
            raise UnsupportedMediaType("Send application/json or " + FORM + ".")
    submission = validate.decode_json(body) if form is None else validate.decode_form(form)
    rules = await rules_for(parts, caller, submission)
    accepted = await parts.intake.submit(
        check(submission, caller, rules, now),
        rules.site.id,
        idempotency=_idempotency(headers, body),
        now=now,
    )
    if form is not None:
        return 303, {"Location": landing(caller, rules, accepted, parts)}, b""
    receipt = f"{parts.settings.public_url}/r/{parts.secrets.receipt(accepted.id)}"
    out = answers.accepted_out(accepted, receipt, full=not caller.publishable)
    answered = {
        "Content-Type": "application/json",
        "Location": f"/v1/comments/{accepted.id}",
        **limits,
    }
    if accepted.replayed:
        answered["Idempotent-Replayed"] = "true"
    return 201, answered, answers.encode(out)


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


async def rules_for(parts: Services, caller: Caller, submission: Submission) -> Rules:
    """The rules of the site a submission is for.

    Raises:
        Invalid: the site is not named and the key does not imply it.
        Forbidden: the key belongs to another site, or is used from elsewhere.
        NotFound: no such site.
    """
    sites = caller.credential.sites
    named = submission.site
    if named is None:
        if sites is None or len(sites) != 1:
            raise invalid("/site", "required", "this key reaches several sites: name one")
        named = next(iter(sites))
    auth.reach(caller.credential, named)
    rules = await parts.rules.get(named)
    if caller.publishable:
        auth.check_origin(rules.site, caller.origin, caller.own)
    return rules


def check(submission: Submission, caller: Caller, rules: Rules, now: int) -> Any:
    """The valid draft of a submission; a web page's address and agent come from the request.

    Raises:
        validate.Invalid: with every field that breaks a rule.
    """
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
        ip=caller.ip,
        user_agent=caller.header(b"user-agent")[:512],
        referrer=caller.header(b"referer")[:2048],
    )


def landing(caller: Caller, rules: Rules, accepted: Any, parts: Services) -> str:
    """Where a form's sender is led: back to the page if it is the site's, else to the receipt."""
    origin = caller.origin or ""
    page: str = accepted.page
    ours = (*rules.site.origins, caller.own)
    if page.startswith("/") and origin in ours:
        return f"{origin}{page}"
    if any(page == o or page.startswith(o + "/") for o in ours):
        return page
    return f"{parts.settings.public_url}/r/{parts.secrets.receipt(accepted.id)}"


def _idempotency(headers: dict[bytes, bytes], body: bytes) -> Idempotency | None:
    """The Idempotency-Key with the body it came with (quoted or not, at most 255 characters)."""
    key = headers.get(b"idempotency-key", b"").decode("latin-1").strip().strip('"')
    if not key:
        if b"idempotency-key" in headers:
            raise invalid("/Idempotency-Key", "empty", "the key may not be empty")
        return None
    if len(key) > 255:
        raise invalid("/Idempotency-Key", "too_long", "at most 255 characters")
    return Idempotency(short_hash(key), hashlib.sha256(body).digest()[:16])


async def _read(receive: Receive, headers: dict[bytes, bytes]) -> bytes:
    """The whole body.

    Raises:
        TooLarge: over the limit; judged by Content-Length before anything is read.
        Malformed: the caller went away.
    """
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > BODY_MAX:
        raise too_large()
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
