"""What the faces of the service (api, console, embed, workers) are given: built once in `app`."""

from __future__ import annotations

import time

from service.accounts import Accounts
from service.auth import Gate
from service.beats import Board
from service.ids import Secrets
from service.outgoing import Outgoing
from service.pipeline.bulk import Bulk
from service.pipeline.campaigns import Campaigns
from service.pipeline.erase import Eraser
from service.pipeline.models import Models
from service.pipeline.preview import Preview
from service.pipeline.publish import Publisher
from service.pipeline.review import Review
from service.pipeline.rules import RuleBook
from service.pipeline.score import Scorer
from service.pipeline.submit import Intake
from service.settings import Settings
from service.store import Store
from service.store.identity import Identity, marker
from service.store.pressure import Pressure
from service.throttle import Throttle


class Services:
    """One process's parts, wired together; opens nothing until `store.open()`."""

    def __init__(
        self, settings: Settings, redis_url: str, secrets: Secrets, scorer: Scorer
    ) -> None:
        self.settings = settings
        self.secrets = secrets
        self.scorer = scorer
        self.store = Store(
            redis_url,
            secrets,
            replicas=settings.redis_replicas,
            weaker=settings.accept_weaker_durability,
        )
        self.throttle = Throttle(self.store.limits, enabled=settings.rate_limits)
        self.gate = Gate(self.store, settings.admin_key, self.throttle)
        self.accounts = Accounts(self.store, self.throttle)
        self.rules = RuleBook(self.store, scorer.fold)
        home = None if settings.redis_url else settings.data_dir
        self.pressure = Pressure(self.store.health, home, settings.disk_reserve)
        pinned = settings.model is not None
        self.models = Models(settings.data_dir / "models", scorer, pinned=pinned)
        self.intake = Intake(self.store, scorer, self.rules, secrets)
        self.intake.admit = self.pressure.admit
        self.review = Review(self.store)
        self.bulk = Bulk(self.store, self.review)
        self.preview = Preview(self.store, scorer, self.rules)
        self.campaigns = Campaigns(self.store, scorer, secrets)
        self.publisher = Publisher(self.store)
        self.eraser = Eraser(self.store, secrets, settings.data_dir)
        self.identity = Identity(self.store.wire, marker(settings))
        self.outgoing = Outgoing(settings.reachable_networks)
        self.draining = False
        self.board: Board | None = None
        """What the supervisor tells, where there is one."""

    def now(self) -> int:
        """Milliseconds since the epoch: the one place where a request's time is read."""
        return time.time_ns() // 1_000_000
