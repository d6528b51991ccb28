"""Requirements of both scoring doors when they cannot answer now: they say when to come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import openai
import pytest
import redis

from service.store.keys import bucket
from tests.compat import test_openai_moderations as moderations
from tests.compat.perspective_wire import ANALYZE, asked, compat_key, error_of, post
from tests.conftest import Site, Winnow


@pytest.fixture(scope="module")
def without_model(launch_winnow: Callable[..., Winnow]) -> Iterator[Site]:
    winnow = launch_winnow(
        WINNOW_MODEL="nowhere", WINNOW_RATE_LIMITS="on", WINNOW_WEB_PROCESSES="1"
    )
    yield winnow.site()
    winnow.stop()


@pytest.fixture
def over_quota(without_model: Site) -> Site:
    """The buckets of all keys of the site are used up for a minute."""
    site = without_model
    compat_key(site)
    keys = site.winnow.admin("GET", f"/v1/sites/{site.id}/keys").json()["items"]
    with redis.Redis.from_url(site.winnow.redis_url) as client:
        full = (client.time()[0] + 60) * 1_000_000
        for key in keys:
            client.set(bucket("secret", key["id"], site.id), full, ex=60)
    return site


def test_perspective_without_a_model_is_503(without_model: Site) -> None:
    answer = post(without_model, ANALYZE, asked())
    error = error_of(answer, 503)
    assert error["status"] == "UNAVAILABLE"
    assert error["details"][1]["retryDelay"] == f"{answer.headers['retry-after']}s"


def test_openai_without_a_model_is_503(without_model: Site) -> None:
    answer = moderations.ask(without_model, {"input": "a"})
    assert moderations.error_of(answer, 503)["type"] == "server_error"
    assert answer.headers["x-should-retry"] == "true"
    assert int(answer.headers["retry-after-ms"]) == 1000 * int(answer.headers["retry-after"])


def test_perspective_over_the_limit_is_429(over_quota: Site) -> None:
    answer = post(over_quota, ANALYZE, asked())
    error = error_of(answer, 429)
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert error["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit"].startswith('"secret";r=0')


def test_openai_over_the_limit_is_429(over_quota: Site) -> None:
    answer = moderations.ask(over_quota, {"input": "a"})
    assert moderations.error_of(answer, 429)["code"] == "rate_limit_exceeded"
    assert answer.headers["x-should-retry"] == "true"
    url = f"{over_quota.winnow.url}/v1"
    with (
        openai.OpenAI(api_key=over_quota.secret, base_url=url, max_retries=0) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.moderations.create(input="a")
