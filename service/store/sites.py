"""Sites and what their comments are decided under: origins, policy, bans, as one version."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct

from service.errors import Conflict, NotFound, PreconditionFailed
from service.ids import MAX_SITE_NUMBER
from service.records import Ban, Policy, Site
from service.store import codec
from service.store.connect import Wire
from service.store.keys import SITE_COUNTER, SITE_NUMBERS, SITES, SiteKeys, api_key

_encode_json = msgspec.json.Encoder().encode
_decode_policy = msgspec.json.Decoder(Policy).decode


VERSIONS_A_SITE = 1 << 20
"""Configuration versions start at the site's number times this, so that a site made anew under an
old name never has a version of the old one, which other processes may still hold."""


class Configuration(Struct, frozen=True):
    """A site with everything a verdict depends on, under one version."""

    site: Site
    policy: Policy
    bans: tuple[Ban, ...]
    version: int


class Sites:
    """Reads and changes sites."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def create(self, site: Site, policy: Policy) -> Site:
        """Registers a new site and gives it its number.

        Raises:
            Conflict: the id is taken.
        """
        if await self._wire.execute("HEXISTS", SITES, site.id):
            raise Conflict(f"The site {site.id!r} exists already.")
        site.number = int(await self._wire.execute("INCR", SITE_COUNTER))
        if site.number > MAX_SITE_NUMBER:
            raise Conflict("This installation has given out all its site numbers.")
        # The number first: should we end here, it is merely used up, and no comment lacks its site.
        await self._wire.execute("HSET", SITE_NUMBERS, site.number, site.id)
        first_version = str(site.number * VERSIONS_A_SITE + 1).encode()
        made = await self._configure(
            site.id, "create", codec.encode(site), _encode_json(policy), first_version
        )
        if made == -1:
            await self._register(site.id)
            raise Conflict(f"The site {site.id!r} exists already.")
        await self._register(site.id)
        return site

    async def _register(self, site: str) -> None:
        """Lists a site; also one whose maker ended before it could."""
        row = await self._wire.execute("HGET", SiteKeys(site).config(), "site")
        if row is not None:
            await self._wire.execute("HSET", SITES, site, codec.decode_site(row).number)

    async def all(self) -> list[str]:
        """The ids of all sites, sorted."""
        return sorted(name.decode() for name in await self._wire.execute("HKEYS", SITES))

    async def by_number(self, number: int) -> str | None:
        """The site with this number."""
        name = await self._wire.execute("HGET", SITE_NUMBERS, number)
        return name.decode() if name else None

    async def configuration(self, site: str) -> Configuration | None:
        """A site's configuration, or None."""
        keys = SiteKeys(site)
        row, bans = await asyncio.gather(
            self._wire.execute("HMGET", keys.config(), "version", "site", "policy"),
            self._wire.execute("HVALS", keys.bans()),
        )
        if row[0] is None:
            return None
        return Configuration(
            site=codec.decode_site(row[1]),
            policy=_decode_policy(row[2]),
            bans=tuple(codec.decode_ban(ban) for ban in bans),
            version=int(row[0]),
        )

    async def change(self, site: Site) -> None:
        """Replaces a site's name and origins.

        Raises:
            NotFound: there is no such site.
        """
        if await self._configure(site.id, "site", codec.encode(site), b"", b"") == -1:
            raise NotFound(f"No site {site.id!r}.")

    async def delete(self, site: str) -> None:
        """Removes a site with all its comments, keys and events; its number stays used.

        The configuration goes first, so that nothing new can be written while the rest goes.
        """
        keys = SiteKeys(site)
        digests = await self._wire.execute("SMEMBERS", keys.api_keys())
        await self._wire.execute("UNLINK", keys.config())
        for digest in digests:
            await self._wire.execute("UNLINK", api_key(digest.decode()))
        async for key in self._wire.client.scan_iter(match=_glob(keys.prefix()), count=1000):
            await self._wire.execute("UNLINK", key)
        await self._wire.execute("HDEL", SITES, site)

    async def save_policy(self, site: str, policy: Policy, *, expected: int | None) -> Policy:
        """Saves a policy as the next version, if `expected` (or any, when None) is current.

        Raises:
            NotFound: there is no such site.
            PreconditionFailed: somebody saved another version first.
        """
        current = await self._wire.execute("HGET", SiteKeys(site).config(), "policy_version")
        if current is None:
            raise NotFound(f"No site {site!r}.")
        saved = msgspec.structs.replace(policy, version=int(current) + 1)
        asked = b"" if expected is None else str(expected).encode()
        outcome = await self._configure(
            site, "policy", _encode_json(saved), asked, str(saved.version).encode()
        )
        if outcome == -2:
            raise PreconditionFailed(f"The policy is at version {int(current)} now.")
        return saved

    async def policy(self, site: str, version: int) -> Policy | None:
        """One kept version of a policy."""
        row = await self._wire.execute("HGET", SiteKeys(site).policies(), version)
        return _decode_policy(row) if row else None

    async def ban(self, site: str, ban: Ban) -> None:
        """Adds or replaces a ban.

        Raises:
            NotFound: there is no such site.
        """
        if await self._configure(site, "ban", ban.id.encode(), codec.encode(ban), b"") == -1:
            raise NotFound(f"No site {site!r}.")

    async def unban(self, site: str, ban_id: str) -> bool:
        """Lifts a ban; False where there was none."""
        return await self._configure(site, "unban", ban_id.encode(), b"", b"") > 0

    async def _configure(
        self, site: str, verb: str, first: bytes, second: bytes, third: bytes
    ) -> int:
        keys = SiteKeys(site)
        return int(
            await self._wire.script(
                "configure",
                [keys.config(), keys.policies(), keys.bans()],
                [verb, first, second, third],
            )
        )


def _glob(prefix: str) -> str:
    return prefix.replace("[", "\\[") + "*"
