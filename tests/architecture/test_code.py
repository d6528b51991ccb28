"""House rules of the Python code (style.md), made executable."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import errors, metrics
from service.errors import WinnowError
from service.store import keys
from service.store.events import EVENTS

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for package in ("service", "classifier") for path in (ROOT / package).rglob("*.py")
)
LONG = {"service/records.py": 560}
"""All nouns on one page, as architecture.md wants them; every other file stays below 400."""
BANNED = re.compile(r"(Manager|Helper|Util|Utils|Handler|Base|Impl|Abstract)$")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_short_and_begins_by_saying_what_it_is_for(path: Path) -> None:
    assert len(path.read_text().splitlines()) < LONG.get(name_of(path), 400)
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_function_is_short_and_a_public_one_says_what_it_does(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in functions(path):
        assert (node.end_lineno or 0) - node.lineno + 1 < 60, node.name
    public = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    owners = [tree.body, *(c.body for c in public if not c.name.startswith("_"))]
    for body in owners:
        for node in body:
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_function_takes_few_positional_parameters(path: Path) -> None:
    for node in functions(path):
        given = [arg for arg in node.args.args if arg.arg not in ("self", "cls")]
        assert len(given) <= 5, f"{path}: {node.name}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_name_says_nothing(path: Path) -> None:
    names = [n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef)]
    assert [name for name in names if BANNED.search(name)] == []
    assert path.stem not in ("utils", "util", "common", "helpers", "misc", "base")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_module_shadows_one_of_the_standard_library(path: Path) -> None:
    """`queue.py` as a script's neighbour once broke every import below it."""
    if path.stem in ("__init__", "__main__"):
        return
    # `service/html` and the like live inside a package and are never on the path by themselves;
    # these names have bitten before all the same.
    assert path.stem not in {"queue", "logging", "types", "token", "select", "signal", "email"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_exception_is_swallowed_without_a_word(path: Path) -> None:
    """`except: pass` hides faults, and a bare one hides even cancellation."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        assert node.type is not None, f"{path}:{node.lineno}"
        broad = getattr(node.type, "id", "") in ("Exception", "BaseException")
        if broad:
            assert not all(isinstance(s, ast.Pass | ast.Continue) for s in node.body), node.lineno


def test_only_keys_spells_a_key() -> None:
    for path in FILES:
        if name_of(path) == "service/store/keys.py":
            continue
        found = re.findall(r"""["']w:[a-z{]""", path.read_text())
        assert found == [], f"{path}: {found}"


def test_every_key_says_its_type_and_lifetime() -> None:
    kinds = (
        r"(string|hash|list|set|zset|stream), "
        r"(for ever|until|[0-9]+ [hd]|PX|the policy|append|newest)"
    )
    for function in [
        getattr(keys.SiteKeys, n) for n in vars(keys.SiteKeys) if not n.startswith("_")
    ]:
        if callable(function) and function.__name__ != "prefix":
            assert re.match(kinds, function.__doc__ or ""), function.__name__


# ---------------------------------------------------------------------------- errors


def all_errors(kind: type[WinnowError] = WinnowError) -> list[type[WinnowError]]:
    return [kind] + [found for sub in kind.__subclasses__() for found in all_errors(sub)]


def drawn() -> list[tuple[str, str, int, str]]:
    """Parent, name, status and code of every row of the tree at the top of errors.py."""
    rows, above = [], {0: "WinnowError"}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│ ]*)[├└]── (\w+) +(\d{3}) +(\w+)", line)
        if found:
            depth = len(found[1]) // 4 + 1
            above[depth] = found[2]
            rows.append((above[depth - 1], found[2], int(found[3]), found[4]))
    return rows


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    here = [kind for kind in all_errors() if kind.__module__ == "service.errors"]
    there = {
        (kind.__base__.__name__, kind.__name__, kind.status, kind.code)  # type: ignore[union-attr]
        for kind in here
        if kind is not WinnowError
    }
    assert set(drawn()) == there
    assert len(drawn()) == len(there)


def test_every_error_has_a_code_of_its_own_and_a_sentence() -> None:
    codes = [kind.code for kind in all_errors() if kind.__module__ == "service.errors"]
    assert len(codes) == len(set(codes))
    for kind in all_errors():
        assert 400 <= kind.status < 600
        assert kind.title
        assert re.fullmatch(r"[a-z_]+", kind.code)


# ----------------------------------------------------------------------- documentation

REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("events.md", list(EVENTS)),
        ("errors.md", [k.code for k in all_errors() if k.__module__ == "service.errors"]),
        (
            "metrics.md",
            [
                family.name
                for kind in vars(metrics).values()
                if hasattr(kind, "describe") and not isinstance(kind, type)
                for family in kind.describe()
            ],
        ),
    ],
)
def test_every_event_error_and_metric_is_documented(page: str, words: list[str]) -> None:
    text = (REFERENCE / page).read_text()
    assert len(words) > 5
    assert [word for word in words if word not in text] == []


# --------------------------------------------------------------------------- import time

WATCH = """
import importlib, json, pkgutil, sys
seen = []
watching = False

def hook(event, args):
    if not watching:
        return
    if event in ("socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen",
                 "os.mkdir", "os.remove", "os.rename", "signal.signal", "os.fork", "os.exec"):
        seen.append([event, str(args)[:200]])
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append([event, str(args)[:200]])
    elif event == "open" and isinstance(args[0], str) and ROOT in args[0]:
        if not args[0].endswith((".py", ".pyc", ".so")):
            seen.append([event, str(args)[:200]])

ROOT = sys.argv[1]
sys.dont_write_bytecode = True
sys.addaudithook(hook)
names = json.loads(sys.argv[2])
# What others do while they are imported is not ours to say: they come first, unwatched.
import numpy, scipy.sparse, litestar, litestar.response, redis.asyncio, uvicorn, uvloop
import jinja2, click, prometheus_client.multiprocess, email_validator, re2, structlog, sklearn
import httptools, asyncio, disposable_email_domains, idna, rich.console
import cryptography.hazmat.primitives.ciphers.aead
import litestar.template, litestar.static_files, sklearn.linear_model, rich.progress, rich.table
watching = True
for name in names:
    importlib.import_module(name)
watching = False
import threading
print(json.dumps({"seen": seen, "threads": threading.active_count(), "modules": len(names)}))
"""


def test_importing_every_module_opens_no_file_and_no_socket_and_starts_nothing() -> None:
    names = [
        name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in FILES
    ]
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(ROOT / "service"), json.dumps(names)],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["seen"] == []
    assert (told["threads"], told["modules"] > 80) == (1, True)


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("service.cli", ("litestar", "sklearn", "scipy", "redis")),  # `winnow --help` is quick
        ("service.supervise", ("litestar", "numpy", "rich")),
        ("service.worker_process", ("litestar", "uvicorn", "jinja2", "sklearn", "rich")),
        ("service.web_process", ("sklearn", "scipy", "rich")),
    ],
)
def test_a_process_loads_no_more_than_it_needs(module: str, spared: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([m for m in {spared} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
