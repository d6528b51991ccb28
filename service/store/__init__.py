"""All of Redis and nothing else: keys, scripts, and what is read and written through them."""

from __future__ import annotations

from service import log
from service.ids import Secrets
from service.store.api_keys import ApiKeys
from service.store.callbacks import Callbacks
from service.store.codec import Sealed
from service.store.comments import Comments
from service.store.connect import RedisError, Wire, connect
from service.store.decisions import Decisions
from service.store.deliveries import Deliveries
from service.store.events import Events
from service.store.flow import Flows
from service.store.health import Health
from service.store.labels import Labels
from service.store.likeness import Likenesses
from service.store.limits import Limits
from service.store.logins import Logins
from service.store.notes import Notes
from service.store.operations import Operations
from service.store.pages import Pages
from service.store.past import Past
from service.store.queues import Queues
from service.store.scripts import Scripts
from service.store.sessions import Sessions
from service.store.signing import SigningSecrets
from service.store.sites import Sites
from service.store.usage import Usage
from service.store.webhooks import Webhooks

__all__ = ["Store"]


class Store:
    """One process's access to the store."""

    def __init__(self, url: str, secrets: Secrets) -> None:
        self.wire = Wire(connect(url), Scripts())
        sealed = Sealed(secrets.subkey("seal"))
        self.comments = Comments(self.wire, sealed)
        self.decisions = Decisions(self.wire)
        self.queues = Queues(self.wire)
        self.notes = Notes(self.wire, sealed)
        self.operations = Operations(self.wire)
        self.pages = Pages(self.wire)
        self.past = Past(self.wire, sealed, self.queues)
        self.sites = Sites(self.wire)
        self.api_keys = ApiKeys(self.wire)
        self.sessions = Sessions(self.wire)
        self.logins = Logins(self.wire, sealed)
        self.likeness = Likenesses(self.wire)
        self.limits = Limits(self.wire)
        self.labels = Labels(self.wire, sealed)
        self.signing = SigningSecrets(self.wire, sealed)
        self.callbacks = Callbacks(self.wire, sealed)
        self.usage = Usage(self.wire)
        self.events = Events(self.wire, url)
        self.webhooks = Webhooks(self.wire, sealed)
        self.deliveries = Deliveries(self.wire)
        self.flow = Flows(self.wire)
        self.health = Health(self.wire)

    async def open(self) -> None:
        """Connects and sends the scripts; with the server away, they are sent when first needed."""
        try:
            await self.wire.scripts.load(self.wire.client)
        except (RedisError, OSError) as error:
            log.get("store").warning("store_away", error=type(error).__name__)

    async def close(self) -> None:
        """Waits for writes under way, then disconnects."""
        await self.wire.close()
