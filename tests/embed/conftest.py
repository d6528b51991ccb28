"""Readers' browsers on the demo page of a running service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser import Window, browser
from tests.embed.host import Blog, Host


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """Another website."""
    server = Host()
    yield server
    server.stop()


@pytest.fixture
def blog(winnow: Any, host: Host) -> Blog:
    """A site on that website which approves everything."""
    return Blog(winnow, host)


@pytest.fixture
def window(chromium: Any, winnow: Any, host: Host) -> Iterator[Callable[..., Window]]:
    """Opens a page of the service; nothing may go wrong in it."""
    contexts: list[Any] = []
    windows: list[Window] = []

    def made(
        path: str, *, script: bool = True, expected: tuple[str, ...] = (), **context: Any
    ) -> Window:
        contexts.append(chromium.new_context(java_script_enabled=script, **context))
        windows.append(Window(contexts[-1], winnow.url, host.origin))
        windows[-1].expected = expected
        windows[-1].open(path)
        return windows[-1]

    yield made
    for context in contexts:
        context.close()
    assert [trouble for window in windows for trouble in window.trouble] == []


class Demo:
    """The demo site, from its owner's side."""

    def __init__(self, winnow: Any) -> None:
        self.winnow = winnow
        self.page = f"{winnow.url}/demo"

    def submit(self, **fields: Any) -> dict[str, Any]:
        given = {"site": "demo", "page": self.page, "name": "Ann", "body": "I agree."} | fields
        answer = self.winnow.admin("POST", "/v1/comments", json=given)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def decide(self, comment_id: str, action: str, **more: Any) -> None:
        asked = {"action": action, "version": 1} | more
        path = f"/v1/comments/{comment_id}/decisions"
        assert self.winnow.admin("POST", path, json=asked).status_code == 200

    def published(self, **fields: Any) -> dict[str, Any]:
        comment = self.submit(**fields)
        if comment["status"] != "approved":
            self.decide(comment["id"], "approve")
        return comment

    def latest(self, status: str = "pending") -> dict[str, Any]:
        query = {"site": "demo", "sort": "newest", "limit": "1"}
        answer = self.winnow.admin("GET", f"/v1/queues/{status}", params=query)
        return dict(answer.json()["items"][0])


@pytest.fixture
def demo(winnow: Any) -> Demo:
    return Demo(winnow)
