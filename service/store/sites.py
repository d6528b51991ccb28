"""Sites and what their comments are decided under: origins, policy, bans, as one version."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from service.errors import Conflict, NotFound, PreconditionFailed
from service.ids import MAX_SITE_NUMBER
from service.records import Ban, Policy, Site
from service.store import codec
from service.store.connect import Wire
from service.store.keys import (
    MODERATORS,
    SITE_COUNTER,
    SITE_NUMBERS,
    SITES,
    SITES_DELETING,
    SiteKeys,
    api_key,
)

_encode_json = msgspec.json.Encoder().encode
_decode_policy = msgspec.json.Decoder(Policy).decode


VERSIONS_A_SITE = 1 << 20
"""Configuration versions start at the site's number times this, so that a site made anew under an
old name never has a version of the old one, which other processes may still hold."""
BANS_MAX = 100_000
"""Bans of one site at most: every web process holds all of them."""
SLICE = 500
"""Keys looked at or dropped in one command while a site is removed."""
GONE = "(deleted)"
"""Stands in for a moderator's last site: no site has such an id, and no site means every one."""


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
            Conflict: the id is taken, or a site of that id is still being deleted.
        """
        await self._check_not_deleting(site.id)
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
        try:
            await self._check_not_deleting(site.id)
        except Conflict:
            # The deletion began after we first asked, and takes what it finds for the old site's.
            await self._wire.execute("UNLINK", SiteKeys(site.id).config())
            raise
        await self._register(site.id)
        return site

    async def _check_not_deleting(self, site: str) -> None:
        if await self._wire.execute("SISMEMBER", SITES_DELETING, site):
            raise Conflict(
                f"The site {site!r} is still being deleted; make it again once that is done."
            )

    async def _register(self, site: str) -> None:
        """Lists a site; also one whose maker ended before it could."""
        row = await self._wire.execute("HGET", SiteKeys(site).config(), "site")
        if row is not None:
            await self._wire.execute("HSET", SITES, site, codec.decode_site(row).number)

    async def all(self) -> list[str]:
        """The ids of all sites but those being deleted, sorted."""
        listed, deleting = await asyncio.gather(
            self._wire.execute("HKEYS", SITES), self._wire.execute("SMEMBERS", SITES_DELETING)
        )
        return sorted(name.decode() for name in set(listed) - set(deleting))

    async def exists(self, site: str) -> bool:
        """Whether there is such a site, whatever state its rules are in."""
        return bool(await self._wire.execute("HEXISTS", SiteKeys(site).config(), "version"))

    async def by_number(self, number: int) -> str | None:
        """The site with this number."""
        name = await self._wire.execute("HGET", SITE_NUMBERS, number)
        return name.decode() if name else None

    async def configuration(self, site: str) -> Configuration | None:
        """A site's configuration, or None."""
        found = await self.newer(site, 0)
        return found if isinstance(found, Configuration) else None

    async def newer(self, site: str, held: int) -> Configuration | int | None:
        """A site's configuration read at one moment, `held` if that is its version still, or None.

        Version and bans come from one script: read apart, an old list of bans could be held under
        the new version for ever.
        """
        keys = SiteKeys(site)
        row = await self._wire.script("configuration", [keys.config(), keys.bans()], [held])
        if not row:
            return None
        if len(row) == 1:
            return held
        if len(row[3]) < SLICE:
            return _configuration(row)
        return await asyncio.to_thread(_configuration, row)

    async def read(self, site: str) -> tuple[Site, Policy]:
        """A site and its policy as they are stored, whether they can be compiled or not.

        Raises:
            NotFound: there is no such site.
        """
        row = await self._wire.execute("HMGET", SiteKeys(site).config(), "site", "policy")
        if row[0] is None:
            raise NotFound(f"No site {site!r}.")
        return codec.decode_site(row[0]), _decode_policy(row[1])

    async def change(self, site: Site) -> None:
        """Replaces a site's name and origins.

        Raises:
            NotFound: there is no such site.
        """
        if await self._configure(site.id, "site", codec.encode(site), b"", b"") == -1:
            raise NotFound(f"No site {site.id!r}.")

    async def delete(self, site: str) -> None:
        """Removes a site with all its comments, keys and events; its number stays used.

        The configuration goes first, so that nothing new can be written while the rest goes. What
        is interrupted afterwards is finished by the next call, or by the worker.

        Raises:
            NotFound: there is no such site, and none is being deleted.
        """
        if not await self.exists(site) and not await self._remains(site):
            raise NotFound(f"No site {site!r}.")
        await asyncio.gather(
            self._wire.execute("UNLINK", SiteKeys(site).config()),
            self._wire.execute("SADD", SITES_DELETING, site),
        )
        await self.remove(site)

    async def _remains(self, site: str) -> bool:
        return any(
            await asyncio.gather(
                self._wire.execute("HEXISTS", SITES, site),
                self._wire.execute("SISMEMBER", SITES_DELETING, site),
            )
        )

    async def deleting(self) -> list[str]:
        """The ids of sites whose deletion has begun, sorted: marked, or listed and not there."""
        listed, marked = await asyncio.gather(
            self._wire.execute("HKEYS", SITES), self._wire.execute("SMEMBERS", SITES_DELETING)
        )
        names = [name.decode() for name in listed]
        there = await asyncio.gather(*(self.exists(name) for name in names))
        gone = {name for name, exists in zip(names, there, strict=True) if not exists}
        return sorted(gone | {name.decode() for name in marked})

    async def remove(self, site: str) -> None:
        """Drops all that is left of a site without a configuration, its mark last.

        Several may do so at once; where the site is there (again), nothing of it is dropped.
        """
        dropped = 1
        while dropped:  # again, for what was being written while the site went
            await self._drop_keys(site)
            dropped = await self._drop_round(site)
        await self._strip_moderators(site)
        await self._wire.execute("HDEL", SITES, site)
        await self._wire.execute("SREM", SITES_DELETING, site)
        await self._register(site)

    async def _drop_keys(self, site: str) -> None:
        """Ends the site's API keys."""
        digests = await self._wire.execute("SMEMBERS", SiteKeys(site).api_keys())
        if await self.exists(site):
            return  # made anew: these keys may be the new site's
        names = [api_key(digest.decode()) for digest in digests]
        for i in range(0, len(names), SLICE):
            # One by one: keys of the installation lie on any of a Cluster's servers.
            await asyncio.gather(
                *(self._wire.execute("UNLINK", name) for name in names[i : i + SLICE])
            )

    async def _drop_round(self, site: str) -> int:
        """Goes through all keys once; how many of the site's were dropped."""
        keys, cursor, dropped = SiteKeys(site), 0, 0
        while True:
            cursor, found = await self._wire.execute(
                *("SCAN", cursor, "MATCH", _glob(keys.prefix()), "COUNT", SLICE),
                near=keys.config(),
            )
            for i in range(0, len(found), SLICE):
                names = found[i : i + SLICE]
                gone = await self._wire.script("remove", [keys.config(), *names], [len(names)])
                if gone == -1:
                    return 0
                dropped += gone
            if int(cursor) == 0:
                return dropped

    async def _strip_moderators(self, site: str) -> None:
        """Takes the site from those who moderate it; nobody comes to reach every site by that."""
        if await self.exists(site):
            return
        for row in await self._wire.execute("HVALS", MODERATORS):
            moderator = codec.decode_moderator(row)
            if site not in moderator.sites:
                continue
            moderator.sites = tuple(s for s in moderator.sites if s != site) or (GONE,)
            packed = codec.encode(moderator)
            if not await self._wire.script("moderator", [MODERATORS], [moderator.id, row, packed]):
                await self._strip_moderators(site)  # an admin changed them meanwhile
                return

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
            Conflict: the site has as many bans as it can have.
            NotFound: there is no such site.
        """
        bans = SiteKeys(site).bans()
        count, known = await asyncio.gather(
            self._wire.execute("HLEN", bans), self._wire.execute("HEXISTS", bans, ban.id)
        )
        if count >= BANS_MAX and not known:
            raise Conflict(
                f"The site has {BANS_MAX:,} bans, which is the most it can have; lift some, or ban "
                "a domain or a network in place of many addresses."
            )
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


def _configuration(row: Sequence[Any]) -> Configuration:
    """What `configuration.lua` read."""
    version, site, policy, bans = row
    return Configuration(
        site=codec.decode_site(site),
        policy=_decode_policy(policy),
        bans=tuple(codec.decode_ban(ban) for ban in bans),
        version=int(version),
    )


def _glob(prefix: str) -> str:
    return prefix.replace("[", "\\[") + "*"
