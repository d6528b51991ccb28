"""What a service is started with: a blocked terminal, a full log disk, a damaged model, a wrong
setting."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from service.setting_sources import PREFIX
from service.settings import EXIT_CODE, table
from tests.faults.fullness import no_disk, small_disk
from tests.faults.load import Load, Shape
from tests.faults.plan import fingerprint, source, strikes
from tests.faults.report import Result
from tests.faults.run import Run, put_away
from tests.faults.target import ROOT, Service, until

# --------------------------------------------------------------------------------- logs

SOME = Shape(websites=3, moderators=2, hooks=True, reader=False)


async def logs(run: Run, result: Result, times: int) -> None:
    """Nobody reads the log's pipe, or the log's disk is full: the service goes on."""
    plan = strikes(run.seed, run.fault, times, (("pipe", 1), ("disk", 1)), (50, 200))
    result.plan = fingerprint(plan)
    for strike in plan:
        if strike.what == "disk" and no_disk():
            result.note("full log disk: skipped")
            continue
        name = f"{run.fault}.{strike.number}"
        service = Service(run.home(), WINNOW_LOG_LEVEL="debug")
        try:
            if strike.what == "pipe":
                await _on_a_pipe(service)
                found = await _go_on(service, run.seed, name, strike.after)
            else:
                async with small_disk(run, 2 << 20) as where:
                    service.log = where / "log"
                    await service.start()
                    with (where / "filler").open("wb") as filler:
                        _until_full(filler.fileno())
                    found = await _go_on(service, run.seed, name, strike.after)
                    await put_away(service)
        finally:
            await put_away(service)
        result.findings.add(found)
        result.note(strike.what)
        result.times += 1


async def _on_a_pipe(service: Service) -> None:
    """Starts with a pipe for errors that is full from the beginning and that nobody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    _until_full(writing)
    os.set_blocking(writing, True)
    process = service.launch(stderr=writing)
    os.close(writing)
    service.kept_open = reading

    def listening() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}")
        return "listens on" in service.out.read_text()

    await until(listening, 120, "a start with a blocked log")


def _until_full(descriptor: int) -> None:
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return


async def _go_on(service: Service, seed: int, name: str, after: int) -> Any:
    """Makes the service say much: it loses children, and moderators work."""
    load = await Load.begin(service, seed, name, SOME)
    for _ in range(3):
        await load.board.more(after)
        service.kill("web", 0)
        service.kill("worker", 0)
    await load.board.more(after)
    return await load.end()


# -------------------------------------------------------------------------------- models

LOADER = """
import sys
from pathlib import Path
from service import log
from service.pipeline.score import load_scorer
import service.settings
log.configure("error", "json")
for line in sys.stdin:
    try:
        scorer = load_scorer(line.strip())
    except BaseException as error:
        print(f"raised {type(error).__name__}: {error}", flush=True)
        continue
    print("none" if scorer.model is None else f"loaded {scorer.version}", flush=True)
"""


async def models(run: Run, result: Result, times: int) -> None:
    """Files of the model are cut, flipped, emptied or gone: it is refused, nothing ends.

    Every trial loads the damaged folder as a process does at its start; the first also runs the
    service with it: every comment is held for a human.
    """
    good = ROOT / "classifier" / "data" / "model"
    choose = source(run.seed, run.fault, "damage")
    loader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOADER, cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert loader.stdin is not None
    assert loader.stdout is not None
    folder = run.home()
    for name in (path.name for path in sorted(good.iterdir()) if path.is_file()):
        (folder / name).write_bytes((good / name).read_bytes())

    async def load() -> str:
        loader.stdin.write(f"{folder}\n".encode())
        return (await loader.stdout.readline()).decode().strip()

    if not (said := await load()).startswith("loaded"):
        result.complain(f"the undamaged model: {said}")
    for number in range(times):
        what, name, kept = _spoil_model(choose, folder)
        said = await load()
        result.note(said.split(":")[0].split(" ")[0])
        if said.startswith("loaded"):
            result.complain(f"{what} of {name} was not noticed: {said}")
        if not said:
            result.complain(f"{what} of {name} ended the process")
            break
        if number == 0:
            result.note("services started with such a model", await _held(run, folder, result))
        (folder / name).write_bytes(kept)
        result.times += 1
    loader.stdin.close()
    await loader.wait()


def _spoil_model(choose: random.Random, folder: Path) -> tuple[str, str, bytes]:
    """Damages one file; what was done to which, and what it held before."""
    path = choose.choice([path for path in sorted(folder.iterdir()) if path.is_file()])
    kept = path.read_bytes()
    content = bytearray(kept)
    kind = choose.choices(("flip", "cut", "empty", "gone", "zeros", "huge"), (8, 4, 1, 1, 2, 1))[0]
    at = choose.randrange(len(content))
    match kind:
        case "flip":
            content[at] ^= 1 << choose.randrange(8)
        case "cut":
            del content[at:]
        case "empty":
            content.clear()
        case "zeros":
            content[at : at + 512] = bytes(min(512, len(content) - at))
        case "huge":
            content += bytes(1 << 20)
    path.unlink()
    if kind != "gone":
        path.write_bytes(content)
    return kind, path.name, kept


async def _held(run: Run, folder: Path, result: Result) -> int:
    """Runs the service on a damaged model: either it says no at once, or it holds everything."""
    service = Service(run.home(), WINNOW_MODEL=str(folder))
    try:
        await service.start()
    except RuntimeError as error:
        if f"ended with {EXIT_CODE}" not in str(error):
            result.complain(f"a damaged model: {str(error)[:300]}")
        return 0
    else:
        shape = Shape(websites=1, moderators=0, hooks=False, reader=False)
        load = await Load.begin(service, run.seed, run.fault, shape)
        await load.board.more(20)
        result.findings.add(await load.end())
        rows = await service.admin("GET", f"/v1/queues?site={load.site}")
        counts = {row["status"]: row["count"] for row in rows["items"]}
        if counts["approved"]:
            result.complain(f"approved without a model: {counts}")
        return 1
    finally:
        await put_away(service)


# -------------------------------------------------------------------------------- settings

FORKS = """
import json, os, sys
from service.cli import main
sys.argv = ["winnow", "serve"]
import service.commands.serve, service.bootstrap, service.supervise
for line in sys.stdin:
    given = json.loads(line)
    child = os.fork()
    if not child:
        out = os.open(given["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1); os.dup2(out, 2)
        os.chdir(given["cwd"])
        os.environ.clear(); os.environ.update(given["environ"])
        try:
            code = main()
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            print("raised", repr(error)); code = 1
        sys.stdout.flush(); sys.stderr.flush()
        os._exit(code or 0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
"""Starts the command again and again from one process that has everything imported."""
WRONG = (
    "-1", "1e9", "99999999999999999999", "yes please", "\x01", "ftp://x", "::::", "0x10", "{}",
    "nan", "1.5.5", "a,b", "300.1.1.1", "2001:::1", "🙂", "' OR 1=1", "../../etc/passwd", "\x7f",
    "1 2", "+5", "1_000", "infinity", "http://", "redis:", "bytes", "12345678901234567",
)  # fmt: skip
"""Values that are wrong for most settings; those that a setting takes are not tried on it."""


async def settings(run: Run, result: Result, times: int) -> None:
    """Mutated settings: the start ends with 78 and one line that names the setting."""
    choose, home = source(run.seed, run.fault, "settings"), run.home()
    forks = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORKS, cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert forks.stdin is not None
    assert forks.stdout is not None
    cases = _wrong_settings(choose, home)
    for _ in range(times):
        named, environ = next(cases)
        given = {"log": str(home / "said"), "cwd": str(home), "environ": environ}
        forks.stdin.write(msgspec.json.encode(given) + b"\n")
        try:
            code = int(await asyncio.wait_for(forks.stdout.readline(), 60))
        except TimeoutError:
            result.complain(f"{environ}: it started")
            break
        said = (home / "said").read_text(errors="replace").strip().splitlines()
        if code != EXIT_CODE or len(said) != 1 or named.lower() not in said[0].lower():
            result.complain(f"{environ}: ended with {code}, said {said[:3]}")
        result.times += 1
    forks.stdin.close()
    await forks.wait()


def _wrong_settings(choose: random.Random, home: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """For ever: the name that must be said, and an environment in which it is wrong."""
    rows = table()
    fixed = {"PATH": os.environ["PATH"], f"{PREFIX}DATA_DIR": str(home / "never")}
    while True:
        name = choose.choice(list(rows))
        way = choose.choice(("value", "value", "value", "name", "file", "file value"))
        if way == "name":
            wrong = _misspelt(choose, name, set(rows))
            yield PREFIX + wrong.upper(), fixed | {PREFIX + wrong.upper(): "1"}
            continue
        if way == "file":
            path = home / "broken.toml"
            text = "".join(f"{n} = '1'\n" for n in rows)
            at = choose.randrange(len(text))
            path.write_text(text[:at] + choose.choice(("[[", '"', "=", "\x00")) + text[at:])
            yield "broken.toml", fixed | {"WINNOW_CONFIG": str(path)}
            continue
        text = choose.choice(WRONG) + choose.choice(("", "", "x", " "))
        if _takes(rows[name], text):
            continue
        if way == "file value":
            path = home / "wrong.toml"
            path.write_text(f"{name} = {msgspec.json.encode(text).decode()}\n")
            yield name, fixed | {"WINNOW_CONFIG": str(path)}
        else:
            yield PREFIX + name.upper(), fixed | {PREFIX + name.upper(): text}


def _misspelt(choose: random.Random, name: str, known: set[str]) -> str:
    while True:
        letters = list(name)
        letters[choose.randrange(len(letters))] = choose.choice("abcxyz_")
        if (wrong := "".join(letters)) not in known:
            return wrong


def _takes(row: Any, text: str) -> bool:
    """Whether a setting takes this value after all."""
    if any(ord(char) < 32 for char in text):
        return False
    try:
        row.kind.parse(text)
    except ValueError:
        return False
    return True
