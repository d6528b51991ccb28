"""Counting what is different among millions of texts, in little memory."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray


class Distinct:
    """How many different texts there were, at 8 bytes each."""

    RECENT_MAX: Final = 1 << 16

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._settled: NDArray[np.uint64] = np.empty(0, np.uint64)

    def add(self, text: str) -> None:
        """Counts a text, unless it was counted before."""
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        self._recent.add(int.from_bytes(digest))
        if len(self._recent) >= self.RECENT_MAX:
            self._settle()

    def __len__(self) -> int:
        self._settle()
        return len(self._settled)

    def _settle(self) -> None:
        recent = np.fromiter(self._recent, np.uint64, len(self._recent))
        self._settled = np.union1d(self._settled, recent)
        self._recent.clear()
