"""Requirements of who may do what on the embedded server, over both servers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from service.store import access, embedded
from service.store.scripts import NAMES

SERVICE = Path(access.__file__).parents[1]
LUA = SERVICE / "store" / "lua"

FORBIDDEN = (
    "CONFIG SET maxmemory 1",
    "CONFIG REWRITE",
    "CONFIG RESETSTAT",
    "DEBUG SLEEP 0",
    "FLUSHALL",
    "FLUSHDB",
    "SWAPDB 0 0",
    "KEYS *",
    "SHUTDOWN NOSAVE",
    "REPLICAOF 127.0.0.1 1",
    "SLAVEOF 127.0.0.1 1",
    "FAILOVER ABORT",
    "MODULE LIST",
    "MODULE LOAD /x.so",
    "ACL WHOAMI",
    "ACL SETUSER service +@all",
    "ACL LIST",
    "EVAL return{} 0",
    "EVAL_RO return{} 0",
    "FUNCTION LIST",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "CLIENT PAUSE 1",
    "MONITOR",
    "SYNC",
    "PSYNC ? -1",
    "SAVE",
    "BGSAVE",
    "MIGRATE 127.0.0.1 1 x 0 1",
    "DUMP x",
    "RESTORE x 0 x",
    "SORT x",
    "LATENCY RESET",
    "SLOWLOG RESET",
    "SUBSCRIBE x",
    "PUBLISH x y",
    "CLUSTER RESET",
    "COMMAND COUNT",
    "LASTSAVE",
    "OBJECT FREQ x",
    "RENAME x y",
    "RANDOMKEY",
)


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


@pytest.mark.parametrize("command", FORBIDDEN)
def test_the_service_may_not(server: embedded.EmbeddedServer, command: str) -> None:
    """What could empty, redirect, slow down or read out the store is refused."""
    with client(server.url) as talk, pytest.raises(redis.ResponseError) as refusal:
        talk.execute_command(*command.split())
    assert re.search(r"(?i)permission|command not allowed|unknown command", str(refusal.value))


def test_a_script_may_do_no_more_than_its_caller(server: embedded.EmbeddedServer) -> None:
    """Lua is no way around: a script of the service's own is held to the same list."""
    with client(server.url) as talk:
        sha = talk.script_load("return redis.call('FLUSHALL')")
        with pytest.raises(redis.ResponseError, match=r"(?i)permission|acl|can.t run this"):
            talk.evalsha(sha, 0)


@pytest.mark.parametrize("user", ["", "default:x@", "service:x@", "operator:x@", "operator@"])
def test_nobody_gets_in_without_a_password(server: embedded.EmbeddedServer, user: str) -> None:
    """Having the socket is not enough."""
    url = f"unix://{user}{server.socket}"
    with client(url) as talk, pytest.raises(redis.RedisError, match=r"(?i)auth|password"):
        talk.ping()


def test_the_operator_may_do_everything(
    server: embedded.EmbeddedServer, operator: redis.Redis
) -> None:
    """The supervisor ends the server, a backup holds its rewriting still."""
    assert operator.acl_whoami() == "operator"
    assert operator.config_set("slowlog-log-slower-than", 10_000)
    assert operator.script_flush()


def test_passwords_are_for_the_owner_only_and_stay(
    launch_server: Callable[[str, Path], embedded.EmbeddedServer],
    server_kind: str,
    tmp_path: Path,
) -> None:
    """The file is closed to others, no other file holds a password, and a restart keeps both."""
    server = launch_server(server_kind, tmp_path)
    kept = access.known(tmp_path)
    assert kept is not None
    assert kept.service != kept.operator
    assert min(len(kept.service), len(kept.operator)) >= 43
    assert (tmp_path / "access.json").stat().st_mode & 0o777 == 0o600
    others = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "access.json"]
    texts = b"".join(path.read_bytes() for path in others)
    assert kept.service.encode() not in texts
    assert kept.operator.encode() not in texts
    server.stop()
    assert launch_server(server_kind, tmp_path).url == server.url


def used() -> set[str]:
    """Every command the code sends: in Lua by `redis.call`, in Python by `execute`."""
    lua = "".join((LUA / f"{name}.lua").read_text() for name in NAMES)
    python = "".join(path.read_text() for path in (SERVICE / "store").glob("*.py"))
    found = re.findall(r"redis\.p?call\(\s*'([A-Za-z]+)'", lua)
    found += re.findall(r"execute(?:_command)?\(\s*\"([A-Z]+(?: [A-Z]+)?)\"", python)
    return {name.lower().replace(" ", "|") for name in found}


def test_the_service_may_use_every_command_that_the_code_uses() -> None:
    """A command that is new in the code is added to `access.COMMANDS`, on purpose."""
    allowed = set(access.COMMANDS)
    wanted = {name for name in used() if name not in NOT_OURS}
    assert len(wanted) > 40
    assert sorted(wanted - allowed) == []


NOT_OURS = {"script"}
"""`SCRIPT LOAD` is spelled in two words."""


def test_nothing_dangerous_is_allowed_but_what_is_named_here(operator: redis.Redis) -> None:
    """Of the commands the server itself calls dangerous or administrative, three are needed."""
    risky = {
        name.decode()
        for group in ("dangerous", "admin", "scripting")
        for name in operator.execute_command("ACL", "CAT", group)
    }
    needed = {
        "info",
        "config|get",
        "latency|latest",
        "bgrewriteaof",
        "evalsha",
        "script|load",
        "script|exists",
    }
    assert set(access.COMMANDS) & risky == needed
