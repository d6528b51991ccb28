"""`winnow train` and `winnow evaluate`: making, measuring and comparing models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.failures import BAD_DATA, UNAVAILABLE, CommandError
from service.commands.figures import print_comparison, print_report, print_slices
from service.commands.options import as_json
from service.commands.output import print_json, progress

if TYPE_CHECKING:
    from classifier.evaluation import Choice
    from classifier.scored import Scored
    from classifier.semantic import Encoder

_folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--data", type=_folder, required=True, help="The folder of labelled rows, NAME.jsonl.gz each."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("winnow-model"),
    show_default=True,
    help="The folder to write the model to.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--teacher/--no-teacher",
    default=None,
    help="Whether the encoder's judgements are learnt from as well: better scores, some minutes "
    "more. Default: if winnow[semantic] is installed.",
)
@as_json
def train(*, data: Path, out: Path, seed: int, teacher: bool | None, as_json: bool) -> None:
    """Train the classifier on a folder of labelled rows.

    The same data, seed and teacher give the same model. `winnow model activate OUT` uses it.
    """
    import classifier

    encoder = _teacher(teacher)
    with progress() as bar:
        task = bar.add_task("starting", total=1.0)
        try:
            report = classifier.train(
                data,
                out,
                seed=seed,
                teacher=encoder,
                progress=lambda stage, share: bar.update(task, description=stage, completed=share),
            )
        except FileNotFoundError as error:
            raise CommandError(str(error), BAD_DATA) from None
    if as_json:
        print_json({"out": str(out), **report})
        return
    counts = ", ".join(f"{count:,} {part}" for part, count in report["rows"].items())
    click.echo(f"Model {report['version']} in {out} (rows: {counts})")
    if encoder is None:
        click.echo("No teacher: learnt from people's judgements alone.")
    print_slices("", "SET", report["metrics"])
    click.echo(f"\nUse it with `winnow model activate {out}`.")


def _teacher(wanted: bool | None) -> Encoder | None:
    """The shipped encoder, if it is wanted or, where nobody said, if it can be had."""
    from classifier import semantic

    missing = semantic.missing_packages()
    if wanted and missing:
        lacking = ", ".join(missing)
        raise CommandError(f"no teacher without winnow[semantic]: {lacking}", UNAVAILABLE)
    if wanted is False or missing:
        return None
    return semantic.load()


@click.command(short_help="Measure a model, compare two, decide on promotion.")
@click.option(
    "--data", type=_folder, required=True, help="The folder of labelled rows, NAME.jsonl.gz each."
)
@click.option("--model", type=_folder, help="The model's folder (default: the shipped model).")
@click.option("--against", type=_folder, help="The model in use, to compare it with.")
@click.option(
    "--gate", is_flag=True, help="Exit 1 if the model is worse than --against where it matters."
)
@click.option(
    "--label", help="What a plain `label` field judges (default: toxicity; spam in *spam* files)."
)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="SET",
    help="A set whose comments must pass when spam of other sets is looked for. Repeatable.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder to write REPORT.md, report.json and plots (SVG) to.",
)
@click.option("--rounds", type=click.IntRange(1, 10_000), default=200, show_default=True)
@as_json
def evaluate(*, data: Path, as_json: bool, **options: Any) -> None:
    """Measure a model by set, language, group of people, dialect and disguise.

    Of Winnow's own sources the rows that training left out count; of any other NAME.jsonl.gz or
    NAME.jsonl all rows do, judged by fields named like labels or by a plain `label`. Each figure
    comes with its 95 % interval from --rounds bootstrap rounds. With --gate a model is refused
    that has lost accuracy, has become less fair or holds more innocent comments.
    """
    if options["gate"] and options["against"] is None:
        raise click.UsageError("--gate needs --against")
    try:
        rows, found = _measured(data, **options)
    except (FileNotFoundError, ValueError) as error:
        raise CommandError(str(error), BAD_DATA) from None
    if options["out"] is not None:
        from classifier import report

        report.write(options["out"], rows, found)
    print_json(found) if as_json else _print(found)
    if not found.get("gate", {"passed": True})["passed"]:
        raise SystemExit(1)


def _measured(
    data: Path, *, model: Path | None, against: Path | None, gate: bool, **options: Any
) -> tuple[Scored, dict[str, Any]]:
    """The scored rows and their report, with the comparison and the gate if asked for."""
    import classifier
    from classifier.compare import differences
    from classifier.evaluation import full_report
    from classifier.outside import judged
    from classifier.promotion import gate as judge
    from classifier.scored import scored

    folders = [model or classifier.default_artifact(), *filter(None, [against])]
    models = [classifier.load(folder) for folder in folders]
    choice = _choice(models[0].manifest.seed, options)
    seeds = [each.manifest.seed for each in models]
    known = judged(data, seeds=seeds, label=options["label"])
    rows = [scored(each, known) for each in models]
    found: dict[str, Any] = {"version": models[0].version, **full_report(rows[0], choice)}
    if gate:
        verdict = judge(rows[1], rows[0], choice)
        found["against"] = verdict.comparison
        found["gate"] = {"passed": verdict.passed, "reasons": verdict.reasons}
    elif against:
        found["against"] = differences(rows[1], rows[0], rounds=choice.rounds, seed=choice.seed)
    return rows[0], found


def _choice(seed: int, options: dict[str, Any]) -> Choice:
    """Thresholds are those of the default policy, references those asked for."""
    from classifier.evaluation import REFERENCES, Choice
    from service.records import Policy

    limits = {label: limit.hold for label, limit in Policy().thresholds.items()}
    return Choice(
        rounds=options["rounds"],
        seed=seed,
        holds={label: hold for label, hold in limits.items() if hold is not None},
        references=options["references"] or REFERENCES,
    )


def _print(found: dict[str, Any]) -> None:
    click.echo(f"Model {found['version']}: {found['rows']:,} rows")
    print_report(found)
    if "against" in found:
        print_comparison(found["against"])
    if "gate" in found:
        passed = found["gate"]["passed"]
        click.echo("\nNothing speaks against promoting it." if passed else "\nPromotion blocked:")
        for reason in found["gate"]["reasons"]:
            click.echo(f"- {reason}")
