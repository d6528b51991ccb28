"""Who may ask how often: a table of limits, applied before a body is read."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from typing import Any, Final

from service import metrics
from service.errors import Throttled, Unavailable
from service.records import Credential
from service.setting_kinds import Network
from service.store.limits import Limits, Rate, Taken

LIMITS: Final[dict[str, Rate]] = {
    "reader": Rate(burst=30, window_s=60),
    "publishable": Rate(burst=600, window_s=60),
    "secret": Rate(burst=3000, window_s=1),
    "anonymous": Rate(burst=120, window_s=60),
    "sign_in_from": Rate(burst=30, window_s=900),
    "sign_in_as": Rate(burst=10, window_s=900),
}
"""`reader`: one network address submitting with a publishable key; `publishable`: all of a
publishable key's submissions; `secret`: a secret or admin key; `anonymous`: requests without
one; `sign_in_from`: passwords tried from one network address; `sign_in_as`: passwords tried for one
moderator, who may not exist."""


class Throttle:
    """Takes one token per request from every limit that applies."""

    def __init__(self, limits: Limits, *, enabled: bool) -> None:
        self._limits = limits
        self._enabled = enabled

    async def submission(self, credential: Credential, ip: str) -> dict[str, str]:
        """Counts one submission; returns the RateLimit headers of its tightest limit.

        Raises:
            Throttled: over a limit.
            Unavailable: the store cannot be reached.
        """
        if not self._enabled:
            return {}
        if credential.kind == "publishable":
            headers = await self._take("reader", network(ip))
            await self._take("publishable", credential.id)
            return headers
        return await self._take("secret", credential.id)

    async def anonymous(self, ip: str) -> None:
        """Counts one request that carries no key.

        Raises:
            Throttled: over the limit.
        """
        if self._enabled:
            await self._take("anonymous", network(ip))

    async def sign_in(self, ip: str, name: str) -> None:
        """Counts one try of a password; `name` tells whom it is for.

        Raises:
            Throttled: over a limit.
        """
        if self._enabled:
            await self._take("sign_in_from", network(ip))
            await self.password(name)

    async def password(self, name: str) -> None:
        """Counts one try of a password by somebody who is signed in.

        Raises:
            Throttled: over the limit.
        """
        if self._enabled:
            await self._take("sign_in_as", name)

    async def _take(self, limit: str, name: str) -> dict[str, str]:
        rate = LIMITS[limit]
        try:
            taken = await self._limits.take(limit, name, rate)
        except Unavailable:
            metrics.UNAVAILABLE.inc()
            raise
        headers = _headers(limit, rate, taken)
        if not taken.allowed:
            metrics.THROTTLED.labels(limit).inc()
            error = Throttled(
                f"Over the limit {limit!r}: {rate.burst} in {rate.window_s} s.",
                retry_after_s=math.ceil(taken.retry_ms / 1000),
            )
            error.headers |= headers
            raise error
        return headers


def _headers(limit: str, rate: Rate, taken: Taken) -> dict[str, str]:
    """As in draft-ietf-httpapi-ratelimit-headers-10: q and r requests, w and t seconds."""
    return {
        "RateLimit-Policy": f'"{limit}";q={rate.burst};w={rate.window_s}',
        "RateLimit": f'"{limit}";r={taken.left};t={math.ceil(taken.reset_ms / 1000)}',
    }


def network(ip: str) -> str:
    """The network an address is counted with: IPv4 itself, IPv6 by its /64 (one subscriber)."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


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
