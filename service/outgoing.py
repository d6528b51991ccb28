"""Requests to addresses that strangers chose: webhooks and callbacks, kept out of our own network.

Server-side request forgery is prevented where it happens, at the connection: a name is resolved
once, every address it has is judged, and a judged address is what is connected to; the name stays
in `Host`, SNI and the certificate's check. So no spelling of an address, mixed answer or second
look-up (DNS rebinding) reaches what was not judged. There are no redirects, proxies, cookies,
decompression or kept connections: httpcore, which lies below httpx, has none of them unasked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
from msgspec import Struct

from service import __version__
from service.setting_kinds import Network

DEADLINE_S: Final = 10.0
"""One whole exchange: look-up, connection, TLS, request, answer."""
ANSWER_MAX: Final = 65_536
"""Bytes of an answer's body that are read, and thrown away."""
LAST_S: Final = 1.0
"""How long the body is read: the status is known by then, and closing at once would reset."""
LOOKUPS: Final = 64
"""Names looked up at once; a resolver that hangs holds one of them, never the event loop."""
ADDRESSES_TRIED: Final = 3
"""Addresses of one name that are tried, one after the other."""
CONNECT_S: Final = 3.0
"""How long an address is tried while there is another one."""
AGENT: Final = f"Winnow/{__version__}"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

PORTS_DENIED: Final = frozenset(
    (7, 9, 19, 21, 22, 23, 25, 53, 110, 111, 119, 135, 139, 143, 161, 389, 445, 465, 514, 587)
).union((636, 873, 993, 995, 1433, 1521, 2049, 2375, 3306, 3389, 5432, 5672, 6379, 9042, 11211))
"""Well-known services that are not HTTP, and some of which do what a line of HTTP says."""

_NEVER: Final = (
    "169.254.169.254/32",  # AWS, Azure, Google and most others
    "169.254.170.2/32",  # AWS ECS
    "100.100.100.200/32",  # Alibaba
    "168.63.129.16/32",  # Azure; a public address
    "192.0.0.192/32",  # Oracle
    "fd00:ec2::254/128",  # AWS
    "fd20:ce::254/128",  # Google
)
"""Where clouds tell a machine its credentials; no setting opens these."""

_DENIED: Final = (
    "100.64.0.0/10",  # carriers' NAT
    "192.0.0.0/24",  # IETF protocols
    "192.88.99.0/24",  # 6to4 relays
    "224.0.0.0/4",  # multicast
    "64:ff9b::/96",  # NAT64: any IPv4 address, loopback included
    "64:ff9b:1::/48",  # local NAT64
    "::ffff:0:0/96",  # IPv4-mapped
    "::ffff:0:0:0/96",  # IPv4-translated
    "2001::/32",  # Teredo
    "2002::/16",  # 6to4
    "3fff::/20",  # documentation
    "ff00::/8",  # multicast
)
"""What `is_global` of Python 3.11 lets pass, or another version might."""
_UNICAST: Final = "2000::/3"
"""All of IPv6 that is given out (RFC 4291, 2.4)."""


class Failed(Exception):
    """There is no answer; `reason` says why in a few words that name no URL and no address.

    Failed
    ├── Refused      we will not connect there, now or later
    ├── Unreachable  no such name, no connection, or no TLS
    ├── TooSlow      not done within the deadline
    └── Broken       the connection broke, or what came is not HTTP
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(Failed):
    """The URL or an address behind it is not one we connect to."""


class Unreachable(Failed):
    """The name has no address, nobody listens, or the certificate is not valid."""


class TooSlow(Failed):
    """The exchange was not done within the deadline."""


class Broken(Failed):
    """The connection broke, or the answer is not HTTP."""


class Answered(Struct, frozen=True):
    """What came back; any status, redirects included, is an answer."""

    status: int
    retry_after_s: float | None = None
    """Seconds to wait, as `Retry-After` says in either of its forms."""


class Outgoing:
    """Posts to URLs from outside; one for the whole process, opens nothing until it is used.

    Args:
        reachable: private networks that may be reached on purpose (`outgoing_networks`).
        resolve: turns a name and a port into addresses.
    """

    def __init__(
        self, reachable: Iterable[Network] = (), *, resolve: Resolve | None = None
    ) -> None:
        self._judge = Judge(reachable)
        self._backend = _Judged(self._judge, resolve or _Resolver())

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpcore.default_ssl_context()

    async def post(
        self, url: str, body: bytes, headers: dict[str, str], *, deadline_s: float = DEADLINE_S
    ) -> Answered:
        """Sends one POST, and waits for its answer's status.

        Raises:
            Refused, Unreachable, TooSlow, Broken.
        """
        parsed = self._checked(url)
        host = b"[%b]" % parsed.host if b":" in parsed.host else parsed.host
        named = host if parsed.port is None else b"%b:%d" % (host, parsed.port)
        given = {"Host": named.decode(), "User-Agent": AGENT, "Connection": "close"}
        try:
            async with asyncio.timeout(deadline_s):
                return await self._post(parsed, body, given | headers)
        except (TimeoutError, httpcore.TimeoutException):
            raise TooSlow(f"no answer within {deadline_s:g} s") from None
        except httpcore.ConnectError as error:
            raise Unreachable(_why(error)) from None
        except (httpcore.NetworkError, httpcore.ProtocolError):
            raise Broken("the connection broke, or the answer is not HTTP") from None

    async def _post(self, url: httpcore.URL, body: bytes, headers: dict[str, str]) -> Answered:
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._tls, network_backend=self._backend
            ) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body) as answer,
        ):
            answered = Answered(answer.status, _retry_after_s(answer))
            await _read_politely(answer)
            return answered

    def check(self, url: str) -> None:
        """Checks what can be told of a URL without looking its name up.

        Raises:
            Refused: a scheme, port or address we do not connect to, or it is no URL.
        """
        self._checked(url)

    def _checked(self, url: str) -> httpcore.URL:
        try:
            parsed, authority = httpcore.URL(url), urlsplit(url).netloc
        except (ValueError, TypeError):  # TypeError: it is not ASCII
            raise Refused("this is no http or https URL") from None
        if parsed.scheme not in (b"http", b"https") or not parsed.host or "@" in authority:
            raise Refused("an http or https URL without user name and password is needed")
        if parsed.port in PORTS_DENIED:
            raise Refused("this port is not one of HTTP's")
        with suppress(ValueError):  # a name; the addresses behind it are judged when it is used
            if not self._judge.allows(ipaddress.ip_address(parsed.host.decode())):
                raise Refused("the address is not a public one")
        return parsed


class Judge:
    """Tells which addresses may be connected to."""

    def __init__(self, reachable: Iterable[Network] = ()) -> None:
        self._reachable = tuple(reachable)
        self._never = tuple(map(ipaddress.ip_network, _NEVER))
        self._denied = tuple(map(ipaddress.ip_network, _DENIED))
        self._unicast = ipaddress.ip_network(_UNICAST)

    def allows(self, address: Address) -> bool:
        """Whether an address is public, or in a network that was opened on purpose."""
        if any(address in network for network in self._never):
            return False
        if any(address in network for network in self._reachable):
            return True
        if address.version == 6 and address not in self._unicast:
            return False
        return address.is_global and not any(address in network for network in self._denied)


class _Judged(httpcore.AsyncNetworkBackend):
    """Connects to judged addresses only: httpcore hands it every name it wants to reach."""

    def __init__(self, judge: Judge, resolve: Resolve) -> None:
        self._judge = judge
        self._resolve = resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of `host` that answers, if all of them may be."""
        try:
            found = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise Unreachable("the name has no address")
        if not all(self._judge.allows(ipaddress.ip_address(address)) for address in found):
            raise Refused("the address is not a public one")
        *others, last = found[:ADDRESSES_TRIED]
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(address, port, CONNECT_S)
        return await self._inner.connect_tcp(last, port, timeout)


class _Resolver:
    """The system's resolver in threads of its own, so that slow names delay no other work."""

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(LOOKUPS, "resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(row[4][0]) for row in rows]


async def _read_politely(answer: httpcore.Response) -> None:
    """Reads what little a well-meaning receiver says; whatever happens, its status stands."""
    read = 0
    with suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        async with asyncio.timeout(LAST_S):
            async for part in answer.aiter_stream():
                read += len(part)
                if read >= ANSWER_MAX:
                    return


def _retry_after_s(answer: httpcore.Response) -> float | None:
    """What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3)."""
    given = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"")
    text = given.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _why(error: Exception) -> str:
    """A failed connection in words of ours."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the certificate is not valid"
        if isinstance(cause, ssl.SSLError):
            return "TLS failed"
        cause = cause.__cause__ or cause.__context__
    return "nobody can be reached there"
