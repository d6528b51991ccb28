"""How the checker reads: in slices, and exactly where something looks wrong.

The service goes on while the checker reads, so two answers may be of two moments. Whatever looks
wrong by them is looked at again in one `MULTI`, which is of one moment, before it is reported.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ExecAbortError, OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as TooSlow

from service.errors import Unavailable
from service.store.connect import NOT_OURS, Wire
from service.store.keys import SiteKeys

SLICE: Final = 200
"""Keys, members or entries looked at in one go: bounds memory, and what one batch costs others."""
NAMED: Final = 1_000
"""Violations of a site that are named; more are only counted."""
LOOKS: Final = 5
"""Looks at what changes all the time, before it is left to the next round."""
PATIENCE: Final = 5
"""Times a slice is asked for while the store is away or slow."""
AGAIN_S: Final = 0.2
SCANNED: Final = 1_000
BATCH: Final = 500
"""Commands in one round trip."""
CLOCKS_MS: Final = 600_000
"""How far the clocks of web processes and store may be apart, where a stream was trimmed."""

_PART = "(part)"


class Findings:
    """What is wrong with one site; counts all and keeps the first `NAMED`."""

    def __init__(self) -> None:
        self.count = 0
        self.named: list[str] = []

    def add(self, found: Iterable[str]) -> None:
        """Notes violations, each a sentence that begins with what it is about."""
        for sentence in found:
            self.count += 1
            if len(self.named) < NAMED:
                self.named.append(sentence)

    def listed(self) -> list[str]:
        """The named ones, and how many more there are."""
        more = self.count - len(self.named)
        return [*self.named, f"and {more:,} more"] if more else list(self.named)


class Looking:
    """One site while it is checked."""

    def __init__(self, wire: Wire, site: str, number: int | None, pause_s: float = 0.0) -> None:
        self.wire = wire
        self.keys = SiteKeys(site)
        self.number = number
        """What the registry says; None where the site is not in it."""
        self.pause_s = pause_s
        self.findings = Findings()
        self.places = array("q")
        """Digests of where comments must stand: 8 bytes each, some five a comment."""
        self.steps: dict[str, Steps] = {}
        """By stream."""
        self.started = False

    async def bulk(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers to reading commands, of moments close to each other.

        Raises:
            Unavailable: the store stays away.
            redis.ResponseError: a key is of another type.
        """
        return await bulk(self.wire, commands)

    async def snapshot(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers to reading commands about this site, of one moment."""
        for left in reversed(range(PATIENCE)):
            try:
                return await self._at_once(commands, transaction=True)
            except (OutOfMemoryError, ExecAbortError):
                # Redis 7.0 refuses even reads inside MULTI while its memory is full; then nobody
                # writes much, either.
                return await self._at_once(commands, transaction=False)
            except (Unreachable, TooSlow, OSError) as error:
                if not left:
                    raise Unavailable("The store went away while it was checked.") from error
                await asyncio.sleep(AGAIN_S)
        raise AssertionError("unreachable")

    async def _at_once(
        self, commands: Sequence[tuple[Any, ...]], *, transaction: bool
    ) -> list[Any]:
        pipe = self.wire.client.pipeline(transaction=transaction)
        for command in commands:
            pipe.execute_command(*command)
        answers: list[Any] = await pipe.execute()
        return answers

    async def rest(self) -> None:
        """Lets others have the store for a while."""
        if self.pause_s:
            await asyncio.sleep(self.pause_s)


class Steps:
    """Digests of the entries that a stream must hold, by the comments' versions."""

    def __init__(self, mark: bytes, trimmed_to: int | None, *, deleted: bool = False) -> None:
        self.mark = mark
        """The newest entry before the comments were read: up to it, each must belong to one."""
        self.trimmed_to = trimmed_to
        """When the oldest entry kept was written, ms; None where all are kept."""
        self.deleted = deleted
        """Whether single entries were taken out."""
        self.sure = array("q")
        self.perhaps = array("q")
        """Of versions whose entries may be older than what is kept."""

    def note(self, digest: int, at: int) -> None:
        """Notes an entry that must be there; `at`: when its version was written, ms."""
        (self.sure if self.surely_kept(at) else self.perhaps).append(digest)

    def surely_kept(self, at: int) -> bool:
        """Whether an entry of that time cannot have been trimmed: our clocks may differ."""
        return self.trimmed_to is None or at > self.trimmed_to + CLOCKS_MS


async def bulk(wire: Wire, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """As `Looking.bulk`.

    Past the lanes that requests share: a future for each of many million commands would cost more
    than all the rest, and this work waits behind nobody.
    """
    answers: list[Any] = []
    for i in range(0, len(commands), BATCH):
        answers += await _batch(wire, commands[i : i + BATCH])
    return answers


async def _batch(wire: Wire, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    for left in reversed(range(PATIENCE)):
        if wire.refusing:
            raise Unavailable(NOT_OURS)
        try:
            pipe = wire.client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = await pipe.execute()
        except (Unreachable, TooSlow, OSError) as error:
            if not left:
                raise Unavailable("The store went away while it was checked.") from error
            await asyncio.sleep(AGAIN_S)
        else:
            return answers
    raise AssertionError("unreachable")


async def scan(wire: Wire, match: str) -> AsyncIterator[list[str]]:
    """Slices of the keys that match; on a cluster, of all its masters."""
    names: list[str] = []
    try:
        async for name in wire.client.scan_iter(match=match, count=SCANNED):
            names.append(name.decode())
            if len(names) == SLICE:
                yield names
                names = []
    except (Unreachable, TooSlow, OSError) as error:
        raise Unavailable("The store went away while its keys were read.") from error
    if names:
        yield names


async def lasting(look: Callable[[], Awaitable[set[str]]]) -> set[str]:
    """What a look across sites finds every time: such keys are not written in one script."""
    found = await look()
    for _ in range(2):
        if not found:
            break
        await asyncio.sleep(AGAIN_S)
        found &= await look()
    return found


def glob(text: str) -> str:
    """`text` and whatever follows, as a pattern of SCAN."""
    return re.sub(r"([\[\]*?\\])", r"\\\1", text) + "*"


class Kinds:
    """Tells what a key of a site is, from `SiteKeys` itself: which of its methods spells it."""

    def __init__(self) -> None:
        keys, branches = SiteKeys(_PART), []
        self.types: dict[str, str] = {}
        for name, method in vars(SiteKeys).items():
            if name.startswith("_") or name == "prefix" or not inspect.isfunction(method):
                continue
            takes = len(inspect.signature(method).parameters) - 1
            spelled = method(keys, *[_PART] * takes).removeprefix(keys.prefix())
            pattern = re.escape(spelled).replace(re.escape(_PART), "[^:]*")
            branches.append(f"(?P<{name}>{pattern})")
            # Every key says its type first (tests/architecture): "hash, for ever: …".
            self.types[name] = (method.__doc__ or "").partition(",")[0].strip()
        self._spelled = re.compile("|".join(branches))
        self._tag = re.compile(r"w:\{([^}]*)\}:(.*)", re.DOTALL)

    def site_of(self, name: str) -> tuple[str, str] | None:
        """The site of a key and what follows its prefix; None for an installation's key."""
        found = self._tag.fullmatch(name)
        return (found[1], found[2]) if found else None

    def of(self, rest: str) -> str | None:
        """The method of `SiteKeys` that spells a key, from what follows the prefix."""
        found = self._spelled.fullmatch(rest)
        return found.lastgroup if found else None


async def of_type(looking: Looking, names: Sequence[str], wanted: str) -> list[str]:
    """Those of the keys that are of the type they should be; the others are reported."""
    told = await looking.bulk([("TYPE", name) for name in names])
    types = [each.decode() if isinstance(each, bytes) else str(each) for each in told]
    pairs = list(zip(names, types, strict=True))
    looking.findings.add(
        f"{name}: a {found}, not a {wanted}"
        for name, found in pairs
        if found not in (wanted, "none")
    )
    return [name for name, found in pairs if found == wanted]


Judge = Callable[[Looking, list[str]], Awaitable[None]]


async def judged(looking: Looking, names: list[str], wanted: str, judge: Judge) -> None:
    """Judges a slice of keys of one kind; those of a wrong type are reported and left out."""
    try:
        await judge(looking, names)
    except ResponseError as error:
        if "WRONGTYPE" not in str(error):
            raise
        right = await of_type(looking, names, wanted)
        if len(right) == len(names):
            looking.findings.add([f"{names[0]}: what hangs on it is of a wrong type"])
        else:
            await judged(looking, right, wanted, judge)
