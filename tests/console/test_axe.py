"""No page of the queue has a serious fault for people who use a screen reader or low contrast.

`make node-clients` installs axe-core as `tests/console/node/package-lock.json` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.console.test_queue import fill

FOLDER = Path(__file__).parent / "node"
AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter(each => ['serious', 'critical'].includes(each.impact))
  .map(each => [each.id, each.nodes.map(node => node.html.slice(0, 200))])"""


def test_the_lock_pins_axe_by_its_hash_and_names_no_registry() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    ((_, row),) = [(path, row) for path, row in lock["packages"].items() if path]
    asked = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert row["integrity"].startswith("sha512-")
    assert "resolved" not in row
    assert asked == {"axe-core": row["version"]}


def faults(page: Any) -> Any:
    """What axe-core finds that is serious or critical."""
    page.evaluate(AXE.read_text())
    return page.evaluate(RUN)


@pytest.mark.browser
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run `make node-clients`")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_queue_has_no_serious_fault(
    site: Any, window: Callable[..., Any], scheme: str, width: int
) -> None:
    fill(site, 3)
    for number in range(3):
        site.submitted(body=f"Get a loan of 50,000 dollars now 0{number}", email=f"u{number}@c.org")
    asked = site.submitted(name="Bea", body="Has anybody asked?", email="bea@example.org")
    site.decide(asked["id"], "approve", 1)
    site.submitted(body="You are a complete idiot, shut up. " * 60, parent=asked["id"])
    page = window().page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.reload()
    found = {"queue": faults(page)}
    page.locator(".scores summary").last.click()
    page.locator(".find summary").click()
    page.keyboard.press("x")
    found["opened"] = faults(page)
    for key, name in (("n", "note"), ("d", "reason"), ("b", "ban"), ("?", "help")):
        page.locator("#cards .card").first.focus()
        page.keyboard.press(key)
        page.locator("dialog[open]").wait_for()
        page.wait_for_timeout(200)
        found[name] = faults(page)
        page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.locator(".toast").wait_for()
    found["decided"] = faults(page)
    page.locator("#cards .when").last.click()
    page.locator("#drawer").get_by_text("Open as a page").click()
    page.locator("main.queue [data-part]").wait_for()
    found["comment"] = faults(page)
    page.get_by_role("link", name="The author").click()
    page.locator(".record-row").wait_for()
    found["author"] = faults(page)
    assert {name: each for name, each in found.items() if each} == {}
