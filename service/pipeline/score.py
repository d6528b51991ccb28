"""Score: what the checks find in a comment; concurrent comments share one vectorised call.

All comments waiting in one turn of the event loop are scored together (a micro-batch): the fixed
cost of a call is paid once, and nobody waits for a timer. Where such a call fails or takes too
long, each of its texts is scored alone in a turn of its own, so that one bad text costs only itself
its scores. Without a model the signals still run, and what is decided without scores is held for a
human; what did not run is told with the scores.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import Struct

import classifier
from classifier import SignalInput
from classifier.language import ENGLISH, UNKNOWN, foreign, keep_unpacked, prepare
from classifier.text import fold
from service import log, metrics
from service.pipeline.deadline import TookTooLong, deadline
from service.pipeline.second import SecondStage
from service.records import Draft, Scored, Signal

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

BATCH: Final = 64
"""Texts in one vectorised call at most; further ones wait for the next, so that the loop turns."""
PATIENCE_S: Final = 0.5
"""Processor time that one call may take: a thousand times what a comment usually costs."""


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


class _Seen(NamedTuple):
    """What the signals say of a draft, or why nothing."""

    examined: classifier.Examined | None
    why: str = ""


class _Found(NamedTuple):
    """What the first stage says of a text: its scores and what made them, or why not."""

    row: NDArray[float32] | None
    rounded: list[float] | None = None
    model: str = ""
    why: str = ""
    seen: _Seen = _Seen(None)

    @property
    def scores(self) -> dict[str, float] | None:
        """By label."""
        return None if self.rounded is None else _named(self.rounded)


class _Waiting(NamedTuple):
    """A text that the next vectorised call scores."""

    text: str
    language: str | None
    future: asyncio.Future[_Found]
    draft: Draft | None
    """Whose signals are asked for, too."""


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
        self.patience_s = PATIENCE_S
        self.later: Callable[[], Scorer] | None = None
        """Loads what this one is to score with, where that waits until it is needed (`ready`)."""
        self.kept_as = ""
        """The model's name on the installation's shelf; '' = the shipped or a pinned one."""
        self._waiting: list[_Waiting] = []
        self._alone: deque[_Waiting] = deque()
        """Texts of a call that failed."""

    def use(self, model: classifier.Classifier | None, card: Card | None, kept_as: str) -> None:
        """Scores with another model from now on; what is under way ends with the one it has."""
        self.model, self.card, self.kept_as = model, card, kept_as

    async def ready(self) -> bool:
        """Whether there is a model, now that one is needed: loads it where that was left for later.

        The worker seldom needs one, and a model takes more memory than all the rest of it.
        """
        if self.later is not None:
            later, self.later = self.later, None
            found = await asyncio.to_thread(later)
            self.second = found.second
            self.use(found.model, found.card, found.kept_as)
        return self.model is not None

    @property
    def version(self) -> str:
        """The model's version, as its name on the shelf if it has one; empty without a model."""
        if self.model is None:
            return ""
        return self.kept_as or self.model.version

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
        """Everything the checks say about one draft; what did not run is told in `checks`."""
        found, missed = await self._judged(draft.body, draft=draft)
        if found.seen.examined is None:
            missed = missed | {"signals": _missed("signals", found.seen.why)}
            return Scored(scores=found.scores, model=found.model, checks=missed)
        return _with_checks(_told(found.seen.examined, found.scores, found.model), missed)

    def first_stage(self, texts: list[str]) -> list[dict[str, float] | None]:
        """The scores of many texts, here and now: for who is not on the event loop."""
        rows, _ = self._rows(texts, [None] * len(texts))
        return [None] * len(texts) if rows is None else [_named(row) for row in _rounded(rows)]

    async def judged(
        self, text: str, language: str | None = None
    ) -> tuple[dict[str, float] | None, str]:
        """A text's score for each label, and the version of what made them; None: no model.

        `language` is what the text is said to be in; None: as the text itself tells.
        """
        found, _ = await self._judged(text, language)
        return found.scores, found.model

    def language(self, text: str) -> tuple[str, bool]:
        """A text's language (ISO 639-1, `ur-Latn`, `und`), and whether it is surely not English."""
        found = self.model.language(text) if self.model else UNKNOWN
        return found, found not in (ENGLISH, UNKNOWN) and foreign(text)

    async def _judged(
        self, text: str, language: str | None = None, draft: Draft | None = None
    ) -> tuple[_Found, dict[str, str]]:
        """The scores of a text, their versions joined by a plus sign, and what did not run."""
        found = await self._found(text, language, draft)
        if found.row is None:
            missed = {"model": _missed("model", found.why)}
            return found, missed | ({"second_stage": "skipped"} if self.second else {})
        if self.second is None:
            return found, {}
        outcome, refined = await self.second.refined(text, found.row)
        if refined is None:
            return found, {"second_stage": _missed("second_stage", outcome)}
        (rounded,) = _rounded(refined[None])
        by = f"{found.model}+{self.second.version}"
        return _Found(refined, rounded, by, seen=found.seen), {}

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

    def _found(
        self, text: str, language: str | None, draft: Draft | None
    ) -> asyncio.Future[_Found]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Found] = loop.create_future()
        self._waiting.append(_Waiting(text, language, future, draft))
        if len(self._waiting) == 1 and not self._alone:
            loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        """One call: of a text that must be alone, else of those that wait.

        Signals are looked for in the same turn, one draft behind the other: between the other steps
        of each draft the same code takes longer, for the processor has forgotten it.
        """
        if self._alone:
            batch = [self._alone.popleft()]
        else:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        rows, why = self._rows([each.text for each in batch], [each.language for each in batch])
        if rows is None and why != "unavailable" and len(batch) > 1:
            self._alone.extend(batch)
        else:
            for each, found in zip(batch, self._each(rows, why, batch), strict=True):
                if not each.future.done():
                    each.future.set_result(found)
        if self._waiting or self._alone:
            asyncio.get_running_loop().call_soon(self._flush)

    def _each(self, rows: NDArray[float32] | None, why: str, batch: list[_Waiting]) -> list[_Found]:
        seen = self._seen(batch)
        if rows is None:
            return [_Found(None, why=why, seen=one) for one in seen]
        version = self.version
        triples = zip(rows, _rounded(rows), seen, strict=True)
        return [_Found(row, rounded, version, seen=one) for row, rounded, one in triples]

    def _seen(self, batch: list[_Waiting]) -> list[_Seen]:
        """What the signals say; of a batch with a bad text in it, each is asked alone."""
        try:
            with deadline(self.patience_s):
                return [
                    _Seen(classifier.examine(_signal_input(each.draft)) if each.draft else None)
                    for each in batch
                ]
        except Exception as error:  # one bad text is held; it neither breaks nor is lost
            if len(batch) > 1:
                return [self._seen([each])[0] for each in batch]
            if isinstance(error, TookTooLong):
                return [_Seen(None, "timeout")]
            log.get("score").error("signals_failed", error=type(error).__name__)
            return [_Seen(None, "failed")]

    def _rows(
        self, texts: list[str], languages: list[str | None]
    ) -> tuple[NDArray[float32] | None, str]:
        """The scores of a batch; where there are none, why (counted and logged)."""
        model = self.model
        if model is None:
            return None, "unavailable"
        try:
            with deadline(self.patience_s):
                rows = model.score(texts, languages)
        except TookTooLong:
            model.forget()
            why = "timeout"
        except Exception as error:  # a failing model must hold comments, never lose them
            log.get("score").error("scoring_failed", error=type(error).__name__)
            why = "failed"
        else:
            metrics.SCORED_BATCH.observe(len(texts))
            return rows, ""
        metrics.SCORING_FAILURES.inc()
        return None, why


def _rounded(rows: NDArray[float32]) -> list[list[float]]:
    """Scores to four places, as they are kept and told; of a whole call at once."""
    rounded: list[list[float]] = rows.astype("float64").round(4).tolist()
    return rounded


def _named(rounded: list[float]) -> dict[str, float]:
    return dict(zip(classifier.LABELS, rounded, strict=True))


def _missed(check: str, why: str) -> str:
    """The outcome of a check that did not run, counted."""
    metrics.CHECKS_MISSED.labels(check, why).inc()
    return why


def _with_checks(scored: Scored, missed: dict[str, str]) -> Scored:
    return msgspec.structs.replace(scored, checks=missed) if missed else scored


def checked(draft: Draft, scores: dict[str, float] | None, model: str) -> Scored:
    """Scores with everything else that the checks say about a draft."""
    return _told(classifier.examine(_signal_input(draft)), scores, model)


def _told(found: classifier.Examined, scores: dict[str, float] | None, model: str) -> Scored:
    return Scored(
        scores=scores,
        signals=tuple(Signal(s.code, s.strength, s.detail, s.spans) for s in found.signals),
        links=found.links,
        fingerprint=found.fingerprint,
        folded=found.folded,
        model=model,
    )


def load_scorer(folder: str, *, semantic: bool = False, cache: Path | None = None) -> Scorer:
    """A scorer with the artifact in `folder` ('' = the shipped one); if bad, one without.

    With `semantic` there is a second stage, which leaves everything to the first if it is bad. What
    is slow to unpack is kept in the folder `cache`, for all processes and the next start.
    """
    path = Path(folder) if folder else classifier.default_artifact()
    keep_unpacked(cache)
    second = load_second_stage(cache) if semantic else None
    try:
        model = warmed(classifier.load(path))
        return Scorer(model, card_of(path, model), second)
    except classifier.ArtifactError as error:
        log.get("score").error("model_refused", folder=str(path), why=str(error))
        return Scorer(None, None, second)


def warmed(model: classifier.Classifier) -> classifier.Classifier:
    """A model whose language library is open: that is slow, and no comment shall wait for it."""
    prepare()
    return model


def card_of(folder: Path, model: classifier.Classifier) -> Card:
    """What the model in a folder says of itself."""
    text = (folder / "CARD.md").read_text(encoding="utf-8", errors="replace")
    return Card(text, dict(model.manifest.metrics))


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
