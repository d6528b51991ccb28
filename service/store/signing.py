"""The secrets with which other systems sign what they send to a site; kept encrypted."""

from __future__ import annotations

import msgspec

from service.errors import Unavailable
from service.store import codec
from service.store.connect import Wire
from service.store.keys import SiteKeys

_decode = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class SigningSecrets:
    """Keeps and reads them, by sender: a short name such as `coral`."""

    def __init__(self, wire: Wire, sealed: codec.Sealed) -> None:
        self._wire = wire
        self._sealed = sealed

    async def replace(self, site: str, sender: str, secrets: tuple[str, ...]) -> None:
        """Keeps these and no others; with none, the sender's signature is no longer asked for.

        Raises:
            Unavailable.
        """
        key = SiteKeys(site).signing()
        if secrets:
            sealed = self._sealed.seal(codec.encode(secrets), f"{site}:{sender}")
            await self._wire.execute("HSET", key, sender, sealed)
        else:
            await self._wire.execute("HDEL", key, sender)

    async def of(self, site: str, sender: str) -> tuple[str, ...]:
        """A sender's secrets; empty where none is kept.

        Raises:
            Unavailable: also where they cannot be opened, as with another installation's secret.
        """
        sealed = await self._wire.execute("HGET", SiteKeys(site).signing(), sender)
        if sealed is None:
            return ()
        opened = self._sealed.open(sealed, f"{site}:{sender}")
        if opened is None:
            raise Unavailable(
                f"The secrets {sender!r} signs with cannot be opened: keep them again."
            )
        return _decode(opened)
