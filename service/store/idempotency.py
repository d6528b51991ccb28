"""What binds an Idempotency-Key to the body it came with, and what a record of it holds."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from service.errors import IdempotencyMismatch
from service.ids import short_hash
from service.records import FieldError
from service.store.keys import IDEMPOTENCY_S


class Idempotency(Struct, frozen=True):
    """A caller's Idempotency-Key (hashed) and the hash of the body it came with."""

    key: str
    body: bytes
    """16 bytes."""
    kept_s: int = IDEMPOTENCY_S

    @classmethod
    def of(cls, key: str, body: bytes) -> Idempotency:
        """From a caller's key and the body it came with."""
        return cls(short_hash(key), hashlib.sha256(body).digest()[:16])


def mismatch() -> IdempotencyMismatch:
    """The error for a key that was used for another body."""
    return IdempotencyMismatch(
        (
            FieldError(
                "", "idempotency_mismatch", "this Idempotency-Key was used for another request"
            ),
        )
    )


def replayed(record: bytes | None, idempotency: Idempotency) -> bytes | None:
    """The answer inside an idempotency record, if it belongs to the same body."""
    if record is None:
        return None
    if not record.startswith(idempotency.body):
        raise mismatch()
    return record[len(idempotency.body) :]
