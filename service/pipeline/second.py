"""The second stage of scoring: a sentence encoder in a thread of its own, given up under load.

It costs about a hundred times as much as the first stage, so it never keeps a comment waiting for
long: when too many are in line, or one waits too long, the first stage's scores stand alone. Each
outcome is counted. It is handed its encoder and knows nothing else of the classifier.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Protocol

from service import log, metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float32
    from numpy.typing import NDArray

    Row = NDArray[float32]

MOST_WAITING: Final = 32
"""Texts in line at most; further ones are not read by the second stage."""
PATIENCE_S: Final = 0.5
"""How long a comment waits for the second stage at most."""


class Encoder(Protocol):
    """What is asked of the classifier's encoder."""

    @property
    def version(self) -> str:
        """Its name."""

    def refine(self, texts: Sequence[str], scores: Any) -> Any:
        """The first stage's probabilities, improved; NaN in a row that the encoder cannot judge."""


class SecondStage:
    """Refines scores one text at a time, or says that it did not."""

    def __init__(
        self,
        encoder: Encoder | None,
        *,
        most_waiting: int = MOST_WAITING,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.encoder = encoder
        self._most_waiting = most_waiting
        self._patience_s = patience_s
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="second-stage")

    @property
    def version(self) -> str:
        """The encoder's version; empty without one."""
        return self.encoder.version if self.encoder else ""

    async def refined(self, text: str, row: Row) -> tuple[str, Row | None]:
        """What came of it, counted, and the scores of both stages; None: the first's stand."""
        outcome, found = await self._tried(text, row)
        metrics.SECOND_STAGE.labels(outcome).inc()
        return outcome, found

    async def _tried(self, text: str, row: Row) -> tuple[str, Row | None]:
        if self.encoder is None:
            return "unavailable", None
        if self._waiting >= self._most_waiting:
            return "full", None
        self._waiting += 1
        try:
            return await self._read(self.encoder, text, row)
        finally:
            self._waiting -= 1

    async def _read(self, encoder: Encoder, text: str, row: Row) -> tuple[str, Row | None]:
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, encoder.refine, [text], row[None])
        try:
            found: Row = (await asyncio.wait_for(work, self._patience_s))[0]
        except TimeoutError:
            return "late", None
        except Exception as error:  # a failing encoder must cost no comment its first scores
            log.get("score").error("second_stage_failed", error=type(error).__name__)
            return "failed", None
        return ("read", found) if isfinite(found[0]) else ("unreadable", None)
