"""The API's documentation page: complete, offline, usable by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from service.errors import WinnowError
from tests.browser import Window


def kinds(kind: type[WinnowError] = WinnowError) -> Iterator[type[WinnowError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from kinds(narrower)


def test_every_problem_leads_to_its_entry(winnow: Any) -> None:
    page = httpx.get(f"{winnow.url}/docs/problems").text
    for kind in kinds():
        assert f'id="{kind.code}"' in page
    problem = httpx.get(f"{winnow.url}/v1/queues").json()
    path, _, anchor = problem["type"].partition("#")
    assert f'id="{anchor}"' in httpx.get(f"{winnow.url}{path}").text


@pytest.fixture
def window(chromium: Any, winnow: Any) -> Iterator[Callable[..., Window]]:
    opened: list[Window] = []
    context = chromium.new_context()

    def made(path: str, *expected: str) -> Window:
        opened.append(Window(context, winnow.url))
        opened[-1].expected = expected
        opened[-1].open(path)
        return opened[-1]

    yield made
    context.close()
    assert [trouble for one in opened for trouble in one.trouble] == []


@pytest.mark.browser
def test_every_operation_is_listed_and_opens(winnow: Any, window: Callable[..., Any]) -> None:
    document = httpx.get(f"{winnow.url}/openapi.json").json()
    expected = {op["operationId"] for path in document["paths"].values() for op in path.values()}
    page = window("/docs").page
    page.locator(".op").first.wait_for()
    found = page.locator(".op").evaluate_all("all => all.map(one => one.id)")
    assert set(found) == expected
    page.locator(".op").evaluate_all("all => all.forEach(one => { one.open = true })")
    page.wait_for_function(f"document.querySelectorAll('.inside').length === {len(expected)}")


@pytest.mark.browser
def test_a_deep_link_opens_its_operation(window: Callable[..., Any]) -> None:
    page = window("/docs#post_comments").page
    page.locator("#post_comments[open] textarea").wait_for()


@pytest.mark.browser
def test_an_operation_can_be_tried(site: Any, window: Callable[..., Any]) -> None:
    page = window("/docs#post_comments", "422", "401").page
    operation = page.locator("#post_comments")
    operation.get_by_role("button", name="Send").click()
    operation.locator(".result .s4").wait_for()
    page.get_by_label("Key", exact=True).fill(site.secret)
    operation.get_by_role("button", name="Send").focus()
    page.keyboard.press("Enter")
    operation.locator(".result .s2").wait_for()
    operation.get_by_text('"status": "pending"').wait_for()
    assert site.counts()["pending"] == 1
    page.reload()
    assert page.get_by_label("Key", exact=True).input_value() == ""


@pytest.mark.browser
def test_the_index_finds_an_operation_by_its_words(window: Callable[..., Any]) -> None:
    page = window("/docs").page
    page.locator(".op").first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("renew")
    assert page.locator("#groups a:visible").count() == 1
