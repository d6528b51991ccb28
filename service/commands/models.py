"""`winnow train` and `winnow evaluate`: making and measuring a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from service.commands.failures import BAD_DATA, CommandError
from service.commands.options import as_json
from service.commands.output import print_json, print_table, progress

_folder = click.Path(exists=True, file_okay=False, path_type=Path)
FIGURES = {
    "auc": "ROC-AUC",
    "average_precision": "AVG. PRECISION",
    "recall_at_1%": "RECALL AT 1 %",
    "recall_at_5%": "RECALL AT 5 %",
}


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
@as_json
def train(*, data: Path, out: Path, seed: int, as_json: bool) -> None:
    """Train the classifier on a folder of labelled rows.

    The same data and seed give the same model. `winnow serve --model OUT` uses it.
    """
    import classifier

    with progress() as bar:
        task = bar.add_task("starting", total=1.0)
        try:
            report = classifier.train(
                data,
                out,
                seed=seed,
                progress=lambda stage, share: bar.update(task, description=stage, completed=share),
            )
        except FileNotFoundError as error:
            raise CommandError(str(error), BAD_DATA) from None
    if as_json:
        print_json({"out": str(out), **report})
        return
    counts = ", ".join(f"{count:,} {part}" for part, count in report["rows"].items())
    click.echo(f"Model {report['version']} in {out} (rows: {counts})\n")
    print_table(_heading(), _rows({"": report["metrics"]}))
    click.echo(f"\nUse it with `winnow serve --model {out}`.")


@click.command(short_help="Measure a model on rows its training left out.")
@click.option(
    "--data", type=_folder, required=True, help="The folder of labelled rows, NAME.jsonl.gz each."
)
@click.option("--model", type=_folder, help="The model's folder (default: the shipped model).")
@click.option("--against", type=_folder, help="Another model to compare it with.")
@click.option("--rounds", type=click.IntRange(1, 10_000), default=200, show_default=True)
@as_json
def evaluate(
    *, data: Path, model: Path | None, against: Path | None, rounds: int, as_json: bool
) -> None:
    """Measure a model on the rows that its training left out, set by set.

    Each figure comes with its 95 % interval from --rounds bootstrap rounds.
    """
    import classifier

    folders = [model or classifier.default_artifact(), *([against] if against else [])]
    try:
        reports = [classifier.evaluate(folder, data, rounds=rounds) for folder in folders]
    except FileNotFoundError as error:
        raise CommandError(str(error), BAD_DATA) from None
    if as_json:
        print_json(reports[0] | ({"against": reports[1]} if against else {}))
        return
    named = _named(folders, reports) if against else {"": reports[0]}
    for name, report in named.items():
        click.echo(f"Model {report['version']}{' ' + name if name else ''}: {report['rows']} rows")
    click.echo()
    print_table(
        _heading("MODEL" if against else ""), _rows({n: r["sets"] for n, r in named.items()})
    )


def _named(folders: list[Path], reports: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"({folder})": report for folder, report in zip(folders, reports, strict=True)}


def _heading(*more: str) -> list[str]:
    return ["SET", "LABEL", *filter(None, more), "ROWS", "POSITIVE", *FIGURES.values(), "ECE"]


def _rows(reports: dict[str, dict[str, Any]]) -> list[list[object]]:
    """One row a set, label and model; the models of one set and label stand together."""
    first = next(iter(reports.values()))
    rows: list[list[object]] = []
    for name, labels in first.items():
        for label in labels:
            for model, sets in reports.items():
                if (found := sets.get(name, {}).get(label)) is not None:
                    rows.append([name, label, *filter(None, [model]), *_figures(found)])
    return rows


def _figures(found: dict[str, Any]) -> list[object]:
    shown = [f"{v:.3f} ({low:.3f}-{high:.3f})" for v, low, high in (found[f] for f in FIGURES)]
    return [f"{found['n']:,}", f"{found['positives']:,}", *shown, f"{found['ece']:.3f}"]
