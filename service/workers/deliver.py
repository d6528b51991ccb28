"""Deliver: sends events to webhooks; each endpoint has its own queue, so none waits for another.

Two attempts to one endpoint may be under way at once, over all workers. When one ends, the next due
one of that endpoint begins; a sweep over all endpoints starts those that stood still.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

from service import log, metrics, tracing, webhooks
from service.errors import Unavailable
from service.outgoing import Answered, Failed
from service.services import Services
from service.store.deliveries import LEASE_MS, Leased
from service.webhooks import Outcome
from service.workers.each import each

SWEEP_S: Final = 0.25
"""Seconds between two looks for new events: the most one waits before it is sent."""
ATTEMPTS_MAX: Final = 400
"""Attempts under way in one worker: a bound on its sockets, far above what endpoints allow."""

_log = log.get("deliver")


class Deliverer:
    """Attempts deliveries; several may run, in one process or many.

    Args:
        schedule: seconds between one try and the next.
        lease_ms: how long a delivery is this worker's.
    """

    def __init__(
        self,
        services: Services,
        *,
        schedule: Sequence[float] = webhooks.SCHEDULE_S,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._services = services
        self._schedule = schedule
        self._lease_ms = lease_ms
        self._attempts: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def sweep(self) -> None:
        """Starts what is due at every endpoint; waits for no receiver."""
        store = self._services.store

        async def one(site: str) -> None:
            ids = await store.webhooks.ids(site)
            await asyncio.gather(*(self._take(site, endpoint_id) for endpoint_id in ids))

        await each(await store.webhooks.sites(), one)

    async def finish(self, within_s: float) -> None:
        """Starts no more and waits for the attempts under way; what is cut off is tried again."""
        self._stopping = True
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=within_s)
        for task in self._attempts:
            task.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)

    async def _take(self, site: str, endpoint_id: str) -> None:
        if self._stopping or len(self._attempts) >= ATTEMPTS_MAX:
            return
        due = await self._services.store.deliveries.due(site, endpoint_id, lease_ms=self._lease_ms)
        for leased in due:
            task = asyncio.create_task(self._attempt_and_go_on(site, endpoint_id, leased))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)

    async def _attempt_and_go_on(self, site: str, endpoint_id: str, leased: Leased) -> None:
        try:
            await self._attempt(site, endpoint_id, leased)
            await self._take(site, endpoint_id)
        except Unavailable:
            metrics.UNAVAILABLE.inc()  # the lease runs out, and it is tried again
        except Exception as error:
            _log.error("attempt_failed", site=site, webhook=endpoint_id, exc_info=error)

    async def _attempt(self, site: str, endpoint_id: str, leased: Leased) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        about: dict[str, str | int] = {
            "winnow.site": site,
            "winnow.event": leased.delivery.event,
            "winnow.attempt": leased.delivery.attempts,
        }
        parent = leased.delivery.trace
        with tracing.Span("deliver", about, parent=parent, kind="client") as span:
            outcome = await self._outcome(site, endpoint_id, leased)
            span.tell({"http.response.status_code": outcome.status})
            if outcome.state != "delivered":
                span.failed(outcome.state)
        took_s = loop.time() - began
        settled = await self._services.store.deliveries.settle(
            site,
            endpoint_id,
            leased,
            state=outcome.state,
            status=outcome.status,
            took_ms=round(took_s * 1000),
            error=outcome.error,
            wait_ms=outcome.wait_ms,
            disable=outcome.disable,
        )
        metrics.WEBHOOK_ATTEMPTS.labels(outcome.state if settled else "late").inc()
        metrics.WEBHOOK_SECONDS.observe(took_s)
        _tell(site, endpoint_id, leased, outcome)

    async def _outcome(self, site: str, endpoint_id: str, leased: Leased) -> Outcome:
        """Makes one attempt; what no attempt lived to the end of is not begun for ever."""
        services, attempts = self._services, leased.delivery.attempts
        if attempts > len(self._schedule) + 1:
            return Outcome("dead", error="its worker ended during the last try")
        endpoint, stored = await asyncio.gather(
            services.store.webhooks.read(site, endpoint_id),
            services.store.comments.read(site, leased.delivery.comment),
        )
        live = endpoint.secrets(services.now()) if endpoint else []
        if endpoint is None or not live:
            return Outcome("dead", error="its secret cannot be opened: rotate it")
        body = webhooks.payload(site, leased.delivery, stored)
        headers = webhooks.headers(live, leased.id, body, services.now())
        if traceparent := tracing.carried():
            headers["traceparent"] = traceparent
        result: Answered | Failed
        try:
            result = await services.outgoing.post(endpoint.url, body, headers)
        except Failed as failure:
            result = failure
        chance = secrets.randbelow(1000) / 1000
        return webhooks.outcome(result, attempts, self._schedule, chance=chance)


def _tell(site: str, endpoint_id: str, leased: Leased, outcome: Outcome) -> None:
    """One line an attempt: nothing of the URL, which may hold a token, nor of the comment."""
    levels = {"delivered": _log.debug, "retry": _log.info, "dead": _log.warning}
    levels[outcome.state](
        "delivered" if outcome.state == "delivered" else "not_delivered",
        site=site,
        webhook=endpoint_id,
        delivery=leased.id,
        attempt=leased.delivery.attempts,
        status=outcome.status,
        problem=outcome.error,
        next_in_s=outcome.wait_ms // 1000,
    )
