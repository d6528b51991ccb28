"""Webhooks as others see them: secrets, signatures, what is sent, when it is sent again. Pure.

Standard Webhooks 1.0.0 (https://www.standardwebhooks.com), so that receivers in any language can
verify with a library.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from service.errors import invalid
from service.ids import random_id
from service.outgoing import Answered, Failed, Outgoing, Refused
from service.pipeline import fields
from service.pipeline.publish import published
from service.records import StoredComment
from service.store.deliveries import Delivery
from service.store.events import EVENTS
from service.store.webhooks import Endpoint

SECRET_PREFIX: Final = "whsec_"  # noqa: S105
ROTATION_MS: Final = 24 * 3_600_000
"""How long a replaced secret goes on signing beside the new one."""
PAYLOAD_MAX: Final = 20_000
"""Bytes of a payload at most; a text that does not fit is left out, and said to be."""
SCHEDULE_S: Final = (5, 30, 120, 600, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 24 * 3600, 24 * 3600)
"""Seconds between one try and the next: the first at once, ten more over some 66 hours."""
JITTER: Final = 0.2
"""A wait is this share shorter or longer, by chance, so that retries do not come in step."""
ASKED_MAX_S: Final = 24 * 3600
"""How long a receiver may put us off by `Retry-After`."""
_WAITS: Final = frozenset({429, 502, 503, 504})
"""Answers whose `Retry-After` counts."""
FAILING_MS: Final = 3_600_000
"""An endpoint that took nothing for an hour is failing."""
TEST: Final = "webhook.test"
"""The event that only `POST …/test` sends."""


def state_of(endpoint: Endpoint, now: int) -> Literal["active", "failing", "paused", "disabled"]:
    """How an endpoint stands at `now`, ms."""
    if endpoint.disabled:
        return "disabled"
    if endpoint.paused:
        return "paused"
    since = endpoint.failing_since
    return "active" if since is None or now - since < FAILING_MS else "failing"


def checked_url(outgoing: Outgoing, text: str) -> str:
    """A receiver's URL in canonical form, if it is one we would connect to.

    Raises:
        Invalid: it is not.
    """
    try:
        url = fields.url(text)
        outgoing.check(url)
    except fields.Wrong as wrong:
        raise invalid("/url", wrong.code, wrong.detail) from None
    except Refused as refused:
        raise invalid("/url", "invalid_url", refused.reason) from None
    return url


def checked_events(events: Sequence[str]) -> tuple[str, ...]:
    """The events an endpoint wants, each once.

    Raises:
        Invalid: there is no such event.
    """
    for i, name in enumerate(events):
        if name not in EVENTS:
            raise invalid(f"/events/{i}", "out_of_range", f"one of {', '.join(EVENTS)}")
    return tuple(dict.fromkeys(events))


def new_secret() -> str:
    """32 random bytes, as receivers keep them."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(live: Sequence[str], delivery_id: str, body: bytes, now: int) -> dict[str, str]:
    """What names, dates and signs one attempt, once for each live secret; `now` in ms."""
    seconds = now // 1000
    signed = f"{delivery_id}.{seconds}.".encode() + body
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in live),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


# ---------------------------------------------------------------------------- payload


class Text(Struct, kw_only=True):
    """An approved comment as a website shows it."""

    name: str
    url: str | None
    body: str | None
    """None where it does not fit: read the comment by its id."""
    created_at: str
    edited_at: str | None
    parent: str | None
    metadata: dict[str, Any]


class Data(Struct, kw_only=True):
    """What an event is about; never an address, an IP or a score."""

    id: str
    site: str
    page: str | None
    status: str
    before: str | None
    version: int
    test: bool
    comment: Text | None
    """None unless the comment is approved, at the event and now."""


def payload(site: str, delivery: Delivery, stored: StoredComment | None) -> bytes:
    """The body that is sent; `stored` is the event's comment as it stands now."""
    if delivery.event == TEST:
        content: dict[str, Any] | Data = {"site": site}
    else:
        content = Data(
            id=delivery.comment,
            site=site,
            page=stored.comment.page if stored else None,
            status=delivery.status,
            before=delivery.before or None,
            version=delivery.version,
            test=stored.comment.test if stored else False,
            comment=_text(delivery, stored),
        )
    body = _encoded(delivery, content)
    if len(body) > PAYLOAD_MAX and isinstance(content, Data) and content.comment:
        content.comment.body = None
        body = _encoded(delivery, content)
    return body


def _encoded(delivery: Delivery, content: dict[str, Any] | Data) -> bytes:
    return msgspec.json.encode(
        {"type": delivery.event, "timestamp": _iso(delivery.at), "data": content}
    )


def _text(delivery: Delivery, stored: StoredComment | None) -> Text | None:
    """What may be shown: a text that was taken back meanwhile is not handed out any more."""
    if (
        stored is None
        or not delivery.status == stored.status == "approved"
        or not stored.comment.body
    ):
        return None
    shown = published(stored.comment)
    return Text(
        name=shown.name,
        url=shown.url,
        body=shown.body,
        created_at=_iso(shown.created_at),
        edited_at=None if shown.edited_at is None else _iso(shown.edited_at),
        parent=shown.parent,
        metadata=stored.comment.metadata,
    )


def test_delivery(now: int) -> tuple[str, Delivery]:
    """A delivery that stands behind no event, and its id; `now` in ms."""
    delivery = Delivery(event=TEST, comment="", version=0, status="", before="", at=now)
    return f"msg_test_{random_id()}", delivery


def _iso(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ---------------------------------------------------------------------------- outcome


class Outcome(Struct, frozen=True):
    """What one attempt leads to."""

    state: Literal["delivered", "retry", "dead"]
    status: int = 0
    """The receiver's HTTP status; 0 where there was none."""
    error: str = ""
    wait_ms: int = 0
    """Until the next attempt."""
    disable: str = ""
    """Why nothing is sent to this endpoint any more."""


def outcome(
    result: Answered | Failed, attempts: int, schedule: Sequence[float], *, chance: float
) -> Outcome:
    """What the result of attempt number `attempts` leads to; `chance` is 0 to 1."""
    if isinstance(result, Failed):
        status, error, asked_s = 0, result.reason, 0.0
    else:
        status, error = result.status, f"answered {result.status}"
        asked_s = (result.retry_after_s or 0.0) if status in _WAITS else 0.0
        if 200 <= status < 300:
            return Outcome("delivered", status)
        if status == 410:
            return Outcome("dead", status, error, disable="the receiver answered 410 Gone")
    if attempts > len(schedule):
        return Outcome("dead", status, error)
    wait_s = schedule[attempts - 1] * (1 - JITTER + 2 * JITTER * chance)
    return Outcome("retry", status, error, int(max(wait_s, min(asked_s, ASKED_MAX_S)) * 1000))
