"""`winnow export` and `winnow import`: a site's comments, out and in."""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from service.commands.cursor import Cursor, digest_of, read_cursor
from service.commands.failures import BAD_DATA, USAGE, CommandError
from service.commands.files import written_to
from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import counted, print_json, printable, progress
from service.commands.reach import Reached, known_site, now_ms, on_store
from service.commands.report import Report
from service.commands.score import loaded_scorer

if TYPE_CHECKING:
    from rich.progress import Progress

    from service.importing.formats import Format
    from service.importing.opened import Opened
    from service.importing.source import Chunk
    from service.importing.tally import BadLine, Tally
    from service.records import Status
    from service.transfer import Import

AT_ONCE = 3
"""Stretches of an import under way at once."""


@click.command("export", short_help="Write a site's comments as JSON lines or WordPress WXR.")
@click.argument("site_id", metavar="SITE")
@click.option(
    "--to",
    "form",
    type=click.Choice(["jsonl", "wxr"]),
    default="jsonl",
    show_default=True,
    help="JSON lines hold everything; WXR is what WordPress and others read.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="Where to (NAME.gz: compressed); else standard output."
)
@click.option(
    "--author",
    metavar="EMAIL",
    help="Only what is held about one person, all of it, for that person; or an author's id.",
)
@settings_options(*CONNECTING)
def export_comments(
    *, site_id: str, form: str, output: str | None, author: str | None, **options: Any
) -> None:
    """Write every comment of SITE: texts, addresses, statuses, dates, threads, decisions.

    `winnow import` reads it back. FILE is complete or does not appear. Test comments stay behind.
    With --author the lines are another kind: what a person has a right to see.
    """
    if author and form != "jsonl":
        raise CommandError("--author writes JSON lines only", USAGE)

    async def work(reached: Reached) -> int:
        await known_site(reached, site_id)
        if author is not None:
            return await _write_subject(reached, site_id, author, output)
        waiting = await reached.store.queues.waiting(site_id)
        written = 0
        with progress("comments") as bar, written_to(output) as write:
            done = counted(bar, "export", sum(queue.count for queue in waiting))
            async for text, comments in _pieces(reached, site_id, form):
                write(text)
                written += comments
                done(written, written)
        return written

    written = on_store(options, work)
    if output:
        click.echo(f"{written:,} comments of {site_id} in {output}", err=True)


async def _write_subject(reached: Reached, site: str, author: str, output: str | None) -> int:
    """Writes what is held about one author; how many comments that is."""
    from service.pipeline.erase import Eraser
    from service.pipeline.subject import held

    if "@" in author:
        eraser = Eraser(reached.store, reached.secrets, reached.settings.data_dir)
        author = eraser.author_of(site, author)
    comments = 0
    with written_to(output) as write:
        async for line in held(reached.store, site, author):
            write(line)
            comments += line.startswith(b'{"kind":"comment"')
    return comments


async def _pieces(reached: Reached, site_id: str, form: str) -> AsyncIterator[tuple[bytes, int]]:
    """What to write, and how many comments are in it."""
    if form == "wxr":
        from service.exporting import export_wxr

        async for piece in export_wxr(reached.store, site_id):
            yield piece
    else:
        from service.transfer import export

        async for line in export(reached.store, site_id):
            yield line, 1


@click.command("import", short_help="Bring comments in: ours, WordPress, Disqus, Isso, Coral, …")
@click.argument("site_id", metavar="SITE")
@click.argument("file", type=click.Path(exists=True, allow_dash=True))
@click.option(
    "--from",
    "form",
    type=click.Choice(["wxr", "disqus", "isso", "remark42", "coral", "jsonl"]),
    help="What FILE is (default: told by its beginning).",
)
@click.option("--resume", is_flag=True, help="Go on where an interrupted import of FILE stopped.")
@click.option("--dry-run", is_flag=True, help="Only read, check and report; write nothing.")
@click.option(
    "--origin",
    metavar="URL",
    help="What stands before pages that FILE names by path alone, such as https://blog.example.",
)
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
    form: str | None,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Bring the comments in FILE into SITE; - is standard input, gzip is unpacked.

    FILE is a WordPress export (WXR), a Disqus export, Isso's database or JSON, a Remark42 backup,
    a folder with Coral's comments, stories and users, or JSON lines: those of `winnow export`, or
    bodies of POST /v1/comments. Dates, threads, statuses and decisions are kept. What is imported
    twice is one comment, so any import may be run again. Bad records are named on standard error
    and left out, and a damaged file is read up to the damage; the exit code is then 65.
    """
    _check_origin(options["origin"])
    how = {name: options.pop(name) for name in ("dry_run", "origin", "status", "score")}
    if resume and (how["dry_run"] or file == "-"):
        raise CommandError("--resume needs a FILE that can be read again, and writes", USAGE)

    async def work(reached: Reached) -> Report:
        from service.importing.formats import opened

        importing = await _importing(reached, site_id, **how)
        source, known_form = opened(file, form)
        with source:
            start = Cursor(site_id, digest_of(source.head, known_form.name))
            path = None if how["dry_run"] or file == "-" else Path(file.rstrip("/") + ".cursor")
            cursor = read_cursor(path, start) if resume and path else start
            report = Report(cursor, path, title=known_form.title, dry_run=how["dry_run"])
            await _run(importing, source, known_form, report)
        return report

    report = on_store(options, work)
    if as_json:
        print_json(report.fields())
    else:
        click.echo("\n".join(report.sentences()))
    if report.damage:
        raise CommandError(f"{file}: {report.damage}", BAD_DATA)
    if report.cursor.tally.bad:
        raise SystemExit(BAD_DATA)


def _check_origin(origin: str | None) -> None:
    from service.pipeline import fields

    try:
        fields.url(origin or "")
    except fields.Wrong as wrong:
        raise CommandError(f"--origin: {wrong.detail}", USAGE) from None


async def _importing(
    reached: Reached, site_id: str, *, status: str, origin: str | None, score: bool, dry_run: bool
) -> Import:
    from service.pipeline.rules import RuleBook
    from service.pipeline.score import Scorer
    from service.store.pressure import Pressure
    from service.transfer import Import

    await known_site(reached, site_id)
    importing = Import(
        reached.store,
        RuleBook(reached.store, Scorer.fold),
        reached.secrets,
        site_id,
        status=cast("Status", status),
        origin=origin or "",
        scorer=loaded_scorer(reached.settings.model) if score else None,
        dry_run=dry_run,
        clock=now_ms,
    )
    home = None if reached.settings.redis_url else reached.settings.data_dir
    pressure = Pressure(reached.store.health, home, reached.settings.disk_reserve)
    importing.admit = pressure.look_and_admit
    return importing


async def _run(importing: Import, file: Opened, form: Format, report: Report) -> None:
    from service.importing.source import chunks
    from service.transfer import CHUNK

    cursor = report.cursor
    source = chunks(file, form, CHUNK, number=cursor.line, offset=cursor.offset)
    with progress("records") as bar:
        done, first = counted(bar, "import", file.size), cursor.line

        def settled(chunk: Chunk, tally: Tally, bad: list[BadLine]) -> None:
            _name_bad(bar, bad)
            report.add(tally, bad, chunk)
            done(chunk.position, chunk.number - first)

        try:
            await _take_all(importing, source, report, settled)
        except BaseException:
            report.keep()
            raise
    report.finish(importing)


async def _take_all(
    importing: Import,
    source: Iterator[Chunk],
    report: Report,
    settled: Callable[[Chunk, Tally, list[BadLine]], None],
) -> None:
    """Takes chunks, some at once: while the store writes, the next ones are read."""
    under_way: deque[tuple[Chunk, Task[tuple[Tally, list[BadLine]]]]] = deque()

    async def settle(most: int) -> None:
        while len(under_way) > most:
            settled(under_way[0][0], *await under_way[0][1])
            under_way.popleft()

    try:
        while (chunk := _next(source, report)) is not None:
            under_way.append((chunk, asyncio.create_task(importing.take(chunk.records))))
            await settle(AT_ONCE - 1)
        await settle(0)
    finally:
        tasks = [task for _, task in under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _next(source: Iterator[Chunk], report: Report) -> Chunk | None:
    from service.errors import Malformed

    try:
        return next(source, None)
    except Malformed as error:
        report.damage = error.detail
        return None


def _name_bad(bar: Progress, bad: list[BadLine]) -> None:
    for each in bad:
        for error in each.errors:
            where = f"line {each.line}: {error.pointer or '/'} {error.code}: {error.detail}"
            bar.console.print(printable(where), markup=False, highlight=False, soft_wrap=True)
