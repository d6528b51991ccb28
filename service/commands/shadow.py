"""`winnow shadow`: how far Winnow agrees with the service a site uses now, by recorded answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from service.commands.failures import BAD_DATA, UNAVAILABLE, CommandError
from service.commands.options import as_json, chosen, settings_options
from service.commands.output import counted, print_json, print_table, printable, progress
from service.commands.score import loaded_scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.api.compat.recorded import Recorded, Scores
    from service.commands.agreement import Findings, Pair
    from service.importing.opened import Opened

CHUNK: Final = 256
"""Lines that are read, scored and counted at once."""
AT_ONCE: Final = 8
"""Requests to a running Winnow at a time."""
LINE_MAX: Final = 8 << 20
"""Bytes of a line, as many as a request may have."""
TEXT_SHOWN: Final = 200

Ask = Callable[["Recorded"], Awaitable["list[Scores]"]]


@click.command("shadow", short_help="Compare with recorded answers of the service in use now.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--api",
    type=click.Choice(["perspective", "openai", "akismet"]),
    help="Whose answers they are (default: told by each answer).",
)
@click.option("--url", help="Ask the running Winnow there instead of scoring here.")
@click.option(
    "--key",
    envvar="SHADOW_KEY",
    help="A compat key of one of its sites [SHADOW_KEY; better there than here, where others can "
    "see it].",
)
@click.option(
    "--worst",
    metavar="N",
    type=click.IntRange(0, 1000),
    default=0,
    help="Also list the N scores that are farthest apart.",
)
@click.option("--texts", is_flag=True, help="With --worst: show the texts, too.")
@settings_options("model")
@as_json
def shadow(
    *, file: str, api: str | None, url: str | None, key: str | None, as_json: bool, **options: Any
) -> None:
    """Score the texts in FILE and compare with the answers recorded there.

    FILE holds JSON lines (also gzipped; - is standard input): {"request": …, "response": …} of
    Perspective's comments:analyze, OpenAI's moderations or Akismet's comment-check, or
    {"text": …, "scores": {"TOXICITY": 0.83}}. Texts go nowhere but to --url. Bad lines are named
    and left out; the exit code is then 65.
    """
    from service.commands.agreement import Findings

    if bool(url) != bool(key):
        raise click.UsageError("--url and --key (or SHADOW_KEY) go together")
    findings = Findings(worst=options.pop("worst"), texts=options.pop("texts"))
    asking = _there(url, key) if url and key else _here(options)
    asyncio.run(_compare(file, api, asking, findings))
    if not findings.calls and not findings.bad:
        raise CommandError(f"{file} holds no recorded calls", BAD_DATA)
    if as_json:
        print_json(_document(findings))
    else:
        _print(findings)
    if findings.bad:
        raise SystemExit(BAD_DATA)


async def _compare(
    file: str, api: str | None, asking: AbstractAsyncContextManager[Ask], findings: Findings
) -> None:
    from service.errors import Malformed
    from service.importing.opened import Opened

    opened, number = Opened(file), 0
    with progress("lines") as bar:
        done = counted(bar, "compare", opened.size)

        def reject(line: int, why: str) -> None:
            findings.reject(line, why)
            said = printable(f"line {line}: {why}")
            bar.console.print(said, markup=False, highlight=False, soft_wrap=True)

        async with asking as ask:
            try:
                for chunk in _chunks(opened):
                    number = chunk[-1][0]
                    findings.add(await _answered(chunk, api, ask, reject))
                    done(opened.position(), number)
            except Malformed as error:
                reject(number + 1, error.detail)


def _chunks(opened: Opened) -> Iterator[list[tuple[int, bytes]]]:
    """Numbered lines, some at a time.

    Raises:
        Malformed: the compressed data are damaged; what stands before was yielded.
    """
    from service.errors import Malformed

    chunk: list[tuple[int, bytes]] = []
    damage: Malformed | None = None
    try:
        for numbered in _lines(opened):
            chunk.append(numbered)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
    except Malformed as error:
        damage = error
    if chunk:
        yield chunk
    if damage is not None:
        raise damage


def _lines(opened: Opened) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank; of one that is too long only its beginning."""
    number = 0
    while line := opened.readline(LINE_MAX):
        number += 1
        more = line
        while more and not more.endswith(b"\n"):
            more = opened.readline(LINE_MAX)
        if line.strip():
            yield number, line


async def _answered(
    chunk: list[tuple[int, bytes]],
    api: str | None,
    ask: Ask,
    reject: Callable[[int, str], None],
) -> list[tuple[int, Recorded, list[Scores]]]:
    """The calls of some lines with our answers; lines that are none are rejected."""
    from service.api.compat.recorded import Unreadable, recorded

    async def one(line: bytes) -> tuple[Recorded, list[Scores]] | str:
        try:
            call = recorded(line, api)
            return call, await ask(call)
        except Unreadable as why:
            return str(why)

    found = []
    answers = await asyncio.gather(*(one(line) for _, line in chunk))
    for (number, _), answer in zip(chunk, answers, strict=True):
        if isinstance(answer, str):
            reject(number, answer)
        else:
            found.append((number, *answer))
    return found


# ------------------------------------------------------------------------------ asking


@asynccontextmanager
async def _here(options: Mapping[str, Any]) -> AsyncIterator[Ask]:
    """Asks the model."""
    from service.api.compat.recorded import APIS

    scorer = loaded_scorer(chosen(options).model)

    async def ask(call: Recorded) -> list[Scores]:
        return await APIS[call.api].ours(scorer, call)

    yield ask


@asynccontextmanager
async def _there(url: str, key: str) -> AsyncIterator[Ask]:
    """Asks a running Winnow, by the door of each call's API."""
    import httpx

    from service.api.compat.recorded import APIS, Unreadable, answer_of

    places = asyncio.Semaphore(AT_ONCE)
    # No proxy from the environment: texts go to that address and nowhere else.
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:

        async def ask(call: Recorded) -> list[Scores]:
            again = APIS[call.api].call(call, key)
            if again is None:
                return [{} for _ in call.texts]
            try:
                async with places:
                    answer = await client.post(
                        again.path, content=again.body, headers=again.headers
                    )
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
                raise CommandError(f"{url} does not answer: {why}", UNAVAILABLE) from None
            try:
                rows = answer_of(call.api, answer.content) if answer.status_code == 200 else []
            except Unreadable:
                rows = []
            if len(rows) != len(call.texts):
                raise Unreadable(f"Winnow answered {answer.status_code}: {answer.text[:200]}")
            return rows

        yield ask


# ---------------------------------------------------------------------------- printing


def _document(findings: Findings) -> dict[str, Any]:
    return {
        "calls": findings.calls,
        "bad": findings.bad,
        "errors": findings.errors,
        "unknown": dict(findings.unknown.most_common()),
        "attributes": findings.figures(),
        "worst": findings.worst,
    }


def _print(findings: Findings) -> None:
    figures = findings.figures()
    print_table(
        ["ATTRIBUTE", "TEXTS", "RANK AGREEMENT", "MEAN DIFFERENCE"],
        [
            (name, f"{f['n']:,}", _figure(f["rank_agreement"]), f"{f['mean_difference']:+.3f}")
            for name, f in figures.items()
        ],
    )
    click.echo(
        "\nFlagged from a score on; the last column is the Winnow threshold that flags as many"
    )
    print_table(
        ["ATTRIBUTE", "FROM", "BOTH", "ONLY THEIRS", "ONLY OURS", "AGREEMENT", "KAPPA", "ROC-AUC",
         "SAME SHARE FROM"],
        [(name, *_row(at)) for name, f in figures.items() for at in f["thresholds"]],
    )  # fmt: skip
    if findings.worst:
        click.echo("\nFarthest apart")
        print_table(
            ["LINE", "ATTRIBUTE", "THEIRS", "OURS", "TEXT"], [_pair(p) for p in findings.worst]
        )
    if findings.unknown:
        named = ", ".join(f"{name} ({n:,})" for name, n in findings.unknown.most_common())
        click.echo(f"\nNot scored here, or not in the text's language: {printable(named)}")
    click.echo(f"\n{findings.calls:,} calls compared, {findings.bad:,} bad lines")


def _row(at: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (f"{at[name]:,}" for name in ("both", "only_theirs", "only_ours"))
    shares = (_figure(at[name]) for name in ("agreement", "kappa", "auc", "same_share_at"))
    return f"{at['threshold']:.1f}", *counts, *shares


def _pair(pair: Pair) -> tuple[object, ...]:
    text = " ".join(pair.text.split())[:TEXT_SHOWN]
    return pair.line, pair.attribute, _figure(pair.theirs), _figure(pair.ours), text


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
