"""Keys and moderators: a key is kept as the SHA-256 of itself, so a leaked dump opens nothing.

Keys carry 192 random bits, so a plain hash is enough (no password hashing needed).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import string

import msgspec

from service.ids import random_id
from service.records import ApiKey, Moderator
from service.store import codec
from service.store.connect import Wire
from service.store.keys import INSTALLATION_KEYS, KEYS_USED, MODERATORS, SiteKeys, api_key, sign_in

PREFIX = {"publishable": "pk_", "secret": "sk_", "personal": "mt_", "admin": "ak_", "compat": ""}
SIGN_IN_S = 86_400
_decode_key = msgspec.msgpack.Decoder(ApiKey).decode
_COMPAT = string.ascii_lowercase + string.digits


def digest(key: str) -> str:
    """What a key is stored under."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_secret(kind: str) -> str:
    """A fresh key: 24 random bytes behind its prefix; Akismet's 12 characters for `compat`."""
    if kind == "compat":
        return "".join(secrets.choice(_COMPAT) for _ in range(12))
    return PREFIX[kind] + secrets.token_urlsafe(24)


class ApiKeys:
    """Makes, finds, lists and revokes keys; keeps the moderators they belong to."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def add(self, record: ApiKey, key: str = "") -> str:
        """Stores a new key (made here, or given) and returns it; it cannot be read again."""
        key = key or new_secret(record.kind)
        record.hint = key[-4:]
        # Listed first: a key that lives must be one that can be found and revoked.
        await self._wire.execute("SADD", _listing(record.site), digest(key))
        await self._wire.execute("SET", api_key(digest(key)), codec.encode(record))
        return key

    async def find(self, key: str) -> ApiKey | None:
        """What is stored of a key."""
        row = await self._wire.execute("GET", api_key(digest(key)))
        return _decode_key(row) if row else None

    async def of_site(self, site: str) -> list[ApiKey]:
        """A site's live keys, oldest first ('' = the installation's)."""
        found = await self._records(site)
        return sorted((record for _, record in found), key=lambda r: r.created_at)

    async def revoke(self, site: str, key_id: str) -> bool:
        """Removes a key; False where the site has no such key."""
        for name, record in await self._records(site):
            if record.id == key_id:
                await self._wire.execute("UNLINK", api_key(name))
                await self._wire.execute("SREM", _listing(site), name)
                await self._wire.execute("HDEL", KEYS_USED, name)
                return True
        return False

    async def rotate(
        self, site: str, key_id: str, *, new_id: str, now: int, overlap_ms: int
    ) -> tuple[ApiKey, str, int] | None:
        """Makes a key's successor; the key itself ends after the overlap.

        Args:
            site: whose key; '' = the installation's.
            key_id: the key.
            new_id: the successor's id.
            now: ms since the epoch.
            overlap_ms: how long both live.

        Returns the successor, its key, and when the old one ends; None where the site has no such
        key. An interrupted rotation leaves both keys alive and listed.
        """
        for name, record in await self._records(site):
            if record.id != key_id:
                continue
            ends = min(now + overlap_ms, record.expires_at or now + overlap_ms)
            successor = msgspec.structs.replace(record, id=new_id, created_at=now)
            key = await self.add(successor)
            record.expires_at = ends
            # Only where it still is: a key revoked meanwhile stays revoked.
            await self._wire.execute("SET", api_key(name), codec.encode(record), "XX")
            return successor, key, ends
        return None

    def note_use(self, name: str, at: int) -> None:
        """Notes when the key of this digest was used, ms; nobody waits for it."""
        noted = self._wire.execute("HSET", KEYS_USED, name, at)
        noted.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def used(self, site: str) -> dict[str, int]:
        """When a site's keys were last used, ms, by their ids; those never used are left out."""
        records = await self._records(site)
        if not records:
            return {}
        names = [name for name, _ in records]
        times = await self._wire.execute("HMGET", KEYS_USED, *names)
        return {r.id: int(at) for (_, r), at in zip(records, times, strict=True) if at}

    async def _records(self, site: str) -> list[tuple[str, ApiKey]]:
        names = [n.decode() for n in await self._wire.execute("SMEMBERS", _listing(site))]
        rows = await asyncio.gather(*(self._wire.execute("GET", api_key(n)) for n in names))
        return [(n, _decode_key(row)) for n, row in zip(names, rows, strict=True) if row]

    async def add_moderator(self, moderator: Moderator) -> None:
        """Stores or replaces a moderator."""
        await self._wire.execute("HSET", MODERATORS, moderator.id, codec.encode(moderator))

    async def moderator(self, moderator_id: str) -> Moderator | None:
        """One moderator."""
        row = await self._wire.execute("HGET", MODERATORS, moderator_id)
        return codec.decode_moderator(row) if row else None

    async def moderators(self) -> list[Moderator]:
        """All moderators, by name."""
        rows = await self._wire.execute("HVALS", MODERATORS)
        return sorted((codec.decode_moderator(row) for row in rows), key=lambda m: m.name)

    async def replace_moderator(self, before: Moderator, after: Moderator | None) -> bool:
        """Replaces a moderator, or removes them; False where they changed since they were read."""
        # Compared as stored: an older release may have written fewer fields.
        row = await self._wire.execute("HGET", MODERATORS, before.id)
        if row is None or codec.decode_moderator(row) != before:
            return False
        packed = codec.encode(after) if after else b""
        return bool(await self._wire.script("moderator", [MODERATORS], [before.id, row, packed]))

    async def revoke_tokens(self, moderator_id: str) -> None:
        """Removes every token of a moderator."""
        for _, record in await self._records(""):
            if record.moderator == moderator_id:
                await self.revoke("", record.id)

    async def new_sign_in(self, moderator_id: str) -> str:
        """A token that signs this moderator in to the console once, within 24 hours."""
        token = random_id(24)
        await self._wire.execute("SET", sign_in(digest(token)), moderator_id, "EX", SIGN_IN_S)
        return token

    async def use_sign_in(self, token: str) -> Moderator | None:
        """The moderator of a sign-in token, which is used up; None where it is not live."""
        moderator_id = await self._wire.execute("GETDEL", sign_in(digest(token)), again=False)
        found = await self.moderator(moderator_id.decode()) if moderator_id else None
        return found if found and not found.disabled else None


def _listing(site: str) -> str:
    return SiteKeys(site).api_keys() if site else INSTALLATION_KEYS
