"""Bans, compiled: however many a site has, those that match a comment are found by a few look-ups.

An IP range is kept under its prefix length and the bits in front of it, so that an address is
looked up once for each prefix length that occurs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from service.records import Ban


class _Network(NamedTuple):
    """An address or a range of addresses."""

    version: int
    prefix: int
    """How many bits all its addresses share."""
    first: int

    def front(self, prefix: int) -> int:
        """The first `prefix` bits."""
        return self.first >> ((32 if self.version == 4 else 128) - prefix)


class CompiledBans:
    """A site's bans, ready to be matched; iterates over all of them in the order given."""

    __slots__ = ("_all", "_authors", "_domains", "_networks")

    def __init__(self, bans: Iterable[Ban] = ()) -> None:
        self._all = tuple(bans)
        self._authors: dict[str, list[int]] = {}
        self._domains: dict[str, list[int]] = {}
        self._networks: dict[tuple[int, int], dict[int, list[int]]] = {}
        for place, ban in enumerate(self._all):
            self._add(place, ban)

    def __iter__(self) -> Iterator[Ban]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def _add(self, place: int, ban: Ban) -> None:
        if ban.kind in ("author", "address"):
            self._authors.setdefault(ban.value, []).append(place)
        elif ban.kind == "domain":
            domain = ascii_domain(ban.value.strip().removeprefix("@").removeprefix("*."))
            self._domains.setdefault(domain, []).append(place)
        elif (network := _network(ban.value)) is not None:
            same_length = self._networks.setdefault((network.version, network.prefix), {})
            same_length.setdefault(network.front(network.prefix), []).append(place)

    def matching(self, *, author_id: str, email_domain: str, ip: str, now: int) -> tuple[Ban, ...]:
        """Those that match a comment and have not expired; arguments as for `matching_bans`."""
        places = [*self._authors.get(author_id, ())] if author_id else []
        for domain in parents(ascii_domain(email_domain)):
            places += self._domains.get(domain, ())
        network = _network(ip) if self._networks else None
        if network is not None:
            for (version, prefix), ranges in self._networks.items():
                if version == network.version and prefix <= network.prefix:
                    places += ranges.get(network.front(prefix), ())
        found = (self._all[place] for place in sorted(places))
        return tuple(ban for ban in found if ban.expires_at is None or ban.expires_at > now)


def matching_bans(
    bans: Iterable[Ban], *, author_id: str, email_domain: str, ip: str, now: int
) -> tuple[Ban, ...]:
    """Those of a site's bans that match a comment and have not expired.

    Args:
        bans: the site's bans; compile many of them first, once.
        author_id: the keyed hash of the author's address; empty matches nothing.
        email_domain: matched with its parent domains.
        ip: where the comment came from; empty or not an address matches nothing.
        now: ms since the epoch.
    """
    compiled = bans if isinstance(bans, CompiledBans) else CompiledBans(bans)
    return compiled.matching(author_id=author_id, email_domain=email_domain, ip=ip, now=now)


def _network(text: str) -> _Network | None:
    """An address or range, IPv4 inside IPv6 as IPv4; None for anything else."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    first, prefix = int(network.network_address), network.prefixlen
    if network.version == 6 and prefix >= 96 and first >> 32 == 0xFFFF:
        return _Network(4, prefix - 96, first & 0xFFFFFFFF)
    return _Network(network.version, prefix, first)


def ascii_domain(domain: str) -> str:
    """Lower case and, where it is not ASCII, the form that mail servers see."""
    if domain.isascii():
        return domain.lower()
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return domain.lower()


def parents(domain: str) -> Iterator[str]:
    """`a.b.example`, `b.example`, `example`."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]
