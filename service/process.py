"""One process, as `winnow serve` starts it: `python -m service.process web|worker`.

What is large is imported in `main`, each role's own: a worker needs no web framework.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from service.beats import Board, beat
from service.children import await_store, read_child_context
from service.setting_sources import load
from service.settings import Settings

if TYPE_CHECKING:
    from service.pipeline.score import Scorer


def main() -> None:
    """Run the role the supervisor gave this process, until it is told to stop."""
    gc.disable()  # until `vitals.settled`: much is made now, and hardly anything thrown away
    settings = load(os.environ)
    context = read_child_context(os.environ)
    import uvloop

    from service import log, metrics, tracing, vitals
    from service.ids import Secrets
    from service.pipeline.score import Scorer
    from service.services import Services

    log.configure(settings.log_level, settings.log_format, on_drop=metrics.LOG_LINES_DROPPED.inc)
    if settings.traces_url:
        tracing.start(settings.traces_url, settings.traces_share, context.role)
    if context.role == "web":
        from service.web_process import serve as live

        scorer = _scorer(settings)
    else:
        from service.worker_process import work as live

        scorer = Scorer(None)
        scorer.later = functools.partial(_scorer, settings)
    services = Services(settings, await_store(context), Secrets(settings.secret_bytes), scorer)
    services.board = None if context.beats_fd is None else Board(context.beats_fd)
    run = _beating(services.board, context.slot, live(services, context))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(vitals.beating(run))
    tracing.stop()


def _scorer(settings: Settings) -> Scorer:
    from service.pipeline.models import start_with
    from service.pipeline.score import load_scorer

    scorer = load_scorer(
        str(settings.model) if settings.model else "",
        semantic=settings.semantic,
        cache=settings.data_dir / "cache",
    )
    if settings.model is None:
        start_with(scorer, settings.data_dir / "models")
    return scorer


async def _beating(board: Board | None, slot: int, work: Coroutine[Any, Any, None]) -> None:
    """Does `work`, and shows the supervisor meanwhile that the event loop turns."""
    beating = asyncio.create_task(beat(board, slot)) if board is not None else None
    try:
        await work
    finally:
        if beating is not None:
            beating.cancel()


if __name__ == "__main__":
    main()
