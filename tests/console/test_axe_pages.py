"""No page besides the queue has a serious fault for people who use a screen reader either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.console.conftest import varied
from tests.console.test_axe import AXE, faults
from tests.console.test_shell import PAGES


@pytest.mark.browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run `make node-clients`")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_has_a_serious_fault(
    winnow: Any, site: Any, window: Callable[..., Any], scheme: str, width: int
) -> None:
    for number in range(3):
        site.submitted(body=varied(number), email=f"r{number}@example.org")
    winnow.admin("PUT", f"/v1/sites/{site.id}/bans/spam.example", json={"reason": "spam"})
    hook = {"url": "https://a.example/hook", "events": ["comment.approved"]}
    made = winnow.admin("POST", f"/v1/sites/{site.id}/webhooks", json=hook)
    opened = window(role="admin")
    opened.expected = ("422 (Unprocessable",)
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    found: dict[str, Any] = {}

    def look(name: str) -> None:
        page.wait_for_load_state()
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        found[name] = faults(page)

    for name in (*PAGES, f"webhooks/{made.json()['id']}", "sign-in"):
        opened.open(f"/console/{name}")
        look(name)
    opened.open("/console/keys")
    page.get_by_role("button", name="Make key").click()
    look("a new key")
    opened.open("/console/policy")
    page.locator('[name="authors.hold_first"]').fill("0")
    page.get_by_role("button", name="Preview").click()
    page.locator("#preview").wait_for()
    look("a preview")
    page.locator('[name="block"]').fill("one => two")
    page.get_by_role("button", name="Save as version").first.click()
    page.get_by_text("Nothing was saved").wait_for()
    look("a refused policy")
    assert {name: each for name, each in found.items() if each} == {}
