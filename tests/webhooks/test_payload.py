"""Requirements of what is sent: signed as the standard says, enough to act on, nothing private."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service import webhooks
from service.outgoing import Answered, TooSlow
from service.records import Site, StoredComment
from service.store.deliveries import Delivery
from service.store.webhooks import Endpoint
from service.webhooks import PAYLOAD_MAX, SCHEDULE_S
from tests.store.builders import NOW, build

SITE = Site(id="blog", number=7)


def delivery(event: str = "comment.approved", **fields: Any) -> Delivery:
    plain = {"comment": "C", "version": 2, "status": "approved", "before": "pending", "at": NOW}
    return Delivery(event=event, **(plain | fields))


def stored(status: Any = "approved", **fields: Any) -> StoredComment:
    return StoredComment(comment=build(SITE, **fields), status=status, version=2)


def sent(*given: Any) -> Any:
    return msgspec.json.decode(webhooks.payload("blog", *given))


# ------------------------------------------------------------------------- signature


def test_a_secret_is_32_random_bytes_in_the_standards_form() -> None:
    made = {webhooks.new_secret() for _ in range(10)}
    assert len(made) == 10
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32


def now_ms() -> int:
    import time

    return time.time_ns() // 1_000_000


def test_the_official_library_verifies_and_refuses_what_was_changed() -> None:
    secret, body = webhooks.new_secret(), b'{"type":"comment.approved"}'
    headers = webhooks.headers([secret], "msg_1", body, now_ms())
    assert Webhook(secret).verify(body, headers) == {"type": "comment.approved"}
    assert Webhook(secret.removeprefix("whsec_")).verify(body, headers)
    for changed in (
        (Webhook(webhooks.new_secret()), body, headers),
        (Webhook(secret), body + b" ", headers),
        (Webhook(secret), body, headers | {"webhook-id": "msg_2"}),
        (
            Webhook(secret),
            body,
            headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
        ),
        (Webhook(secret), body, webhooks.headers([secret], "msg_1", body, now_ms() - 400_000)),
    ):
        with pytest.raises(WebhookVerificationError):
            changed[0].verify(*changed[1:])


def test_a_vector_of_the_standards_reference_implementation() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, libraries/python/tests."""
    signed = webhooks.headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        1_614_265_330_000,
    )
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_sign_and_later_only_the_new_one() -> None:
    old, new, body = webhooks.new_secret(), webhooks.new_secret(), b"{}"
    now = now_ms()
    endpoint = Endpoint(id="e", url="", events=(), secret=new, old_secret=old, old_until=now + 1000)
    both = webhooks.headers(endpoint.secrets(now), "msg_1", body, now)
    assert len(both["webhook-signature"].split()) == 2
    assert Webhook(old).verify(body, both) == Webhook(new).verify(body, both) == {}
    later = webhooks.headers(endpoint.secrets(now + 1000), "msg_1", body, now)
    assert Webhook(new).verify(body, later) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, later)


# --------------------------------------------------------------------------- payload


def test_an_approved_comment_comes_with_what_a_website_shows_and_nothing_else() -> None:
    comment = stored(
        name="Ann", url="https://ann.example", metadata={"section": "politics"},
        scores={"spam": 0.97}, reasons=("toxicity.insult",), parent="P",
    )  # fmt: skip
    assert sent(delivery(), comment) == {
        "type": "comment.approved",
        "timestamp": "2025-10-09T08:53:20.000Z",
        "data": {
            "id": "C",
            "site": "blog",
            "page": "https://news.example/a",
            "status": "approved",
            "before": "pending",
            "version": 2,
            "test": False,
            "comment": {
                "name": "Ann",
                "url": "https://ann.example",
                "body": "Hello",
                "created_at": "2025-10-09T08:53:20.000Z",
                "edited_at": None,
                "parent": "P",
                "metadata": {"section": "politics"},
            },
        },
    }
    assert comment.comment.author not in str(sent(delivery(), comment))


@pytest.mark.parametrize(
    ("status", "now"),
    [("spam", "spam"), ("approved", "spam"), ("pending", "approved"), ("approved", "erased")],
)
def test_a_text_goes_out_only_if_it_is_approved_at_the_event_and_now(status: str, now: str) -> None:
    told = sent(delivery(f"comment.{status}", status=status), stored(now, body="Top secret"))
    assert told["data"]["comment"] is None
    assert told["data"]["status"] == status
    assert "secret" not in str(told)


def test_an_event_of_a_comment_that_is_gone_is_still_told() -> None:
    told = sent(delivery("comment.erased", status="erased", before=""), None)["data"]
    assert (told["page"], told["before"], told["comment"]) == (None, None, None)


def test_a_payload_stays_below_20_kb_and_says_when_a_text_was_left_out() -> None:
    big = {"page": "https://news.example/" + "p" * 2000, "url": "https://a.example/" + "u" * 2000}
    fits = webhooks.payload("blog", delivery(), stored(body="x" * 10_000, **big))
    assert len(fits) < PAYLOAD_MAX
    assert msgspec.json.decode(fits)["data"]["comment"]["body"] == "x" * 10_000
    for char in ("\U0001f600", "\u6f22", '"', "\x7f"):
        metadata = {"m": "x" * 1900}
        body = webhooks.payload(
            "blog", delivery(), stored(body=char * 10_000, metadata=metadata, **big)
        )
        assert len(body) <= PAYLOAD_MAX
        assert msgspec.json.decode(body)["data"]["comment"]["body"] in (None, char * 10_000)


# ------------------------------------------------------------------- what comes of it


def outcome(result: Any, attempts: int = 1, chance: float = 0.5) -> webhooks.Outcome:
    return webhooks.outcome(result, attempts, SCHEDULE_S, chance=chance)


def test_only_2xx_is_success() -> None:
    for status in (*range(200, 210), 299):
        assert outcome(Answered(status)).state == "delivered"
    for status in (199, 300, 301, 302, 307, 308, 400, 404, 429, 500, 503):
        assert outcome(Answered(status)).state == "retry", status
    assert outcome(TooSlow("no answer within 10 s")).state == "retry"


def test_the_waits_grow_over_some_three_days_with_chance_in_them() -> None:
    waits = [outcome(Answered(500), i + 1).wait_ms / 1000 for i in range(10)]
    assert waits == [5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 86_400, 86_400]
    assert 2.5 < sum(waits) / 86_400 < 3
    assert outcome(Answered(500), 11).state == "dead"
    assert outcome(TooSlow(""), 1, 0.0).wait_ms == 4000
    assert outcome(TooSlow(""), 1, 0.999).wait_ms == 5998


def test_retry_after_can_only_prolong_a_wait_and_not_without_end() -> None:
    for status, asked_s in itertools.product((429, 502, 503, 504), (1, 60, 10**9)):
        waited_s = outcome(Answered(status, asked_s)).wait_ms / 1000
        assert waited_s == {1: 5, 60: 60, 10**9: 86_400}[asked_s]
    assert outcome(Answered(500, 60)).wait_ms == 5000


def test_410_gives_up_at_once_and_disables() -> None:
    told = outcome(Answered(410))
    assert (told.state, bool(told.disable)) == ("dead", True)
    assert not outcome(Answered(404)).disable


def test_an_endpoint_is_failing_after_an_hour_without_success() -> None:
    endpoint = Endpoint(id="e", url="", events=(), secret="", failing_since=NOW)
    assert webhooks.state_of(endpoint, NOW + 3_599_999) == "active"
    assert webhooks.state_of(endpoint, NOW + 3_600_000) == "failing"
    paused = msgspec.structs.replace(endpoint, paused=True)
    assert webhooks.state_of(paused, NOW + 3_600_000) == "paused"
    gone = msgspec.structs.replace(paused, disabled="410")
    assert webhooks.state_of(gone, NOW) == "disabled"
