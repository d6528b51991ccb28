"""Where the store is: one server, a master that Sentinels name, or a Cluster, written as one URL.

    redis://[user:password@]host[:port][/db]            one server; rediss:// over TLS
    unix://[user:password@]/path/to.sock[?db=0]         one server on this machine
    redis+sentinel://[user:password@]host[:port],host[:port],.../master
    redis+cluster://[user:password@]host[:port],host[:port],...

`rediss+sentinel` and `rediss+cluster` speak TLS. Behind `?` may stand the `OPTIONS`, joined by `&`.
"""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

Kind = Literal["single", "sentinel", "cluster"]

SCHEMES: Final[dict[str, tuple[Kind, bool]]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("single", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
"""Scheme → what stands there, and whether it speaks TLS."""

RULE: Final = "a URL that starts with " + ", ".join(f"{scheme}://" for scheme in SCHEMES)

OPTIONS: Final[dict[str, str]] = {
    "db": r"[0-9]{1,4}",
    "ssl_ca_certs": r".+",
    "ssl_certfile": r".+",
    "ssl_keyfile": r".+",
    "ssl_cert_reqs": r"none|optional|required",
    "ssl_check_hostname": r"true|false",
    "sentinel_username": r".+",
    "sentinel_password": r".+",
}
"""What may stand behind the question mark, and what its value looks like.

Deadlines and retries may not: a lost reply to a write must never become a second write.
"""

PORTS: Final[dict[Kind, int]] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")


class RedisUrl(Struct, frozen=True):
    """A URL taken apart."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    """Host and port of the server, of the Sentinels, or of some of the Cluster's nodes."""
    master: str = ""
    """The name under which Sentinels know the master."""
    username: str = ""
    password: str = ""
    tls: bool = False
    options: dict[str, str] = {}

    def __repr__(self) -> str:
        shown = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"RedisUrl({self.kind} at {shown})"


def parse(text: str) -> RedisUrl:
    """The URL taken apart.

    Raises:
        ValueError: it is none; the message never repeats a password.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ValueError("is not such a URL")
    kind, tls = SCHEMES[scheme]
    if "#" in rest:
        raise ValueError("holds a #; write it as %23")
    # urlsplit cannot read several hosts, so the authority is taken out first.
    authority, _, behind = re.sub(r"[/?]", lambda m: "\0" + m[0], rest, count=1).partition("\0")
    parts = urlsplit(behind)
    userinfo, _, hosts = authority.rpartition("@")
    username, _, password = userinfo.partition(":")
    if scheme == "unix":
        _check_socket(parts.path, hosts)
    elif kind == "single":
        _check_database(parts.path)
    return RedisUrl(
        kind=kind,
        hosts=() if scheme == "unix" else _hosts(kind, hosts),
        master=_master(kind, unquote(parts.path).strip("/")),
        username=unquote(username),
        password=unquote(password),
        tls=tls,
        options=_options(kind, parts.query),
    )


def _hosts(kind: Kind, text: str) -> tuple[tuple[str, int], ...]:
    names = text.split(",")
    if kind == "single" and len(names) > 1:
        raise ValueError("names several hosts, as only redis+sentinel:// and redis+cluster:// may")
    return tuple(_host(kind, name) for name in names)


def _host(kind: Kind, text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError("names no host, or one that is not host:port")
    port = int(found[3] or PORTS[kind])
    if not 0 < port < 65_536:
        raise ValueError("names a port that is out of range")
    return found[1] or found[2], port


def _master(kind: Kind, path: str) -> str:
    if kind == "sentinel":
        if not re.fullmatch(r"[A-Za-z0-9._-]+", path):
            raise ValueError("lacks the master's name: …/master behind the Sentinels")
        return path
    if path and kind == "cluster":
        raise ValueError("has a path, which a Cluster has not (it has database 0 only)")
    return ""


def _check_database(path: str) -> None:
    if path.strip("/") and not re.fullmatch(r"/[0-9]{1,4}/?", path):
        raise ValueError("has a path that is no database number")


def _check_socket(path: str, host: str) -> None:
    if host or not path.strip("/"):
        raise ValueError("names no socket: unix:///path/to.sock")


def _options(kind: Kind, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in options.items():
        if name not in OPTIONS or (name.startswith("sentinel_") and kind != "sentinel"):
            # Not repeated: it may be the end of a password that holds a question mark.
            raise ValueError(f"has an option that is none of {', '.join(OPTIONS)}")
        if not re.fullmatch(OPTIONS[name], value):
            raise ValueError(f"has a value of {name} that does not fit")
    if kind == "cluster" and int(options.get("db", "0")):
        raise ValueError("names a database; a Cluster has number 0 only")
    return options
