"""Labels: what a site's own people said of texts that are no comments here, to learn from.

Feedback that comes through the emulated APIs. What moderators decide on comments is a label as
well, but stands with the comment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from service.ids import short_hash
from service.records import Label
from service.store import codec
from service.store.connect import Wire
from service.store.keys import SiteKeys

KEPT: Final = 100_000
"""Labels of one site; beyond, the oldest go."""
SLICE: Final = 500
"""Labels read at once."""

_decode = msgspec.msgpack.Decoder(Label).decode


def named(source: str, text: str) -> str:
    """What a label of a text is kept under: one text has one of each source."""
    return short_hash(f"{source}\0{text}")


class Labels:
    """Keeps and reads the labels of sites."""

    def __init__(self, wire: Wire, sealed: codec.Sealed) -> None:
        self._wire = wire
        self._sealed = sealed

    async def add(self, site: str, label: Label, *, author: str = "") -> int:
        """Keeps a label; the same source's earlier one of the same text is replaced.

        Args:
            site: whose people said it.
            label: what they said.
            author: who wrote the text, where that is known: the label goes when they are erased.

        Returns:
            How many labels the site has.

        Raises:
            Unavailable: it is not kept; it may be sent again.
        """
        keys, name = SiteKeys(site), named(label.source, label.text)
        sealed = self._sealed.seal(codec.encode(label), name)
        return int(
            await self._wire.script(
                "label",
                [keys.labels(), keys.labels_order(), keys.labels_by(author)],
                [name, sealed, label.at, KEPT, "1" if author else ""],
            )
        )

    async def count(self, site: str) -> int:
        """How many labels a site has."""
        return int(await self._wire.execute("ZCARD", SiteKeys(site).labels_order()))

    async def all(self, site: str) -> AsyncIterator[Label]:
        """Every label of a site, oldest first; one that comes or goes meanwhile may be missed."""
        keys, at = SiteKeys(site), 0
        while names := await self._wire.execute("ZRANGE", keys.labels_order(), at, at + SLICE - 1):
            rows = await self._wire.execute("HMGET", keys.labels(), *names)
            for name, sealed in zip(names, rows, strict=True):
                opened = self._sealed.open(sealed, name.decode()) if sealed else None
                if opened is not None:
                    yield _decode(opened)
            at += len(names)
