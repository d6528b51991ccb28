"""What a command is about: its first key, the Cluster's slot of that, and whether it may write."""

from __future__ import annotations

from typing import Any, Final

from redis.crc import key_slot

from service.store.scripts import Scripts

_KEY_AT: Final = {
    "EVALSHA": 3,
    "EVAL": 3,
    "ZINTERCARD": 2,
    "ZINTER": 2,
    "ZUNION": 2,
    "ZDIFF": 2,
    "SINTERCARD": 2,
    "OBJECT": 2,
    "XINFO": 2,
    "XGROUP": 2,
    "MEMORY": 2,
}
"""Where the first key of a command stands, when not right behind its name."""
_KEYLESS: Final = frozenset(
    str.split(
        "ACL BGREWRITEAOF BGSAVE CLIENT CLUSTER COMMAND CONFIG DBSIZE ECHO FLUSHALL FLUSHDB INFO "
        "LASTSAVE LATENCY PING ROLE SAVE SCAN SCRIPT SLOWLOG TIME WAIT WAITAOF"
    )
)
_READS: Final = frozenset(
    str.split(
        "ACL BGREWRITEAOF BGSAVE BITCOUNT CLIENT CLUSTER COMMAND CONFIG DBSIZE DUMP ECHO EXISTS "
        "EXPIRETIME GET GETRANGE HEXISTS HGET HGETALL HKEYS HLEN HMGET HRANDFIELD HSCAN HSTRLEN "
        "HVALS INFO LASTSAVE LATENCY LINDEX LLEN LPOS LRANGE MEMORY MGET OBJECT PEXPIRETIME "
        "PING PTTL ROLE SAVE SCAN SCARD SCRIPT SINTERCARD SISMEMBER SLOWLOG SMEMBERS SMISMEMBER "
        "SRANDMEMBER SSCAN STRLEN TIME TTL TYPE WAIT WAITAOF XINFO XLEN XRANGE XREAD XREVRANGE "
        "ZCARD ZCOUNT ZINTERCARD ZLEXCOUNT ZMSCORE ZRANGE ZRANK ZREVRANK ZSCAN ZSCORE"
    )
)


def words(command: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The command's name in capitals, and what follows; `CONFIG GET` counts as two words."""
    name, *more = str(command[0]).upper().split()
    return name, (*more, *command[1:])


def key_of(command: tuple[Any, ...]) -> str | None:
    """A command's first key; None where it has none."""
    name, rest = words(command)
    at = _KEY_AT.get(name, 1) - 1
    if name in _KEYLESS or at >= len(rest) or (at == 2 and int(rest[1]) == 0):
        return None
    key = rest[at]
    return key.decode() if isinstance(key, bytes) else str(key)


def slot_of(key: str) -> int:
    """The Cluster's slot of a key: CRC16 of its hash tag, or of all of it (Cluster spec)."""
    return int(key_slot(key.encode()))


def tag_of(key: str) -> str:
    """What decides about a key's slot: its hash tag, or all of it where it has none."""
    _, opened, behind = key.partition("{")
    tag, closed, _ = behind.partition("}")
    return tag if opened and closed and tag else key


def writes(command: tuple[Any, ...], scripts: Scripts) -> bool:
    """Whether a command may change something; what is not known counts as a change."""
    name, rest = words(command)
    if name == "EVALSHA":
        return scripts.writes(str(rest[0]))
    return name not in _READS
