"""Who may do what on the embedded server: two users, each with a random password.

The web processes and the worker connect as `service`, which may use the commands that Winnow uses
and no others: whoever got hold of such a connection could not empty the store, change how it
writes, or make it follow another server. The supervisor, and commands that back up or restore,
connect as `operator`, which may do everything. Nobody else gets in.

The passwords stand in `access.json` in the data folder (mode 0600) and stay the same as long as
the folder exists, so that an orphan can be adopted; the server's configuration holds their hashes.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.store import folder

SERVICE: Final = "service"
OPERATOR: Final = "operator"

COMMANDS: Final[tuple[str, ...]] = (
    # The connection itself.
    *("ping", "echo", "quit", "reset", "hello", "auth", "client|setinfo", "client|setname"),
    *("client|id", "multi", "exec", "discard", "watch", "unwatch"),
    # Scripts: their texts come with the release; free text (EVAL) is not needed.
    *("evalsha", "script|load", "script|exists"),
    # Keys.
    *("exists", "expire", "pexpire", "ttl", "pttl", "type", "del", "unlink", "scan", "dbsize"),
    # Strings.
    *("get", "set", "mget", "getdel", "incr", "incrby", "decr", "decrby"),
    # Hashes.
    *("hget", "hset", "hsetnx", "hmget", "hgetall", "hkeys", "hvals", "hlen", "hexists", "hdel"),
    *("hincrby", "hscan"),
    # Lists.
    *("lpush", "rpush", "lpop", "lrange", "llen", "ltrim", "lindex", "lset"),
    # Sets.
    *("sadd", "srem", "smembers", "sismember", "scard", "sscan", "spop"),
    # Sorted sets.
    *("zadd", "zrem", "zscore", "zmscore", "zcard", "zcount", "zrange", "zrank", "zscan"),
    *("zremrangebyscore", "zintercard"),
    # Streams.
    *("xadd", "xlen", "xrange", "xrevrange", "xread", "xtrim", "xdel", "xinfo|stream"),
    # What health, durability and erasure need of the server.
    *("info", "time", "latency|latest", "config|get", "wait", "waitaof", "bgrewriteaof"),
)
"""What the service may do, in the ACL's spelling; a test compares it with what the code uses."""

SINCE: Final = {"waitaof": (7, 2), "client|setinfo": (7, 2)}
"""Commands that the oldest servers lack; a server refuses to start on a name it does not know."""

REPLY_S: Final = 2.0
"""How long one answer of the server may take, in seconds."""


class Access(msgspec.Struct, frozen=True):
    """The passwords of the two users."""

    service: str
    operator: str

    def url(self, socket_path: str, user: str = SERVICE) -> str:
        """Where a user connects, in redis-py's spelling; holds the password."""
        return f"unix://{user}:{getattr(self, user)}@{quote(socket_path)}?db=0"

    def rules(self, version: tuple[int, ...]) -> list[str]:
        """The lines of redis.conf that make the users, for a server of this version."""
        known = [name for name in COMMANDS if version >= SINCE.get(name, (0,))]
        allowed = " ".join(f"+{name}" for name in known)
        return [
            # Nobody can be this user: it is off and has no password. But Redis 7.0 replays the
            # append-only file as it, and asks for permission inside MULTI: without, a restart
            # would silently leave out whatever scripts have written.
            "user default reset off ~* &* +@all",
            f"user {SERVICE} reset on #{_digest(self.service)} ~* {allowed}",
            f"user {OPERATOR} reset on #{_digest(self.operator)} ~* &* +@all",
        ]

    @contextmanager
    def operator_client(self, socket_path: str) -> Iterator["redis.Redis"]:
        """A connection that may do everything and never retries: the callers poll."""
        client = redis.Redis(
            unix_socket_path=socket_path,
            username=OPERATOR,
            password=self.operator,
            socket_timeout=REPLY_S,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            yield client
        finally:
            client.close()


def known(home: Path) -> Access | None:
    """The passwords of a data folder; None where it has none, or they cannot be read."""
    try:
        return msgspec.json.decode((home / "access.json").read_bytes(), type=Access)
    except (OSError, msgspec.MsgspecError):
        return None


def kept(home: Path) -> Access:
    """The passwords of a data folder, made where it has none. Call it under the folder's lock."""
    found = known(home)
    if found is None:
        found = Access(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        folder.write(home / "access.json", msgspec.json.encode(found))
    return found


def _digest(password: str) -> str:
    """As the ACL wants it; SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(password.encode()).hexdigest()
