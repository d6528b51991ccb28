"""How many requests may be under way in this process: in all, and from one network.

Whatever is beyond is refused at once: a queue of requests nobody waits for any more helps nobody.
Event streams and exports last long and cost little, so they are counted apart.
"""

from __future__ import annotations

from typing import Final

from service import metrics
from service.errors import Unavailable

SHARE: Final = 2
"""One network may have this part (a half) of the places: no single one can take them all."""


class Places:
    """The places of one kind, `requests` or `streams`."""

    def __init__(self, kind: str, most: int) -> None:
        self._kind = kind
        self._most = most
        self._share = max(1, most // SHARE)
        self._taken = 0
        self._by_network: dict[str, int] = {}

    def take(self, network: str) -> None:
        """Takes a place for a request; `give_back` returns it.

        Raises:
            Unavailable: there is none left, or none for this network.
        """
        mine = self._by_network.get(network, 0)
        if self._taken >= self._most:
            metrics.OVERLOADED.labels(self._kind).inc()
            raise Unavailable(f"Too many {self._kind} are under way; try again.", retry_after_s=2)
        if mine >= self._share:
            metrics.OVERLOADED.labels(f"{self._kind}_of_one_network").inc()
            raise Unavailable(
                f"Too many {self._kind} from your network are under way; try again.",
                retry_after_s=2,
            )
        self._taken += 1
        self._by_network[network] = mine + 1

    def give_back(self, network: str) -> None:
        """Ends a request that took a place."""
        self._taken -= 1
        left = self._by_network[network] - 1
        if left:
            self._by_network[network] = left
        else:
            del self._by_network[network]
