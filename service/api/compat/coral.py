"""Coral's external moderation phase: a comment's verdict while Coral waits; stores nothing.

Coral asks last, after its own phases, and takes any answer but 200 and 204 as "go on without": so
every failure here is an ordinary problem document, and Coral publishes by its own rules. It keeps
its authors' records itself and never names them, so a verdict is on the text alone.

Contract: coralproject/talk, EXTERNAL_MODERATION_PHASES.md and WEBHOOKS.md (signatures).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from litestar import Response, get, post, put
from msgspec import Meta, Struct

from service.api import answers
from service.api.compat import door
from service.api.requests import BULK_MAX, Req, decode, read_body, read_json, services
from service.api.sites import WRITE_PROBLEMS, own_site, owners_operation
from service.errors import Forbidden, Unauthenticated, Unavailable
from service.importing.plain import to_text
from service.pipeline.decide import decide_text
from service.pipeline.reasons import counting
from service.records import Draft, Outcome, Verdict

SENDER: Final = "coral"
HTML_MAX: Final = 65_536
TEXT_MAX: Final = 10_000
"""Characters that are read; a comment that is longer waits for a human, should it pass."""

_TYPED: Final = re.compile(
    r"<(?!/?(?:a|b|strong|i|em|s|u|span|blockquote|ul|ol|li|div|br|p)"
    r"(?: [a-z]+=\"[^\"<>]*\")* ?/?>)"
)
"""A bracket that begins none of the tags Coral's sanitiser writes: where the phase is set to plain
text, somebody typed it."""

Status = Literal["REJECTED", "PREMOD", "SYSTEM_WITHHELD"]
_STATUS: Final[dict[Outcome, Status]] = {
    "spam": "SYSTEM_WITHHELD",
    "reject": "REJECTED",
    "hold": "PREMOD",
}
"""What becomes of a comment; one that is held as toxic is withheld, as after Perspective."""

Secret = Annotated[str, Meta(min_length=16, max_length=256, pattern=r"^\S+$")]


class CoralComment(Struct):
    """The comment, as far as it is read."""

    body: str | None


class CoralRequest(Struct):
    """What Coral sends; the author, the story and whatever it may add are not read."""

    comment: CoralComment
    action: str = "NEW"


class CoralFlag(Struct):
    """A flag that Coral's moderators see."""

    reason: Literal["COMMENT_DETECTED_TOXIC", "COMMENT_DETECTED_SPAM"]
    actionType: Literal["FLAG"] = "FLAG"  # noqa: N815


class CoralAnswer(Struct):
    """What Coral is to do."""

    actions: list[CoralFlag]
    status: Status


class CoralSecretsIn(Struct, forbid_unknown_fields=True):
    """The signing secrets of Coral's phase; two while one is being rotated."""

    secrets: Annotated[list[Secret], Meta(max_length=10)]


class CoralSecretsOut(Struct):
    """How many secrets are kept; they are never shown."""

    secrets: int


@post(
    "/coral/moderation",
    status_code=200,
    request_max_body_size=BULK_MAX,
)
async def moderation(request: Req) -> Response[bytes]:
    """The verdict of the site's policy on one comment."""
    key = request.query_params.get("key", "").strip()
    if not key:
        raise Unauthenticated("Put a key into the URL: /coral/moderation?key=…")
    guest = await door.enter(services(request), key)
    if guest.site is None:
        raise Forbidden("Use a compat or secret key: it belongs to one site.")
    body = await read_body(request)
    await _check_signature(request, guest.site, body)
    found = await _answer(request, guest.site, decode(body, CoralRequest).comment.body or "")
    if found is None:
        return Response(b"", status_code=204, headers=guest.limits)
    return answers.answer(found, headers=guest.limits)


async def _check_signature(request: Req, site: str, body: bytes) -> None:
    """Nothing where the site keeps no secret, or one of the signatures is by one of them.

    Raises:
        Unauthenticated.
    """
    secrets = await services(request).store.signing.of(site, SENDER)
    header = request.headers.get("x-coral-signature", "")
    if secrets and not is_signed(body, header, secrets):
        raise Unauthenticated("X-Coral-Signature is missing, or not by a secret kept here.")


def is_signed(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether one of the header's signatures is by one of the secrets, in constant time for each.

    Args:
        header: `sha256=<hex>[,sha256=<hex>…]`: Coral signs with every secret that is active.
    """
    given = [part.strip().removeprefix("sha256=").encode() for part in header.split(",")]
    made = [hmac.new(secret.encode(), body, "sha256").hexdigest().encode() for secret in secrets]
    return any(hmac.compare_digest(ours, theirs) for ours in made for theirs in given)


async def _answer(request: Req, site: str, html: str) -> CoralAnswer | None:
    """What to do with a comment; None = nothing.

    Raises:
        Unavailable: no model could read it.
    """
    parts = services(request)
    text = plain(html[:HTML_MAX])
    if not text:
        return None
    draft = Draft(page="/", name="", email="", body=text[:TEXT_MAX])
    rules = await parts.rules.get(site)
    scored = await parts.scorer.score(draft)
    if scored.scores is None:
        raise Unavailable("No model is loaded.", retry_after_s=30)
    verdict = decide_text(draft, scored, rules.policy, rules.lists, now=parts.now())
    if verdict.outcome != "approve":
        return answer_to(verdict)
    unread = len(html) > HTML_MAX or len(text) > TEXT_MAX
    return CoralAnswer([], "PREMOD") if unread else None


def plain(html: str) -> str:
    """The text of a comment, whether the phase is set to HTML or to plain text."""
    return to_text(_TYPED.sub("&lt;", html))


def answer_to(verdict: Verdict) -> CoralAnswer:
    """What a verdict other than approve means to Coral."""
    codes = [reason.code for reason in counting(verdict.reasons)]
    flags: list[CoralFlag] = []
    if any(code.partition(".")[0] == "toxicity" for code in codes):
        flags.append(CoralFlag("COMMENT_DETECTED_TOXIC"))
    if verdict.outcome == "spam" or "spam" in codes:
        flags.append(CoralFlag("COMMENT_DETECTED_SPAM"))
    toxic = verdict.outcome == "hold" and CoralFlag("COMMENT_DETECTED_TOXIC") in flags
    return CoralAnswer(flags, "SYSTEM_WITHHELD" if toxic else _STATUS[verdict.outcome])


@put(
    "/v1/sites/{site:str}/coral",
    opt=owners_operation(
        "Keep the signing secrets of Coral's external phase, and no others",
        body=CoralSecretsIn,
        answers={200: CoralSecretsOut},
        problems=WRITE_PROBLEMS,
    ),
)
async def keep_secrets(request: Req, site: str) -> Response[bytes]:
    """Replace the secrets; with none, the key alone admits."""
    await own_site(request, site)
    asked = await read_json(request, CoralSecretsIn)
    secrets = tuple(dict.fromkeys(asked.secrets))
    await services(request).store.signing.replace(site, SENDER, secrets)
    return answers.answer(CoralSecretsOut(len(secrets)))


@get(
    "/v1/sites/{site:str}/coral",
    opt=owners_operation(
        "Count the signing secrets of Coral's external phase", answers={200: CoralSecretsOut}
    ),
)
async def count_secrets(request: Req, site: str) -> Response[bytes]:
    """How many secrets are kept."""
    await own_site(request, site)
    secrets = await services(request).store.signing.of(site, SENDER)
    return answers.answer(CoralSecretsOut(len(secrets)))


ROUTES: tuple[Any, ...] = (keep_secrets, count_secrets)
DOOR: tuple[Any, ...] = (moderation,)
