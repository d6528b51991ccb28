"""A service with its limits on, behind a proxy that tests are: each call may come from anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.conftest import Winnow

_networks = itertools.count(1)


@pytest.fixture(scope="session")
def limited(launch_winnow: Callable[..., Winnow]) -> Winnow:
    """One web process with all limits on, which believes X-Forwarded-For."""
    return launch_winnow(
        lasting=True,
        WINNOW_RATE_LIMITS="on",
        WINNOW_WEB_PROCESSES="1",
        WINNOW_TRUSTED_PROXIES="127.0.0.0/8",
        WINNOW_REQUESTS_MAX="40",
        WINNOW_STREAMS_MAX="8",
        WINNOW_STREAM_S="2",
        WINNOW_CONNECTIONS_MAX="900",
        WINNOW_LOG_LEVEL="debug",
    )


@pytest.fixture
def somewhere() -> str:
    """A network address nobody has used yet, in a neighbourhood of its own."""
    number = next(_networks)
    return f"100.{64 + number // 250}.{number % 250}.7"
