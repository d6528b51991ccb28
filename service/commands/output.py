"""How commands print: tables for people, one JSON document with `--json`, progress on stderr.

A table stays a table in a pipe (only without colours and as wide as it needs), so that what a
script reads never depends on where it runs: scripts ask for `--json`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

WIDE = 400
"""Columns where nobody looks at the width: nothing is cut."""


def print_json(content: Any) -> None:
    """One JSON document, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(content), indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table without a frame; cells keep their words whole where there is room."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    console().print(drawn)


def print_items(
    items: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool
) -> None:
    """A list: `{"items": [...]}` as JSON, else the named fields under their headings."""
    if as_json:
        print_json({"items": items})
    else:
        print_table(list(columns.values()), [[item[name] for name in columns] for item in items])


def print_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing: an object as JSON, else a line for each field."""
    if as_json:
        print_json(fields)
    else:
        width = max(map(len, fields), default=0)
        for name, value in fields.items():
            click.echo(f"{name:<{width}}  {printable(value)}")


def printable(value: object) -> str:
    """A value in words, with everything spelled out that could steer a terminal."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(printable(part) for part in value) or "-"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))


def iso(ms: int | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, as the API writes times."""
    if ms is None:
        return None
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def console(*, error: bool = False) -> Console:
    """Where tables and progress go."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else WIDE, highlight=False)


@contextmanager
def progress(unit: str = "") -> Iterator[Progress]:
    """A progress bar on a terminal's stderr, with a rate when `unit` is given; else silent."""
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: list[ProgressColumn] = [
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    ]
    if unit:
        columns.append(TextColumn("{task.fields[done]:,} " + unit + ", {task.fields[rate]:,.0f}/s"))
    shown = console(error=True)
    with Progress(*columns, console=shown, disable=not shown.is_terminal, transient=True) as bar:
        yield bar


def counted(bar: Progress, what: str, total: int) -> Callable[[int, int], None]:
    """What to tell how far the work is, and how many lines that were."""
    began = time.monotonic()
    task = bar.add_task(what, total=total or None, done=0, rate=0.0)

    def done(completed: int, lines: int) -> None:
        rate = lines / max(time.monotonic() - began, 1e-3)
        bar.update(task, completed=completed, done=lines, rate=rate)

    return done
