"""Models: which of the models on the installation's shelf scores, in this process and now.

Each process looks whether another model was activated (one `stat` a second) and takes it over
without a restart; comments under way are finished by the model that began them. A model that
cannot be loaded is refused and the present one goes on; at a start the one before it is taken, so
that a damaged model never leaves an installation with none.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import classifier
from classifier.shelf import SHIPPED, Change, Nothing, Shelf, Standing
from service import log, metrics
from service.errors import Conflict, PreconditionFailed
from service.pipeline.score import Card, Scorer, card_of, warmed

FOLLOW_S: Final = 1.0
"""How long a process may go on with a model after another one was activated."""

AHEAD: Final = 100
"""Words met in one piece: about a millisecond."""
AHEAD_S: Final = 0.02
"""Between two pieces: all words are met within ten seconds of a start."""


class Models:
    """The shelf as one process sees it."""

    def __init__(self, folder: Path, scorer: Scorer, *, pinned: bool) -> None:
        """Nothing is read yet.

        Args:
            folder: where the installation keeps its models.
            scorer: what the model in use is given to.
            pinned: the settings name the model; then the shelf is left alone.
        """
        self.shelf = Shelf(folder, classifier.default_artifact())
        self.pinned = pinned
        self._scorer = scorer
        self._mark: tuple[int, int, int] | None = None
        self._lock = asyncio.Lock()

    def standing(self) -> Standing:
        """Which model is to be used, and which were before it; of the pinned one, nothing.

        Raises:
            Conflict: the shelf's record cannot be read.
        """
        if self.pinned:
            return Standing()
        try:
            return self.shelf.standing()
        except classifier.ArtifactError as error:
            raise Conflict(str(error)) from None

    async def follow(self) -> None:
        """Takes over what others activate, until it is cancelled."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                await self.refresh()
            except Exception as error:  # such as a disk that is away: the next look may do
                log.get("models").error("follow_failed", exc_info=error)

    async def learn_ahead(self) -> None:
        """Has the model meet the words it was trained on before comments bring them, in pieces that
        hold nobody up; until it is cancelled."""
        while True:
            model = self._scorer.model
            more = model is not None and model.learn_ahead(AHEAD)
            await asyncio.sleep(AHEAD_S if more else FOLLOW_S)

    async def refresh(self) -> None:
        """Takes over the active model if it has changed; a bad one is refused, and counted."""
        async with self._lock:
            mark = self.shelf.mark()
            if self.pinned or mark == self._mark or self._scorer.later is not None:
                return
            self._mark = mark
            try:
                name = self.shelf.standing().active
                if name == self._scorer.kept_as and self._scorer.model is not None:
                    return
                model, card = await asyncio.to_thread(opened, self.shelf, name)
            except classifier.ArtifactError as error:
                refused(error)
                return
            before = self._scorer.version
            self._scorer.use(model, card, name)
            log.get("models").info("model_changed", before=before, after=self._scorer.version)

    async def rollback(self, *, by: str, now: int, leaving: str | None) -> Change:
        """Goes back to the model before this one; `leaving` is the version in use, if given.

        Raises:
            Conflict: the settings name the model, there is none before it, or that one is bad.
            PreconditionFailed: another model is in use by now.
        """
        if self.pinned:
            raise Conflict("The settings name the model (WINNOW_MODEL): change it there.")
        if leaving is not None and leaving != self._scorer.version:
            raise PreconditionFailed(f"The model in use is {self._scorer.version or 'none'}.")
        active = self._scorer.kept_as if leaving is not None else None
        try:
            change = await asyncio.to_thread(self.shelf.rollback, by=by, now=now, leaving=active)
        except Nothing as nothing:
            raise Conflict(f"Nothing to go back to: {nothing}.") from None
        except classifier.ArtifactError as error:
            refused(error)
            raise Conflict("The model before this one is damaged; this one stays.") from None
        log.get("models").warning("model_rolled_back", **_told(change))
        await self.refresh()
        return change


def start_with(scorer: Scorer, folder: Path) -> None:
    """Gives a scorer that holds the shipped model what is active, or the last good one before."""
    shelf = Shelf(folder, classifier.default_artifact())
    try:
        standing = shelf.standing()
    except classifier.ArtifactError as error:
        refused(error)
        return
    for name in (standing.active, *standing.earlier):
        if name == SHIPPED:
            return
        try:
            scorer.use(*opened(shelf, name), name)
        except classifier.ArtifactError as error:
            refused(error)
        else:
            return


def opened(shelf: Shelf, name: str) -> tuple[classifier.Classifier, Card]:
    """A model of the shelf, checked and warm, and what is said about it.

    Raises:
        ArtifactError: it is missing, altered or misbehaves.
    """
    model = shelf.open(name)
    return warmed(model), card_of(shelf.path_of(name), model)


def refused(error: classifier.ArtifactError) -> None:
    """Counts and logs a model that was not taken."""
    metrics.MODELS_REFUSED.inc()
    log.get("models").error("model_refused", why=str(error))


def _told(change: Change) -> dict[str, str]:
    return {
        "by": change.by,
        "before": change.before or "shipped",
        "after": change.after or "shipped",
    }
