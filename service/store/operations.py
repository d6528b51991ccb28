"""Operations on many comments: what each is about, written once before the first is touched.

Which comments it has changed is not kept here: their own histories say so.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from service.records import Action
from service.store import codec
from service.store.connect import Wire
from service.store.keys import IDEMPOTENCY_S, SiteKeys


class Operation(Struct, array_like=True, kw_only=True, frozen=True):
    """One decision on many comments."""

    id: str
    site: str
    actor: str
    at: int
    action: Action
    reason: str
    note: str
    request: str
    """Hash of what was asked: the same operation with another request is refused."""
    items: list[tuple[str, int]]
    """The comments with the versions they were read at."""
    more: bool
    """Whether more matched than it holds."""


_decode = msgspec.msgpack.Decoder(Operation).decode


class Operations:
    """Keeps them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def begin(self, operation: Operation) -> Operation:
        """Writes an operation down; the one that stands under its id, where there is one."""
        key = SiteKeys(operation.site).many(operation.id)
        packed = codec.encode(operation)
        found = await self._wire.script("keep_once", [key], [packed, IDEMPOTENCY_S])
        return operation if found is None else _decode(found)

    async def read(self, site: str, operation_id: str) -> Operation | None:
        """One operation of the last seven days."""
        row = await self._wire.execute("GET", SiteKeys(site).many(operation_id))
        return _decode(row) if row else None
