"""Moderators with sessions, and their browsers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.browser import Window, browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture
def link(winnow: Any, site: Any) -> Callable[..., str]:
    """A one-time sign-in link of a new moderator of `site`."""

    def made(
        role: str = "moderator", name: str = "Dana Fox", sites: list[str] | None = None
    ) -> str:
        person = {"name": name, "email": "dana@staff.example", "role": role}
        asked = person | {"sites": [site.id]}
        answer = winnow.admin("POST", "/v1/moderators", json=asked)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["sign_in"])

    return made


WORDS = """
bridge river bakery council morning school ferry winter garden timetable engineer corner salt
photograph market steel detour bicycle opening harbour lantern orchard pavement museum signal
weather library tunnel budget meadow concert printer kettle window island copper velvet ladder
"""


def varied(number: int) -> str:
    """A friendly sentence that is like no other one."""
    return " ".join(random.Random(number).sample(WORDS.split(), 12)) + "."


class Desk:
    """A moderator's console without a browser: plain HTTP with a cookie."""

    def __init__(self, winnow: Any, sign_in: str) -> None:
        self.http = httpx.Client(
            base_url=winnow.url, timeout=20, headers={"Sec-Fetch-Site": "same-origin"}
        )
        answer = self.http.post("/console/sign-in", data={"token": sign_in.partition("token=")[2]})
        assert answer.status_code == 303, answer.text

    def queue(self, **query: str) -> str:
        answer = self.http.get("/console", params=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.queue())
        assert found
        return found[1]

    def decide(self, comment_id: str, action: str, version: int, **more: Any) -> httpx.Response:
        fields = {"csrf": self.csrf(), "action": action, "version": str(version)}
        return self.http.post(
            f"/console/comments/{comment_id}",
            data=fields | more.pop("fields", {}),
            **more,
        )


@pytest.fixture
def desk(winnow: Any, link: Callable[..., str]) -> Iterator[Callable[..., Desk]]:
    """Opens a moderator's console over plain HTTP."""
    opened: list[Desk] = []

    def made(**person: Any) -> Desk:
        opened.append(Desk(winnow, link(**person)))
        return opened[-1]

    yield made
    for one in opened:
        one.http.close()


@pytest.fixture
def seated(winnow: Any) -> Iterator[Callable[[str], Desk]]:
    """Opens the console of whoever a link is for, over plain HTTP."""
    opened: list[Desk] = []

    def made(sign_in: str) -> Desk:
        opened.append(Desk(winnow, sign_in))
        return opened[-1]

    yield made
    for one in opened:
        one.http.close()


@pytest.fixture
def window(chromium: Any, winnow: Any, link: Callable[..., str]) -> Iterator[Callable[..., Window]]:
    """Opens a browser that is signed in; nothing may go wrong in it."""
    contexts: list[Any] = []
    windows: list[Window] = []

    def made(*, script: bool = True, **person: Any) -> Window:
        contexts.append(chromium.new_context(java_script_enabled=script))
        windows.append(Window(contexts[-1], winnow.url))
        windows[-1].open(link(**person))
        windows[-1].page.get_by_role("button", name="Sign in").click()
        windows[-1].page.wait_for_url("**/console")
        return windows[-1]

    yield made
    for context in contexts:
        context.close()
    assert [trouble for window in windows for trouble in window.trouble] == []
