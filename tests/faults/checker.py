"""The checker: reads the ledgers back and compares what clients were told with what is there."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import msgspec

from service.records import Entry, StoredComment
from service.store import Store
from service.store.events import Event
from tests.faults.clients import MARK
from tests.faults.ledger import Row, digest, rows
from tests.faults.listeners import HOOKED, Reader, Receiver
from tests.store.invariants import violations

STATUS = {"approve": "approved", "reject": "rejected", "spam": "spam"}


class Findings(msgspec.Struct, kw_only=True):
    """What one load showed."""

    acknowledged: int = 0
    """Comments answered 201 (or 303)."""
    decisions: int = 0
    """Decisions that were answered, won or lost."""
    lost: int = 0
    """Acknowledged comments or decisions that are not there."""
    doubled: int = 0
    """Comments or decisions that are there more than once for one key."""
    violations: list[str] = []
    gap_s: float = 0.0
    broken: int = 0
    refused: int = 0

    def add(self, other: Findings) -> None:
        """Takes another load's figures in."""
        for name in ("acknowledged", "decisions", "lost", "doubled", "broken", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.violations += other.violations
        self.gap_s = max(self.gap_s, other.gap_s)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or wrong."""
        return not (self.lost or self.doubled or self.violations)


async def reconcile(
    store: Store,
    site: str,
    folder: Path,
    receiver: Receiver | None = None,
    reader: Reader | None = None,
    *,
    hooks_s: float = 60.0,
) -> Findings:
    """Compares a site's ledgers with its data.

    Args:
        store: an open way to the data.
        site: whose.
        folder: the ledgers.
        receiver: waited for until it has every event it is to be told, `hooks_s` at most.
        reader: the same for server-sent events.
        hooks_s: seconds.
    """
    events = await _all_events(store, site)
    await _told(events, receiver, reader, hooks_s)
    noted = list(rows(folder))
    ids = [event.comment for event in events if event.type == "comment.submitted"]
    stored = await _read(store, site, ids)
    found = Findings()
    found.violations += await violations(store, site)
    _comments(found, noted, stored)
    await _decisions(found, noted, store, site, stored)
    if receiver is not None:
        _hooks(found, noted, events)
    if reader is not None:
        _stream(found, noted, events)
    return found


async def _all_events(store: Store, site: str) -> list[Event]:
    found: list[Event] = []
    while more := await store.events.after(site, found[-1].cursor if found else "0-0", 1000):
        found += more
    return found


async def _read(store: Store, site: str, ids: list[str]) -> dict[str, StoredComment]:
    found = {}
    for start in range(0, len(ids), 100):
        part = ids[start : start + 100]
        got = await store.comments.read_many(site, part)
        found.update({i: each for i, each in zip(part, got, strict=True) if each is not None})
    return found


async def _told(
    events: list[Event], receiver: Receiver | None, reader: Reader | None, timeout_s: float
) -> None:
    """Waits until both listeners know everything; what is missing then is found below."""
    wanted = {(event.comment, event.version) for event in events if event.type == HOOKED}
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        hooks = receiver is None or wanted <= receiver.got
        stream = reader is None or not events or reader.cursor == events[-1].cursor
        if hooks and stream:
            return
        await asyncio.sleep(0.1)


def _comments(found: Findings, noted: list[Row], stored: dict[str, StoredComment]) -> None:
    """Every acknowledged comment is there once, with its text; nothing else is."""
    there = {i: digest(each.comment.body) for i, each in stored.items()}
    by_text: dict[str, list[str]] = {}
    for i, text in there.items():
        by_text.setdefault(text, []).append(i)
    intended = {row.body: row.key for row in noted if row.kind == "intended"}
    for row in noted:
        if row.kind != "comment":
            continue
        if row.id and there.get(row.id) != row.body:
            found.lost += 1
            found.violations.append(f"lost: {row.key} was answered {row.id}")
        if not row.id and row.body not in by_text:
            found.lost += 1
            found.violations.append(f"lost: {row.key} was answered {row.code}")
    for text, ids in by_text.items():
        if text not in intended:
            what = stored[ids[0]].comment.body.rpartition(MARK)[2]
            found.violations.append(f"nobody sent {ids} ({what})")
        elif len(ids) > 1:
            found.doubled += 1
            found.violations.append(f"doubled: {intended[text]} made {ids}")


async def _decisions(
    found: Findings,
    noted: list[Row],
    store: Store,
    site: str,
    stored: dict[str, StoredComment],
) -> None:
    """Every acknowledged decision is a step of its comment's chain, once; no refused one is."""
    answered = [row for row in noted if row.kind == "decision"]
    touched = sorted({row.id for row in answered})
    chains: dict[str, dict[int, Entry]] = {}
    for start in range(0, len(touched), 100):
        part = touched[start : start + 100]
        got = await asyncio.gather(*(store.decisions.history(site, i) for i in part))
        chains |= {
            i: {entry.version: entry for entry in chain} for i, chain in zip(part, got, strict=True)
        }
    steps = Counter(e.reason for chain in chains.values() for e in chain.values() if e.reason)
    for row in answered:
        entry = chains[row.id].get(row.version)
        if row.version and not _is(entry, row):
            found.lost += 1
            found.violations.append(f"lost: decision {row.key} on {row.id} {row.version}")
        if not row.version and steps[row.key]:
            found.violations.append(f"refused, yet applied: {row.key}")
        if row.action != "undo" and steps[row.key] > 1:
            found.doubled += 1
            found.violations.append(f"applied {steps[row.key]} times: {row.key}")
    won = Counter((row.id, row.version) for row in answered if row.version)
    for (i, version), times in won.items():
        if times > 1:
            found.doubled += 1
            found.violations.append(f"{times} decisions won version {version} of {i}")
    for i, chain in chains.items():
        last = chain[max(chain)] if chain else None
        if last is not None and i in stored and stored[i].version < last.version:
            found.violations.append(f"{i} stands before its last decision")


def _is(entry: Entry | None, row: Row) -> bool:
    """Whether a step of a chain is the decision a moderator was told of."""
    if entry is None or entry.action != row.action:
        return False
    return row.action == "undo" or (entry.reason == row.key and entry.after == STATUS[row.action])


def _hooks(found: Findings, noted: list[Row], events: list[Event]) -> None:
    """Every event was delivered, and always under one id of its own."""
    names: dict[tuple[str, int], set[str]] = {}
    owners: dict[str, set[tuple[str, int]]] = {}
    for row in noted:
        if row.kind == "hook":
            names.setdefault((row.id, row.version), set()).add(row.key)
            owners.setdefault(row.key, set()).add((row.id, row.version))
    wanted = {(event.comment, event.version) for event in events if event.type == HOOKED}
    missing = wanted - names.keys()
    found.lost += len(missing)
    found.violations += [f"never delivered: {i} {v}" for i, v in sorted(missing)[:20]]
    found.violations += [f"delivered, yet no event: {each}" for each in names.keys() - wanted]
    found.violations += [f"{each} came as {ids}" for each, ids in names.items() if len(ids) > 1]
    found.violations += [f"{i} stands for {all_}" for i, all_ in owners.items() if len(all_) > 1]


def _stream(found: Findings, noted: list[Row], events: list[Event]) -> None:
    """The reader saw every event, each once and in order."""
    seen = [(row.key, row.id, row.version) for row in noted if row.kind == "event"]
    wanted = [(event.cursor, event.comment, event.version) for event in events]
    if seen == wanted:
        return
    missing, extra = set(wanted) - set(seen), set(seen) - set(wanted)
    found.lost += len(missing)
    found.violations.append(
        f"server-sent events: {len(missing)} missed, {len(extra)} of nothing, "
        f"{len(seen) - len(set(seen))} twice, in order: {seen == sorted(seen, key=_order)}"
    )


def _order(row: tuple[str, str, int]) -> tuple[int, int]:
    ms, _, number = row[0].partition("-")
    return int(ms), int(number)
