"""Score: what the checks find in a comment; concurrent comments share one vectorised call.

All comments waiting in one turn of the event loop are scored together (a micro-batch): the fixed
cost of a call is paid once, and nobody waits for a timer. Without a model the signals still run,
and what is decided without scores is held for a human.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct

import classifier
from classifier import SignalInput
from classifier.artifact import read_manifest
from classifier.language import ENGLISH, UNKNOWN, foreign
from classifier.text import fold
from service import log, metrics
from service.pipeline.second import SecondStage
from service.records import Draft, Scored, Signal

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

BATCH: Final = 64
"""Texts in one vectorised call at most; further ones wait for the next, so that the loop turns."""


_WARMING: Final = "Muchas gracias por un artículo tan interesante"


class Explained(Struct, frozen=True):
    """Why a text has its score for one label: shares of the margin, in log-odds."""

    label: str
    margin: float
    bias: float
    rest: float
    """What is taken off where one window of a long text decided; 0 otherwise."""
    tokens: tuple[tuple[int, int, float], ...]
    """Start, end, share: margin = bias + rest + all shares."""
    spans: tuple[tuple[int, int], ...]
    without: tuple[tuple[str, float], ...]
    """What the score would be without something."""


class _Waiting(NamedTuple):
    """A text that the next vectorised call scores."""

    text: str
    language: str | None
    future: asyncio.Future[NDArray[float32] | None]


class Card(Struct, frozen=True):
    """What is said about the model."""

    text: str
    metrics: dict[str, Any]


class Scorer:
    """Scores drafts with one loaded model, or with none; perhaps with a second stage behind it."""

    def __init__(
        self,
        model: classifier.Classifier | None,
        card: Card | None = None,
        second: SecondStage | None = None,
    ) -> None:
        self.model = model
        self.card = card
        self.second = second
        self._waiting: list[_Waiting] = []

    @property
    def version(self) -> str:
        """The model's version; empty without a model."""
        return self.model.version if self.model else ""

    @property
    def labels(self) -> tuple[str, ...]:
        """What the model tells apart."""
        return tuple(classifier.LABELS)

    @staticmethod
    def signals() -> dict[str, str]:
        """Every signal's code, and what it notices."""
        return dict(classifier.SIGNALS)

    @staticmethod
    def simhash(text: str) -> int:
        """64 bits that differ in at most `NEAR` for texts that say nearly the same."""
        return classifier.simhash(text)

    @staticmethod
    def fold(text: str) -> str:
        """The normal form word lists are matched on: disguises undone."""
        return fold(text)

    async def score(self, draft: Draft) -> Scored:
        """Everything the checks say about one draft."""
        row, version = await self._judged(draft.body)
        return checked(draft, self._named(row), version)

    def first_stage(self, texts: list[str]) -> list[dict[str, float] | None]:
        """The scores of many texts, here and now: for who is not on the event loop."""
        rows = self._rows(texts, [None] * len(texts))
        return [None] * len(texts) if rows is None else [self._named(row) for row in rows]

    async def judged(
        self, text: str, language: str | None = None
    ) -> tuple[dict[str, float] | None, str]:
        """A text's score for each label, and the version of what made them; None: no model.

        `language` is what the text is said to be in; None: as the text itself tells.
        """
        row, version = await self._judged(text, language)
        return self._named(row), version

    def language(self, text: str) -> tuple[str, bool]:
        """A text's language (ISO 639-1, `ur-Latn`, `und`), and whether it is surely not English."""
        found = self.model.language(text) if self.model else UNKNOWN
        return found, found not in (ENGLISH, UNKNOWN) and foreign(text)

    async def _judged(
        self, text: str, language: str | None = None
    ) -> tuple[NDArray[float32] | None, str]:
        """The scores of a text and the versions of what made them, joined by a plus sign."""
        row = await self._row(text, language)
        if row is None or self.second is None:
            return row, self.version if row is not None else ""
        refined = await self.second.refined(text, row)
        if refined is None:
            return row, self.version
        return refined, f"{self.version}+{self.second.version}"

    def spans(self, text: str, label: str) -> tuple[tuple[int, int], ...]:
        """The words that spoke most for a label, as code-point ranges of the text."""
        return tuple(self.model.spans(text, label)) if self.model else ()

    def explain(self, text: str, label: str) -> Explained | None:
        """Exact shares of a label's margin in the first stage; None without a model."""
        if self.model is None:
            return None
        found = self.model.explain(text, label)
        without = () if found.without_links is None else (("links", found.without_links),)
        return Explained(
            label=label,
            margin=found.margin,
            bias=found.bias,
            rest=-found.penalty,
            tokens=tuple((t.start, t.end, t.weight) for t in found.tokens),
            spans=self.spans(text, label),
            without=without,
        )

    def _named(self, row: NDArray[float32] | None) -> dict[str, float] | None:
        if row is None:
            return None
        return {
            label: round(float(score), 4)
            for label, score in zip(classifier.LABELS, row, strict=True)
        }

    def _row(self, text: str, language: str | None) -> asyncio.Future[NDArray[float32] | None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[NDArray[float32] | None] = loop.create_future()
        self._waiting.append(_Waiting(text, language, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        rows = self._rows([each.text for each in batch], [each.language for each in batch])
        for i, each in enumerate(batch):
            if not each.future.done():
                each.future.set_result(None if rows is None else rows[i])

    def _rows(self, texts: list[str], languages: list[str | None]) -> NDArray[float32] | None:
        """The scores of a batch; None when there is no model or it failed (counted and logged)."""
        if self.model is None:
            return None
        try:
            rows = self.model.score(texts, languages)
        except Exception as error:  # a failing model must hold comments, never lose them
            metrics.SCORING_FAILURES.inc()
            log.get("score").error("scoring_failed", error=type(error).__name__)
            return None
        metrics.SCORED_BATCH.observe(len(texts))
        return rows


def checked(draft: Draft, scores: dict[str, float] | None, model: str) -> Scored:
    """Scores with everything else that the checks say about a draft."""
    signals = classifier.run_signals(_signal_input(draft))
    return Scored(
        scores=scores,
        signals=tuple(Signal(s.code, s.strength, s.detail, tuple(s.spans)) for s in signals),
        links=classifier.link_count(draft.body),
        fingerprint=classifier.fingerprint(draft.body),
        folded=fold(draft.body),
        model=model,
    )


def load_scorer(folder: str, *, semantic: bool = False, graph_cache: Path | None = None) -> Scorer:
    """A scorer with the artifact in `folder` ('' = the shipped one); if bad, one without.

    With `semantic` there is a second stage, which leaves everything to the first if it is bad.
    """
    path = Path(folder) if folder else classifier.default_artifact()
    try:
        model = classifier.load(path)
    except classifier.ArtifactError as error:
        log.get("score").error("model_refused", folder=str(path), why=str(error))
        return Scorer(None)
    model.language(_WARMING)  # reads the language library now, not while a comment waits
    card = Card((path / "CARD.md").read_text(), dict(read_manifest(path).metrics))
    return Scorer(model, card, load_second_stage(graph_cache) if semantic else None)


def load_second_stage(graph_cache: Path | None, folder: Path | None = None) -> SecondStage:
    """The second stage from `folder` (None = the shipped one); if bad, one that reads nothing."""
    from classifier import semantic

    try:
        return SecondStage(semantic.load(folder, graph_cache))
    except classifier.ArtifactError as error:
        log.get("score").error("second_stage_refused", why=str(error))
        return SecondStage(None)


def _signal_input(draft: Draft) -> SignalInput:
    return SignalInput(
        text=draft.body,
        name=draft.name,
        email=draft.email,
        url=draft.url,
        honeypot=draft.honeypot,
        elapsed_ms=draft.elapsed_ms,
        language=draft.locale or "",
    )
