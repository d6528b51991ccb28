"""`winnow score`: what the checks say about texts; stores nothing and needs no store."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from service.commands.failures import BAD_DATA, UNAVAILABLE, CommandError
from service.commands.options import as_json, chosen, settings_options
from service.commands.output import print_table
from service.commands.reach import now_ms

if TYPE_CHECKING:
    from service.pipeline.score import Scorer
    from service.pipeline.words import CompiledLists
    from service.records import Policy

BATCH: Final = 512
"""Texts scored and written at once; fewer when no more have arrived yet."""
READ: Final = 1 << 18
"""Bytes asked for at once."""
LONGEST: Final = 1 << 20
"""Bytes of one line at most."""


@click.command()
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help='jsonl: each line of standard input is a JSON string or {"text": ...}; each line of '
    'standard output is {"scores": {...}, "reasons": [...]}, in the same order.',
)
@click.option("--explain", is_flag=True, help="Also say which words speak for the top label.")
@click.option("--policy", type=click.File("rb"), help="A policy to decide under, as JSON.")
@settings_options("model")
@as_json
def score(texts: tuple[str, ...], *, form: str, as_json: bool, **options: Any) -> None:
    """Score texts: the arguments, or standard input.

    Reasons are those of the default policy (or --policy), as if by an author who is neither new
    nor known: only the text speaks.
    """
    judge = _judge(options)
    if form == "jsonl":
        if texts:
            raise click.UsageError("--format jsonl reads standard input: give no TEXT")
        raise SystemExit(_stream(judge))
    given = texts or (_whole_input(),)
    for text, found in zip(given, judge.judge(list(given)), strict=True):
        if as_json:
            click.echo(msgspec.json.encode(found))
        else:
            _print(text, found)


class Judge:
    """Scores and decides texts with one model under one policy."""

    def __init__(self, scorer: Scorer, policy: Policy, *, explain: bool) -> None:
        from service.pipeline.words import compile_lists

        self._scorer = scorer
        self._policy = policy
        self._lists: CompiledLists = compile_lists(policy, scorer.fold)
        self._explain = explain

    def judge(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """What the checks say of each text, in order."""
        return asyncio.run(self._all(texts))

    async def _all(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*map(self._one, texts)))

    async def _one(self, text: str) -> dict[str, Any]:
        from service.pipeline.decide import decide_text
        from service.records import Draft

        draft = Draft(page="/", name="", email="", body=text)
        scored = await self._scorer.score(draft)
        if scored.scores is None:
            raise CommandError("the model failed on this text", UNAVAILABLE)
        verdict = decide_text(draft, scored, self._policy, self._lists, now=now_ms())
        found = {
            "scores": scored.scores,
            "reasons": msgspec.to_builtins(verdict.reasons),
            "outcome": verdict.outcome,
            "model": scored.model,
        }
        return {**found, **self._explained(text, scored.scores)} if self._explain else found

    def _explained(self, text: str, scores: dict[str, float]) -> dict[str, Any]:
        """The names are those of `POST /v1/score`."""
        top = max(scores, key=lambda label: scores[label])
        explained = self._scorer.explain(text, top)
        if explained is None:
            return {}
        return {
            "label": explained.label,
            "spans": explained.spans,
            "tokens": [
                {"start": s, "end": e, "text": text[s:e], "contribution": round(w, 4)}
                for s, e, w in explained.tokens
            ],
            "bias": round(explained.bias, 4),
            "rest": round(explained.rest, 4),
            "margin": round(explained.margin, 4),
            "counterfactual": [
                {"without": what, "score": round(share, 4)} for what, share in explained.without
            ],
        }


def _judge(options: dict[str, Any]) -> Judge:
    from service import log
    from service.commands.policies import read_policy
    from service.records import Policy

    explain, file = options.pop("explain"), options.pop("policy")
    model: Path | None = chosen(options).model
    log.configure("error")
    policy = read_policy(file.read()) if file else Policy()
    return Judge(loaded_scorer(model), policy, explain=explain)


def loaded_scorer(folder: Path | None) -> Scorer:
    """A scorer with the model in `folder` (None = the shipped one).

    Raises:
        ArtifactError: the model is missing or bad; the service would go on without one.
    """
    import classifier
    from service.pipeline.score import Scorer

    return Scorer(classifier.load(folder or classifier.default_artifact()))


def _whole_input() -> str:
    if sys.stdin.isatty():
        raise click.UsageError("give a TEXT, or pipe one in")
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise CommandError("standard input is not UTF-8", BAD_DATA) from None


def _stream(judge: Judge) -> int:
    """Answers standard input line by line; a bad line is answered in its place, and counts."""
    encode, bad = msgspec.json.Encoder().encode, 0
    for batch in _batches(sys.stdin.fileno()):
        read = [_text(line) for line in batch]
        found = iter(judge.judge([text for text in read if isinstance(text, str)]))
        answers = [next(found) if isinstance(text, str) else text for text in read]
        bad += sum(not isinstance(text, str) for text in read)
        sys.stdout.buffer.write(b"".join(encode(answer) + b"\n" for answer in answers))
        sys.stdout.buffer.flush()
    if bad:
        print(f"winnow: {bad} lines could not be read", file=sys.stderr)
    return BAD_DATA if bad else 0


def _batches(descriptor: int) -> Iterator[list[bytes]]:
    """Lines as they arrive: whoever writes one line and waits gets its answer at once."""
    rest = b""
    while chunk := os.read(descriptor, READ):
        *lines, rest = (rest + chunk).split(b"\n")
        for first in range(0, len(lines), BATCH):
            yield lines[first : first + BATCH]
        if len(rest) > LONGEST:
            raise CommandError(f"a line is longer than {LONGEST} bytes", BAD_DATA)
    if rest:
        yield [rest]


def _text(line: bytes) -> str | dict[str, Any]:
    """The text of one line, or what to answer instead."""
    try:
        data = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return {"error": {"code": "malformed", "detail": f"This is not JSON in UTF-8: {error}"}}
    text = data.get("text") if isinstance(data, dict) else data
    if isinstance(text, str):
        return text
    return {"error": {"code": "wrong_type", "detail": 'Must be a text or {"text": a text}'}}


def _print(text: str, found: dict[str, Any]) -> None:
    shortened = " ".join(text.split())
    click.echo(f"{shortened[:100]}{'…' if len(shortened) > 100 else ''}\n")
    ranked = sorted(found["scores"].items(), key=lambda item: -item[1])
    print_table(["LABEL", "SCORE"], [(label, f"{value:.4f}") for label, value in ranked])
    click.echo(f"\nOutcome: {found['outcome']} (model {found['model']})")
    if found["reasons"]:
        rows = [(r["code"], r.get("outcome", "hold"), r["detail"]) for r in found["reasons"]]
        print_table(["REASON", "OUTCOME", "DETAIL"], rows)
    if "tokens" in found:
        click.echo(f"\nWords that count for {found['label']}:")
        words = sorted(found["tokens"], key=lambda token: -abs(token["contribution"]))[:12]
        print_table(["WORD", "SHARE"], [(w["text"], f"{w['contribution']:+.3f}") for w in words])
    click.echo()
