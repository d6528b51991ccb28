"""What a run showed: a table for people, JSON for the record."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.checker import Findings

HEAD = ("fault", "times", "acknowledged", "decisions", "lost", "doubled", "violations",
        "longest gap", "95 % bound", "seconds")  # fmt: skip


class Result(msgspec.Struct, kw_only=True):
    """One fault, all its strikes."""

    fault: str
    kind: str = ""
    times: int = 0
    """How often the fault struck."""
    findings: Findings = msgspec.field(default_factory=Findings)
    skipped: str = ""
    """Why it was not run; empty if it was."""
    notes: dict[str, Any] = {}
    seconds: float = 0.0
    plan: str = ""
    """The schedule's fingerprint."""
    at: str = ""

    @property
    def bound(self) -> str:
        """Rule of three: nothing in n trials means, with 95 % confidence, at most 3/n."""
        if not self.times or not self.findings.clean:
            return "-"
        return f"{min(1.0, 3 / self.times):.2%} a strike"

    @property
    def clean(self) -> bool:
        """Whether it was passed, or not run."""
        return bool(self.skipped) or self.findings.clean

    def note(self, name: str, count: float = 1) -> None:
        """Counts something worth telling."""
        self.notes[name] = self.notes.get(name, 0) + count

    def most(self, name: str, value: float) -> None:
        """Keeps the largest of something."""
        self.notes[name] = max(self.notes.get(name, 0.0), round(value, 3))

    def complain(self, what: str) -> None:
        """Notes a requirement that was broken."""
        self.findings.violations.append(what)


def table(results: list[Result], seed: int) -> str:
    """The figures in Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for each in results:
        found = each.findings
        if each.skipped:
            lines.append(f"| {each.fault} | skipped: {each.skipped} |" + " |" * (len(HEAD) - 2))
            continue
        cells = (
            each.fault, f"{each.times:,}", f"{found.acknowledged:,}", f"{found.decisions:,}",
            found.lost, found.doubled, len(found.violations), f"{found.gap_s:.1f} s",
            each.bound, f"{each.seconds:.0f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    operations = sum(r.findings.acknowledged + r.findings.decisions for r in results)
    struck = sum(r.times for r in results if not r.skipped)
    lines += ["", f"{struck:,} strikes, {operations:,} answered operations, seed {seed}"]
    if operations and all(r.clean for r in results):
        lines[-1] += f"; 95 % bound per operation {3 / operations:.1e}"
    return "\n".join(lines)


def details(results: list[Result]) -> str:
    """What was broken, and what else was counted."""
    lines = []
    for each in results:
        if each.notes:
            told = ", ".join(f"{name} {value}" for name, value in each.notes.items())
            lines.append(f"{each.fault}: {told}")
        lines += [f"  ! {each.fault}: {what}" for what in each.findings.violations[:20]]
    return "\n".join(lines)


def save(path: Path, results: list[Result], seed: int, command: list[str]) -> None:
    """Writes everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"seed": seed, "command": command, "results": results}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))


def stamp() -> str:
    """Now, for the record."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Watch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() - self._began
