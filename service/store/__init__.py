"""All of Redis and nothing else: keys, scripts, and what is read and written through them."""

from __future__ import annotations

from service import log
from service.errors import Unavailable
from service.ids import Secrets
from service.store import secret_mark
from service.store.api_keys import ApiKeys
from service.store.author_keys import AuthorKeys
from service.store.callbacks import Callbacks
from service.store.census import Census
from service.store.codec import Sealed
from service.store.comments import Comments
from service.store.connect import RedisError, Wire, topology
from service.store.decisions import Decisions
from service.store.deliveries import Deliveries
from service.store.erasures import Erasures
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
from service.store.retention import Retained
from service.store.rewriting import Rewrites
from service.store.scripts import Scripts
from service.store.sessions import Sessions
from service.store.signing import SigningSecrets
from service.store.sites import Sites
from service.store.usage import Usage
from service.store.webhooks import Webhooks

__all__ = ["Store"]


class Store:
    """One process's access to the store."""

    def __init__(
        self, url: str, secrets: Secrets, *, replicas: int | None = None, weaker: bool = False
    ) -> None:
        """Opens nothing yet.

        Args:
            url: where the store is, as `service.redis_url` describes.
            secrets: what the parts' keys are made of.
            replicas: how many must have a write before it is acknowledged; by default 1 with
                Sentinel or Cluster, else 0.
            weaker: whether their memory is enough, where they could be asked for their disk.
        """
        self._secrets = secrets
        scripts = Scripts()
        self.wire = Wire(topology(url, scripts, replicas=replicas, weaker=weaker), scripts)
        sealed = Sealed(secrets.subkey("seal"))
        self.author_keys = AuthorKeys(self.wire, secrets.subkey("author keys"))
        self.comments = Comments(self.wire, self.author_keys)
        self.decisions = Decisions(self.wire)
        self.queues = Queues(self.wire)
        self.notes = Notes(self.wire, self.author_keys)
        self.operations = Operations(self.wire)
        self.pages = Pages(self.wire)
        self.past = Past(self.wire, self.author_keys, self.queues)
        self.sites = Sites(self.wire)
        self.api_keys = ApiKeys(self.wire)
        self.sessions = Sessions(self.wire)
        self.logins = Logins(self.wire, sealed)
        self.likeness = Likenesses(self.wire)
        self.limits = Limits(self.wire, secrets.subkey("limits"))
        self.labels = Labels(self.wire, sealed)
        self.signing = SigningSecrets(self.wire, sealed)
        self.callbacks = Callbacks(self.wire, self.author_keys)
        self.erasures = Erasures(self.wire)
        self.retained = Retained(self.wire)
        self.rewrites = Rewrites(self.wire)
        self.usage = Usage(self.wire)
        self.events = Events(self.wire)
        self.webhooks = Webhooks(self.wire, sealed)
        self.deliveries = Deliveries(self.wire)
        self.flow = Flows(self.wire)
        self.health = Health(self.wire)
        self.census = Census(self.wire, self.sites)

    async def open(self) -> None:
        """Connects and sends the scripts; with the server away, they are sent when first needed.

        Raises:
            SettingsError: the data belong to another secret.
        """
        try:
            await self.wire.open()
            await secret_mark.check(self.wire, self._secrets)
        except (RedisError, OSError, Unavailable) as error:
            log.get("store").warning("store_away", error=type(error).__name__)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Waits for writes under way, then disconnects."""
        await self.wire.close()
