"""Damaged and missing data: torn ends, flipped bytes, folders that are gone or somebody else's."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import shutil
import signal
from pathlib import Path

import msgspec
import redis

from service.ids import Secrets
from service.settings import Settings
from service.store import Store, embedded
from service.store.launching import DataRefusedError
from tests.faults.engine import Engine
from tests.faults.ledger import digest, rows
from tests.faults.load import Load, Shape
from tests.faults.plan import fingerprint, source
from tests.faults.report import Result
from tests.faults.run import Run
from tests.faults.target import Service
from tests.store.invariants import violations

QUIET = Shape(websites=1, moderators=1, hooks=False, reader=False)
REFUSED = 65
"""The exit code of `winnow serve` for data it will not serve (EX_DATAERR)."""
SECTOR = 512
WHOLE_START = 20
"""Every so many torn ends are judged and loaded as the service does it, the others by the server
alone."""


class Installation(msgspec.Struct, kw_only=True):
    """A data folder whose service was killed, and what clients had been told."""

    data: Path
    site: str
    secret: bytes
    acknowledged: dict[str, str]
    """Comment and the hash of its text."""
    last: str
    """The comment that was acknowledged last."""

    @property
    def increment(self) -> Path:
        """The append-only file that was written last."""
        found = (self.data / "redis" / "appendonlydir").glob("*.incr.aof")
        return max(found, key=lambda path: int(path.name.split(".")[-3]))


async def _installation(run: Run, comments: int) -> Installation:
    """Lets a service work, then kills everything at once."""
    service = Service(run.home())
    await service.start()
    load = await Load.begin(service, run.seed, run.fault, QUIET, start=False)
    website = load.website("w0")
    while load.board.submitted < comments:
        await website.step()
        await load.moderators[0].step()
    await website.one()
    service.kill("all", 0)
    await service.gone()
    await load.close()
    told = [row for row in rows(load.folder) if row.kind == "comment" and row.id]
    last = next(row for row in reversed(told) if row.key == website.last_key)
    return Installation(
        data=service.data,
        site=load.site,
        secret=bytes.fromhex((service.data / "secret").read_text().strip()),
        acknowledged={row.id: row.body for row in told},
        last=last.id,
    )


def _copy(run: Run, made: Installation) -> Path:
    """A copy of the folder, as a machine finds it after a crash."""
    target = run.home() / "data"
    shutil.copytree(
        made.data, target, ignore=lambda at, names: [n for n in names if _is_socket(Path(at, n))]
    )
    return target


def _is_socket(path: Path) -> bool:
    return path.is_socket()


async def torn(run: Run, result: Result, times: int) -> None:
    """The append-only file ends somewhere inside its last script: all of the script, or nothing."""
    made = await _installation(run, 12)
    whole = made.increment.read_bytes()
    start, end = _last_script(whole, made.last.encode())
    choose = source(run.seed, run.fault, "offsets")
    offsets = list(range(start, end + 1))
    if times < len(offsets):
        offsets = sorted({start, end, *choose.sample(offsets, max(0, times - 2))})
    result.plan = fingerprint(offsets)
    result.notes["bytes of the script"] = end - start
    for number, offset in enumerate(offsets):
        data = _copy(run, made)
        path = data / "redis" / "appendonlydir" / made.increment.name
        path.write_bytes(whole[:offset])
        look = _looked_at_plainly if number % WHOLE_START else _looked_at
        found = await look(data, made, may_lack={made.last} if offset < end else set())
        result.findings.violations += [f"cut at {offset - start}: {what}" for what in found]
        result.times += 1
        shutil.rmtree(data.parent)
    result.findings.acknowledged = len(made.acknowledged)


def _last_script(content: bytes, comment: bytes) -> tuple[int, int]:
    """Where the last script about a comment begins and ends: a MULTI block of the file."""
    at = content.rindex(comment)
    start = content.rindex(b"*1\r\n$5\r\nMULTI\r\n", 0, at)
    closing = b"*1\r\n$4\r\nEXEC\r\n"
    return start, content.index(closing, at) + len(closing)


async def _looked_at(data: Path, made: Installation, *, may_lack: set[str]) -> list[str]:
    """Starts a server on a folder as the service does; what is wrong with what it serves."""
    server = embedded.start(Settings(data_dir=data))
    try:
        await asyncio.to_thread(server.wait_ready, 60)
        return await _read(server.url, made, may_lack)
    finally:
        await asyncio.to_thread(server.stop)


async def _looked_at_plainly(data: Path, made: Installation, *, may_lack: set[str]) -> list[str]:
    """The same on a server alone, which takes a third of the time."""
    server = Engine(data / "redis")
    try:
        await server.start()
        return await _read(f"unix://{server.socket}", made, may_lack)
    finally:
        server.close()


async def _read(url: str, made: Installation, may_lack: set[str]) -> list[str]:
    """What is wrong with the data of a server."""
    store = Store(url, Secrets(made.secret))
    await store.open()
    try:
        ids = list(made.acknowledged)
        there = await store.comments.read_many(made.site, ids)
        found = await violations(store, made.site)
    finally:
        await store.close()
    for name, stored in zip(ids, there, strict=True):
        if stored is None and name not in may_lack:
            found.append(f"lost: {name}")
        if stored is not None and digest(stored.comment.body) != made.acknowledged[name]:
            found.append(f"another text: {name}")
    return found


async def flipped(run: Run, result: Result, times: int) -> None:
    """Bytes in the middle are not what was written.

    What breaks the file's structure is refused, and every file stays as it was. A flip inside a
    value keeps the structure and cannot be seen at the start (an append-only file has no checksum);
    then nothing behind it may be gone.
    """
    made = await _installation(run, 60)
    choose = source(run.seed, run.fault, "flips")
    for number in range(times):
        data = _copy(run, made)
        what = _spoil(choose, data / "redis" / "appendonlydir", made)
        before = _hashes(data / "redis")
        try:
            found = await _looked_at(data, made, may_lack=set())
            result.note("not visible at the start")
            result.note("seen by the checker" if found else "not seen at all")
            if any(name in line for line in found for name in ("lost:",)):
                result.note("served without what was behind")
                result.complain(f"{what}: served, but {[f for f in found if 'lost' in f][:3]}")
        except DataRefusedError:
            result.note("refused")
            if _hashes(data / "redis") != before:
                result.complain(f"{what}: refused, but files were changed")
        except Exception as error:  # whatever the data did to the checker, it was noticed
            result.note(f"reading failed with {type(error).__name__}")
        result.times += 1
        if number >= 40:
            shutil.rmtree(data.parent)
    result.findings.acknowledged = len(made.acknowledged)


def _spoil(choose: random.Random, folder: Path, made: Installation) -> str:
    """Damages one file: a bit, some bytes, or a whole sector of zeros; says what it did."""
    files = [path for path in sorted(folder.iterdir()) if path.stat().st_size]
    weights = [path.stat().st_size + 2000 for path in files]
    path = choose.choices(files, weights)[0]
    content = bytearray(path.read_bytes())
    kind = choose.choice(("bit", "bytes", "sector"))
    if kind == "bit":
        at = choose.randrange(len(content))
        content[at] ^= 1 << choose.randrange(8)
    elif kind == "bytes":
        at = choose.randrange(len(content))
        content[at : at + 8] = choose.randbytes(8)[: len(content) - at]
    else:
        at = choose.randrange(max(1, len(content) // SECTOR)) * SECTOR
        content[at : at + SECTOR] = bytes(min(SECTOR, len(content) - at))
    path.write_bytes(content)
    return f"{kind} at {at} of {len(content)} in {path.name}"


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


WAYS = ("no folder", "empty folder", "no redis folder", "FLUSHALL", "other epoch",
        "another installation", "no manifest", "increment gone")  # fmt: skip


async def gone(run: Run, result: Result, times: int) -> None:
    """The data are not there, or are not ours: `winnow serve` ends with 65 and one clear line."""
    made, other = await _installation(run, 20), await _installation(_beside(run), 3)
    for number in range(times):
        way = WAYS[number % len(WAYS)]
        data = _copy(run, made)
        done = await _take_away(way, data, other)
        if not done:
            result.note(f"{way}: not possible")
            continue
        before = _hashes(data / "redis") if (data / "redis").exists() else {}
        service = Service(data.parent)
        process = service.launch()
        try:
            code = await asyncio.to_thread(process.wait, 120)
        except Exception:
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 60)
            code = 0
        said = [line for line in service.last_words().splitlines() if line.startswith("winnow:")]
        if code != REFUSED or len(said) != 1:
            result.complain(f"{way}: ended with {code}, said {said or service.last_words()[-300:]}")
        now = _hashes(data / "redis") if (data / "redis").exists() else {}
        if way not in ("FLUSHALL",) and any(now.get(name) != kept for name, kept in before.items()):
            result.complain(f"{way}: files were changed")
        result.note(way)
        result.times += 1
        shutil.rmtree(data.parent)
    result.findings.acknowledged = len(made.acknowledged)


def _beside(run: Run) -> Run:
    return Run(run.seed, run.folder, "other", keep=run.keep)


async def _take_away(way: str, data: Path, other: Installation) -> bool:
    aof = data / "redis" / "appendonlydir"
    match way:
        case "no folder":
            shutil.rmtree(aof)
        case "empty folder":
            for path in aof.iterdir():
                path.unlink()
        case "no redis folder":
            shutil.rmtree(data / "redis")
        case "other epoch":
            (data / "epoch").write_text("0" * 32 + "\n")
        case "another installation":
            shutil.rmtree(data / "redis")
            shutil.copytree(other.data / "redis", data / "redis")
        case "no manifest":
            next(aof.glob("*.manifest")).unlink()
        case "increment gone":
            next(aof.glob("*.incr.aof")).unlink()
        case "FLUSHALL":
            return await asyncio.to_thread(_flush, data)
    return True


def _flush(data: Path) -> bool:
    """Empties the server while it runs, as nobody should; False where it does not obey."""
    server = embedded.start(Settings(data_dir=data))
    try:
        server.wait_ready(60)
        with redis.Redis.from_url(server.admin_url, socket_timeout=5) as client:
            client.flushall()
        return True
    except redis.RedisError:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)
        server.stop()
