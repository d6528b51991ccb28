"""What an import has done so far: kept beside the file, printed at the end."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.commands.cursor import Cursor
from service.commands.output import iso

if TYPE_CHECKING:
    from service.importing.source import Chunk
    from service.importing.tally import BadLine, Tally
    from service.transfer import Import

KEEP_EVERY_S = 0.5
ERRORS_MAX = 100
"""Bad lines that `--json` lists."""


class Report:
    """How an import stands."""

    def __init__(self, cursor: Cursor, path: Path | None, *, title: str, dry_run: bool) -> None:
        self.cursor = cursor
        self.damage = ""
        self._path = path
        self._title = title
        self._dry_run = dry_run
        self._kept_at = time.monotonic()
        self._errors: list[BadLine] = []
        self._pages = self._authors = 0

    def add(self, tally: Tally, bad: list[BadLine], chunk: Chunk) -> None:
        """Counts records that are on disk, and now and then keeps how far that is."""
        cursor = self.cursor
        cursor.tally.add(tally)
        cursor.line, cursor.offset = chunk.number, chunk.offset
        self._errors += bad[: ERRORS_MAX - len(self._errors)]
        if time.monotonic() - self._kept_at > KEEP_EVERY_S:
            self.keep()

    def keep(self) -> None:
        """Keeps the cursor; where the folder refuses, an interrupted import starts over."""
        if self._path is not None:
            with suppress(OSError):
                self.cursor.write(self._path)
        self._kept_at = time.monotonic()

    def finish(self, importing: Import) -> None:
        """The file is at its end, or at its damage, behind which an import can be resumed."""
        self._pages, self._authors = len(importing.pages), len(importing.authors)
        if self.damage:
            self.keep()
        elif self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def fields(self) -> dict[str, Any]:
        """For `--json`."""
        tally = self.cursor.tally
        return {
            "site": self.cursor.site,
            "dry_run": self._dry_run,
            "format": self._title,
            "lines": self.cursor.line,
            "imported": tally.imported,
            "known": tally.known,
            "bad": tally.bad,
            "skipped": tally.skipped,
            "statuses": tally.statuses,
            "changed": tally.changed,
            "pages": self._pages,
            "authors": self._authors,
            "oldest": iso(tally.oldest),
            "newest": iso(tally.newest),
            "errors": self._errors,
            "damage": self.damage or None,
        }

    def sentences(self) -> list[str]:
        """For people."""
        tally = self.cursor.tally
        verb = "would be imported" if self._dry_run else "imported"
        said = [
            f"{self._title}, {self.cursor.line:,} records: {tally.imported:,} {verb}, "
            f"{tally.known:,} were there already, {sum(tally.skipped.values()):,} skipped, "
            f"{tally.bad:,} bad"
        ]
        if tally.statuses:
            span = f"{(iso(tally.oldest) or '')[:10]} to {(iso(tally.newest) or '')[:10]}"
            said.append(f"{_listed(tally.statuses)}; {span if tally.oldest else 'no dates'}")
            # Not kept in the cursor: of this run alone.
            said.append(f"{self._pages:,} pages, {self._authors:,} authors")
        if tally.skipped:
            said.append(f"skipped: {_listed(tally.skipped)}")
        if tally.changed:
            said.append(f"changed: {_listed(tally.changed)}")
        return said


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
