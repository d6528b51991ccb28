"""House rules of the Lua scripts: true headers, keys from Python only, writes last."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from service.store.scripts import NAMES

STORE = Path(__file__).parents[2] / "service" / "store"
SCRIPTS = {path.stem: path.read_text() for path in sorted((STORE / "lua").glob("*.lua"))}
READING = {
    "GET", "HGET", "HMGET", "HVALS", "EXISTS", "SCARD", "XRANGE", "XREVRANGE", "ZCARD", "ZRANGE",
    "HLEN", "LINDEX", "ZMSCORE", "ZSCORE", "TIME",
}  # fmt: skip


def header(name: str) -> str:
    """The comment lines at a script's top."""
    lines = SCRIPTS[name].splitlines()[1:]
    return "\n".join(line for line in lines[: next(
        i for i, line in enumerate(lines) if not line.startswith("--"))])  # fmt: skip


def declared(name: str, table: str) -> tuple[int, bool]:
    """How many KEYS or ARGV the header names, and whether more may follow."""
    text = header(name)
    start = text.index(f"-- {table} ")
    ends = [text.find(f"-- {mark}", start + 1) for mark in ("ARGV", "Returns")]
    part = text[start : min(end for end in ends if end > 0)]
    found = re.findall(r"(?:KEYS |ARGV |  |^--\s{6})(\d+)(\.\.)? ", part, re.MULTILINE)
    numbers = [int(number) for number, _ in found]
    assert numbers == list(range(1, len(numbers) + 1)), f"{name}: {table} {numbers}"
    open_end = any(dots for _, dots in found)
    return len(numbers) - open_end, open_end


def calls() -> list[tuple[str, int, bool, int, bool]]:
    """Every call of a script in Python: name, keys, whether more, arguments, whether more."""
    rows = []
    for path in sorted(STORE.glob("*.py")):
        tree = ast.parse(path.read_text())
        lists = {
            node.name: next(n.value for n in ast.walk(node) if isinstance(n, ast.Return))
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name in ("_keys", "_args")
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "script"):
                continue
            name, *given = node.args
            assert isinstance(name, ast.Constant)
            counted: list[int | bool] = []
            for part in given:
                if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                    part = lists[part.func.id]
                assert isinstance(part, ast.List), f"{path.name}: {name.value}"
                starred = sum(isinstance(item, ast.Starred) for item in part.elts)
                counted += [len(part.elts) - starred, bool(starred)]
            rows.append((str(name.value), *counted))
    return rows  # type: ignore[return-value]


def test_the_scripts_sent_are_the_files_there_and_each_has_a_caller() -> None:
    assert set(NAMES) == set(SCRIPTS)
    assert {name for name, *_ in calls()} == set(SCRIPTS)


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_a_script_begins_with_its_flags_its_name_and_what_it_takes_and_returns(name: str) -> None:
    first, second = SCRIPTS[name].splitlines()[:2]
    assert re.fullmatch(r"#!lua( flags=(allow-oom|no-writes))?", first)
    assert second.startswith(f"-- {name}: ")
    for part in ("-- KEYS ", "-- ARGV ", "-- Returns "):
        assert part in header(name)


@pytest.mark.parametrize("name", list(SCRIPTS))
@pytest.mark.parametrize("table", ["KEYS", "ARGV"])
def test_a_script_uses_no_more_than_its_header_names(name: str, table: str) -> None:
    used = {int(number) for number in re.findall(rf"\b{table}\[(\d+)\]", SCRIPTS[name])}
    count, _ = declared(name, table)
    assert max(used, default=0) <= count or declared(name, table)[1]
    unused = set(range(1, count + 1)) - used
    assert not unused, f"{name}: {table} {sorted(unused)} are named and never used"


@pytest.mark.parametrize("call", calls(), ids=lambda call: call[0])
def test_a_caller_passes_what_the_header_names(call: tuple[str, int, bool, int, bool]) -> None:
    name, keys, more_keys, arguments, more_arguments = call
    wanted_keys, open_keys = declared(name, "KEYS")
    wanted_arguments, open_arguments = declared(name, "ARGV")
    assert (keys, more_keys) == (wanted_keys, open_keys)
    if more_arguments:
        assert arguments < wanted_arguments + open_arguments
    else:
        assert arguments == wanted_arguments


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_no_script_spells_a_key(name: str) -> None:
    code = re.sub(r"--.*", "", SCRIPTS[name])
    for command, rest in re.findall(r"redis\.call\('(\w+)'(.*)", code):
        if command != "TIME":
            assert re.match(r", KEYS\[\w+\]", rest), f"{name}: {command}{rest}"
    assert not re.search(r"""['"]\w*:[\w{]*['"]""", code)
    for computed in re.findall(r"redis\.call\((?!')(.*?)\)", code):
        assert computed == "unpack(args"
        assert "{'ZRANGE', KEYS[1]," in code


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_nothing_is_refused_after_the_first_write(name: str) -> None:
    """There is no rollback: whatever may stop a script comes before it writes."""
    code = re.sub(r"--.*", "", SCRIPTS[name])
    if name == "configure":
        return  # one branch for each verb: what one refuses stands below what another wrote
    writes = [m.start() for m in re.finditer(r"redis\.call\('(\w+)'", code) if m[1] not in READING]
    if not writes:
        return
    refusals = ("mismatch", "replayed", "stale", "gone", "return 0", "return -")
    assert not any(word in code[writes[0] :] for word in refusals)


def test_only_intake_is_refused_when_memory_is_full() -> None:
    flags = {name: text.splitlines()[0].partition("flags=")[2] for name, text in SCRIPTS.items()}
    assert [name for name, flag in flags.items() if not flag] == ["label", "submit"]
    assert [name for name, flag in flags.items() if flag == "no-writes"] == [
        "around",
        "configuration",
        "page",
    ]


LONG = {"page": 80}
"""It only reads: three orders, two kinds of cursor, and ten bands merged piece by piece."""


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_a_script_is_short(name: str) -> None:
    assert len(SCRIPTS[name].splitlines()) <= LONG.get(name, 70)
    assert max(map(len, SCRIPTS[name].splitlines())) <= 110
