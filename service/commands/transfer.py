"""`winnow export` and `winnow import`: a site's comments as JSON lines."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import click

from service.commands.failures import BAD_DATA, USAGE, CommandError
from service.commands.lines import Cursor, Lines, digest_of, read_cursor
from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import print_json, progress
from service.commands.reach import Reached, known_site, now_ms, on_store
from service.commands.score import loaded_scorer

if TYPE_CHECKING:
    from rich.progress import Progress

    from service.records import Status
    from service.transfer import BadLine, Import, Tally

CURSOR_EVERY_S = 0.5
ERRORS_IN_JSON = 100


@click.command("export", short_help="Write a site's comments as JSON lines.")
@click.argument("site_id", metavar="SITE")
@click.option(
    "-o", "--output", metavar="FILE", help="Where to (NAME.gz: compressed); else standard output."
)
@settings_options(*CONNECTING)
def export_comments(*, site_id: str, output: str | None, **options: Any) -> None:
    """Write every comment of SITE as a line of JSON: texts, addresses, statuses, decisions.

    `winnow import` reads it back. FILE is complete or does not appear. Test comments stay behind.
    """

    async def work(reached: Reached) -> int:
        from service.transfer import export

        await known_site(reached, site_id)
        waiting = await reached.store.queues.waiting(site_id)
        written = 0
        with progress("lines") as bar, _output(output) as write:
            done = _bar(bar, "export", sum(queue.count for queue in waiting))
            async for line in export(reached.store, site_id):
                write(line)
                written += 1
                done(written, written)
        return written

    written = on_store(options, work)
    if output:
        click.echo(f"{written:,} comments of {site_id} in {output}", err=True)


@contextmanager
def _output(name: str | None) -> Iterator[Callable[[bytes], object]]:
    """Writes to standard output, or to a file that appears when it is whole."""
    if name is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    path, part = Path(name), Path(name + ".part")
    try:
        with _create(part, zipped=name.endswith(".gz")) as opened:
            yield opened.write
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _create(path: Path, *, zipped: bool) -> IO[bytes]:
    """A file that only its owner can read: it holds addresses."""
    path.touch(mode=0o600)
    return cast("IO[bytes]", gzip.open(path, "wb") if zipped else path.open("wb"))


@click.command("import", short_help="Bring comments in from JSON lines.")
@click.argument("site_id", metavar="SITE")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--resume", is_flag=True, help="Go on where an interrupted import of FILE stopped.")
@click.option("--dry-run", is_flag=True, help="Only read and check; write nothing.")
@click.option(
    "--status",
    type=click.Choice(["pending", "approved", "rejected", "spam"]),
    default="pending",
    show_default=True,
    help="What a line that names no status becomes; with --score its verdict decides.",
)
@click.option("--score", is_flag=True, help="Score and explain each comment with the model.")
@settings_options(*CONNECTING, "model")
@as_json
def import_comments(
    *,
    site_id: str,
    file: str,
    resume: bool,
    dry_run: bool,
    status: str,
    score: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Bring the comments in FILE (JSON lines, also gzipped; - for standard input) into SITE.

    Lines are those of `winnow export`, or bodies of POST /v1/comments. Dates, threads, statuses
    and decisions are kept. A line imported twice is one comment, so any import may be run again.
    Bad lines are named on standard error and left out; the exit code is then 65.
    """
    if resume and (dry_run or file == "-"):
        raise CommandError("--resume needs a FILE that can be read again, and writes", USAGE)

    async def work(reached: Reached) -> Report:
        importing = await _importing(reached, site_id, status, score=score, dry_run=dry_run)
        report = _report(site_id, file, resume=resume, keeps=not dry_run)
        await _run(importing, file, report)
        return report

    report = on_store(options, work)
    if as_json:
        print_json({"site": site_id, "dry_run": dry_run, **report.fields()})
    else:
        click.echo(report.sentence(dry_run=dry_run))
    if report.cursor.bad:
        raise SystemExit(BAD_DATA)


class Report:
    """What an import has done so far, and where it keeps that."""

    def __init__(self, cursor: Cursor, path: Path | None) -> None:
        self.cursor = cursor
        self._path = path
        self._kept_at = time.monotonic()
        self._errors: list[BadLine] = []

    def add(self, tally: Tally, bad: list[BadLine], lines: Lines) -> None:
        """Counts lines that are on disk, and now and then keeps how far that is."""
        cursor = self.cursor
        cursor.imported += tally.imported
        cursor.known += tally.known
        cursor.bad += tally.bad
        cursor.line, cursor.offset = lines.line, lines.offset
        self._errors += bad[: ERRORS_IN_JSON - len(self._errors)]
        if time.monotonic() - self._kept_at > CURSOR_EVERY_S:
            self.keep()

    def keep(self) -> None:
        """Keeps the cursor; where the folder refuses, an interrupted import starts over."""
        if self._path is not None:
            with suppress(OSError):
                self.cursor.write(self._path)
        self._kept_at = time.monotonic()

    def forget(self) -> None:
        """The import is complete: there is nothing to resume."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def fields(self) -> dict[str, Any]:
        """For `--json`."""
        cursor = self.cursor
        return {
            "lines": cursor.line,
            "imported": cursor.imported,
            "known": cursor.known,
            "bad": cursor.bad,
            "errors": self._errors,
        }

    def sentence(self, *, dry_run: bool) -> str:
        """For people."""
        cursor = self.cursor
        verb = "would be imported" if dry_run else "imported"
        return (
            f"{cursor.line:,} lines: {cursor.imported:,} {verb}, {cursor.known:,} were there "
            f"already, {cursor.bad:,} bad"
        )


async def _importing(
    reached: Reached, site_id: str, status: str, *, score: bool, dry_run: bool
) -> Import:
    from service.pipeline.rules import RuleBook
    from service.pipeline.score import Scorer
    from service.transfer import Import

    await known_site(reached, site_id)
    return Import(
        reached.store,
        RuleBook(reached.store, Scorer.fold),
        reached.secrets,
        site_id,
        status=cast("Status", status),
        scorer=loaded_scorer(reached.settings.model) if score else None,
        dry_run=dry_run,
        clock=now_ms,
    )


async def _run(importing: Import, file: str, report: Report) -> None:
    from service.incoming import LINE_MAX
    from service.transfer import CHUNK

    lines = Lines(file, LINE_MAX)
    lines.skip_to(report.cursor)
    try:
        with progress("lines") as bar:
            await _take_all(importing, lines, report, bar, CHUNK)
    except BaseException:
        report.keep()
        raise
    report.cursor.line = lines.line
    report.forget()


def _report(site_id: str, file: str, *, resume: bool, keeps: bool) -> Report:
    if file == "-":
        return Report(Cursor(site_id, ""), None)
    path, start = Path(file + ".cursor"), Cursor(site_id, digest_of(file))
    return Report(read_cursor(path, start) if resume else start, path if keeps else None)


async def _take_all(
    importing: Import, lines: Lines, report: Report, bar: Progress, size: int
) -> None:
    done = _bar(bar, "import", lines.size)
    first = report.cursor.line
    for chunk in lines.chunks(size):
        tally, bad = await importing.take(chunk)
        for each in bad:
            for error in each.errors:
                where = f"line {each.line}: {error.pointer or '/'} {error.code}: {error.detail}"
                bar.console.print(where, markup=False, highlight=False, soft_wrap=True)
        report.add(tally, bad, lines)
        done(lines.position(), lines.line - first)


def _bar(bar: Progress, what: str, total: int) -> Callable[[int, int], None]:
    """What to tell how far the work is, and how many lines that were."""
    began = time.monotonic()
    task = bar.add_task(what, total=total or None, done=0, rate=0.0)

    def done(completed: int, lines: int) -> None:
        rate = lines / max(time.monotonic() - began, 1e-3)
        bar.update(task, completed=completed, done=lines, rate=rate)

    return done
