"""Who may ask how often: a table of limits, applied before a body is read where that can be known.

All limits of a request are asked for in one round trip and take their tokens together or not at
all. A caller who was refused is refused from memory until the store would let them in again: what
an attacker sends too much costs no round trip.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

from service import metrics
from service.errors import Throttled, Unavailable
from service.records import Credential
from service.records import Limits as SiteLimits
from service.setting_kinds import Network
from service.store.limits import Bucket, Limits, Rate, Taken

LIMITS: Final[dict[str, Rate]] = {
    "reader": Rate(burst=30, window_s=60),
    "readers": Rate(burst=300, window_s=60),
    "publishable": Rate(burst=3000, window_s=60),
    "author": Rate(burst=10, window_s=60),
    "page": Rate(burst=300, window_s=60),
    "site": Rate(burst=30_000, window_s=60),
    "secret": Rate(burst=3000, window_s=1),
    "anonymous": Rate(burst=120, window_s=60),
    "anonymous_network": Rate(burst=1200, window_s=60),
    "wrong_key": Rate(burst=30, window_s=60),
    "sign_in_from": Rate(burst=30, window_s=900),
    "sign_in_as": Rate(burst=10, window_s=900),
}
"""Submissions with a publishable key: `reader` from one address (IPv6: one /64), `readers` from its
neighbourhood (/24, /48), `publishable` with one key, `author` under one e-mail address, `page` to
one page; `site`: all submissions to one site; `secret`: one other key; `anonymous` and
`anonymous_network`: requests without a key, from one address and its neighbourhood; `wrong_key`:
keys, links and receipts from one address that are not known here; `sign_in_from`: passwords tried
from one address; `sign_in_as`: passwords tried for one moderator, who may not exist."""

BY_KEY: Final = frozenset({"reader", "readers", "publishable", "site", "secret"})
"""Limits that follow from a submission's key and network alone."""

CALLER: Final[ContextVar[str]] = ContextVar("caller", default="")
"""The network address behind the request under way; the outermost layer sets it."""
_REMEMBERED: Final = 10_000
"""Refusals remembered in a process; beyond, all are forgotten and asked for anew."""


FORGOTTEN_S: Final = 5.0
"""How long after it may have ended a refusal still makes callers go in single file."""


def probing_s(rate: Rate) -> float:
    """How long after one caller was let through to ask the store, the others wait for its answer:
    without this, all that an attacker sends at that moment would ask."""
    return min(0.25, rate.step_us / 1_000_000)


class Throttle:
    """Takes one token per request from every limit that applies."""

    def __init__(self, limits: Limits, *, enabled: bool) -> None:
        self._limits = limits
        self._enabled = enabled
        self._shut: dict[str, float] = {}
        """Bucket → when it gives tokens again, by this process's monotonic clock."""

    async def submission(
        self, credential: Credential, ip: str, own: SiteLimits | None = None
    ) -> dict[str, str]:
        """Counts one submission before its body is read.

        Args:
            credential: whose key came with it.
            ip: where it comes from; matters for publishable keys.
            own: the site's own limits, where they are known.

        Returns the RateLimit headers of its tightest limit.

        Raises:
            Throttled: over a limit.
            Unavailable: the store cannot be reached.
        """
        own = own or SiteLimits()
        sites = credential.sites or ()
        site = next(iter(sites)) if len(sites) == 1 else ""
        asked = [_bucket("site", site, site, own.per_site)] if site else []
        if credential.kind == "publishable":
            address, per_minute = network(ip), own.per_reader
            asked += [
                _bucket("reader", address, site, per_minute),
                _bucket("readers", neighbourhood(address), site, per_minute and 10 * per_minute),
            ]
            return await self._take([*asked, _bucket("publishable", credential.id, site)])
        return await self._take([*asked, _bucket("secret", credential.id, site)])

    async def posted(
        self, site: str, author: str, page: str, own: SiteLimits, headers: dict[str, str]
    ) -> dict[str, str]:
        """Counts one comment of a publishable key once it is known who wrote it and where.

        Args:
            site: the site's id.
            author: the author's keyed hash.
            page: the page's hash.
            own: the site's own limits.
            headers: what `submission` returned.

        Returns the RateLimit headers of the tightest limit of both.

        Raises:
            Throttled, Unavailable.
        """
        found = await self._take(
            [
                _bucket("author", author, site, own.per_author),
                _bucket("page", page, site, own.per_page),
            ]
        )
        return min((headers, found), key=_left_of) if found and headers else found or headers

    async def anonymous(self, ip: str) -> None:
        """Counts one request that carries no key.

        Raises:
            Throttled: over the limit.
        """
        address = network(ip)
        await self._take(
            [_bucket("anonymous", address), _bucket("anonymous_network", neighbourhood(address))]
        )

    def admits_strangers(self) -> None:
        """Checks, without asking the store, that the caller has not shown too many wrong keys.

        Raises:
            Throttled: they have.
        """
        if self._enabled and self._shut:
            self._check_shut([_bucket("wrong_key", network(CALLER.get()))])

    async def wrong_key(self) -> None:
        """Counts one key, link or receipt of the caller's that is not known here.

        Raises:
            Throttled: over the limit.
            Unavailable: the store cannot be reached.
        """
        await self._take([_bucket("wrong_key", network(CALLER.get()))])

    async def sign_in(self, ip: str, name: str) -> None:
        """Counts one try of a password; `name` tells whom it is for.

        Raises:
            Throttled: over a limit.
        """
        await self._take([_bucket("sign_in_from", network(ip)), _bucket("sign_in_as", name)])

    async def password(self, name: str) -> None:
        """Counts one try of a password by somebody who is signed in.

        Raises:
            Throttled: over the limit.
        """
        await self._take([_bucket("sign_in_as", name)])

    async def _take(self, buckets: Sequence[Bucket]) -> dict[str, str]:
        if not self._enabled:
            return {}
        self._check_shut(buckets)
        try:
            found = await self._limits.take(buckets)
        except Unavailable:
            metrics.UNAVAILABLE.inc()
            raise
        for bucket, taken in zip(buckets, found, strict=True):
            if not taken.allowed:
                self._shut_for(bucket, taken.retry_ms)
        refused = [(b, t) for b, t in zip(buckets, found, strict=True) if not t.allowed]
        if refused:
            bucket, taken = max(refused, key=lambda row: row[1].retry_ms)
            raise _refusal(bucket, taken)
        return _headers(*min(zip(buckets, found, strict=True), key=_share_left))

    def _shut_for(self, bucket: Bucket, retry_ms: int) -> None:
        if len(self._shut) >= _REMEMBERED:
            self._shut.clear()
        self._shut[bucket.key] = time.monotonic() + retry_ms / 1000

    def _check_shut(self, buckets: Sequence[Bucket]) -> None:
        """Refuses what the store refused a moment ago: a bucket only ever fills with time."""
        for bucket in buckets:
            until = self._shut.get(bucket.key) if self._shut else None
            if until is None:
                continue
            left_s = until - time.monotonic()
            if left_s > 0:
                ms = math.ceil(left_s * 1000)
                full_ms = ms + (bucket.rate.burst - 1) * bucket.rate.step_us // 1000
                raise _refusal(bucket, Taken(False, 0, ms, full_ms))
            if left_s < -FORGOTTEN_S:
                del self._shut[bucket.key]
            else:
                self._shut[bucket.key] = time.monotonic() + probing_s(bucket.rate)


def _bucket(limit: str, name: str, site: str = "", per_minute: int | None = None) -> Bucket:
    return Bucket(limit, name, Rate(per_minute, 60) if per_minute else LIMITS[limit], site)


def _share_left(row: tuple[Bucket, Taken]) -> float:
    return row[1].left / row[0].rate.burst


def _left_of(headers: dict[str, str]) -> int:
    return int(headers["RateLimit"].partition("r=")[2].partition(";")[0])


def _refusal(bucket: Bucket, taken: Taken) -> Throttled:
    metrics.THROTTLED.labels(bucket.kind).inc()
    error = Throttled(
        f"Over the limit {bucket.kind!r}: {bucket.rate.burst} in {bucket.rate.window_s} s.",
        retry_after_s=math.ceil(taken.retry_ms / 1000),
    )
    error.headers |= _headers(bucket, taken)
    error.limit, error.until = bucket.kind, time.monotonic() + taken.retry_ms / 1000
    error.probing_s = probing_s(bucket.rate)
    return error


def _headers(bucket: Bucket, taken: Taken) -> dict[str, str]:
    """As in draft-ietf-httpapi-ratelimit-headers-10: q and r requests, w and t seconds."""
    rate = bucket.rate
    return {
        "RateLimit-Policy": f'"{bucket.kind}";q={rate.burst};w={rate.window_s}',
        "RateLimit": f'"{bucket.kind}";r={taken.left};t={math.ceil(taken.reset_ms / 1000)}',
    }


@lru_cache(4096)
def network(ip: str) -> str:
    """The network an address is counted with: IPv4 itself, IPv6 by its /64 (one subscriber)."""
    return _within_prefix(ip, 32, 64)


@lru_cache(4096)
def neighbourhood(network: str) -> str:
    """What lies around a network: IPv4's /24, IPv6's /48, as providers hand them out at once."""
    return _within_prefix(network.partition("/")[0], 24, 48)


def _within_prefix(ip: str, four: int, six: int) -> str:
    address = _address(ip)
    if address is None:
        return "unknown"
    prefix = four if address.version == 4 else six
    found = ipaddress.ip_network((address, prefix), strict=False)
    return str(address) if prefix == 32 else str(found)


def client_ip(scope: Any, trusted: Sequence[Network]) -> str:
    """The caller's address: the peer's, or what the nearest trusted proxy says it is."""
    peer = _plain(scope["client"][0] if scope.get("client") else "")
    if not trusted or not _within(peer, trusted):
        return peer
    # A proxy may add a header of its own below one that the caller sent: all are one list.
    forwarded = b",".join(v for n, v in scope["headers"] if n == b"x-forwarded-for")
    for hop in reversed(forwarded.decode("latin-1").split(",")):
        address = _plain(hop.strip())
        if _address(address) is None:
            break
        peer = address
        if not _within(address, trusted):
            break
    return peer


@lru_cache(4096)
def _plain(text: str) -> str:
    """An IPv4 address that came over an IPv6 socket (`::ffff:192.0.2.1`) as itself."""
    address = _address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped) if mapped else text


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _within(text: str, networks: Sequence[Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)
