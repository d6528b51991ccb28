"""A real browser on the pages of a running service, listening for everything that goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Window:
    """One page in a context of its own; remembers dialogs, errors and foreign requests."""

    def __init__(self, context: Any, origin: str, *hosts: str) -> None:
        self.page = context.new_page()
        self.origin = origin
        self.allowed = (origin, *hosts, "data:", "about:")
        self.trouble: list[str] = []
        self.expected: tuple[str, ...] = ()
        self.page.set_default_timeout(8000)
        self.page.on("dialog", self._dialog)
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def _dialog(self, dialog: Any) -> None:
        self.trouble.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: Any) -> None:
        text = message.text
        if message.type in ("error", "warning") and not any(e in text for e in self.expected):
            self.trouble.append(f"console: {text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.allowed):
            self.trouble.append(f"foreign request: {request.url}")

    def open(self, path: str) -> Any:
        """Goes to a path of the service."""
        return self.page.goto(path if path.startswith(("http", "about:")) else self.origin + path)


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium; skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
