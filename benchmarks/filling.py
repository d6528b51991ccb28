"""Fills a site's queue straight through the store, as fast as the submit script goes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

AT_ONCE = 256


class Filler:
    """Comments of real texts, decided once per text and then stored under ever new ids."""

    def __init__(self, site: str, texts: list[str], dice: random.Random) -> None:
        self._site = site
        self._texts = texts
        self._dice = dice
        self.stored = 0
        self.key = ""

    async def fill(self, home: Path, size: int) -> float:
        """Stores comments until there are `size`; comments a second."""
        raise NotImplementedError

    async def store_figures(self, home: Path) -> dict[str, Any]:
        """Memory of the store, and bytes on disk."""
        raise NotImplementedError
