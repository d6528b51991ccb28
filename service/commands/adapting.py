"""`winnow labels` and `winnow adapt`: a site's own decisions, and a model that learnt from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from service.commands.failures import BAD_DATA, CommandError
from service.commands.files import written_to
from service.commands.options import CONNECTING, as_json, settings_options
from service.commands.output import print_json, print_table, progress
from service.commands.reach import Reached, known_site, on_store

if TYPE_CHECKING:
    from classifier.adapting import Learnt
    from service.records import Label


HEADING: Final = (
    "LABEL",
    "LANGUAGE",
    "JUDGED",
    "POSITIVE",
    "NEWEST",
    "ROC-AUC",
    "AGREEMENT",
    "KEPT",
)


@click.command("labels", short_help="Write what a site's people decided, as labelled texts.")
@click.argument("site_id", metavar="SITE")
@click.option(
    "-o", "--output", metavar="FILE", help="Where to (NAME.gz: compressed); else standard output."
)
@settings_options(*CONNECTING)
def write_labels(*, site_id: str, output: str | None, **options: Any) -> None:
    """Write each text that SITE's people judged as a line of JSON: text, labels, source, time.

    Labels are what moderators decided (imported decisions included) and what came back through
    the emulated APIs. Names and addresses stay behind; the texts do not.
    """
    import msgspec

    labels = on_store(options, lambda reached: _labels(reached, (site_id,)))
    with written_to(output) as write:
        for label in labels:
            write(msgspec.json.encode(_shown(label)) + b"\n")
    if output:
        click.echo(f"{len(labels):,} labels of {site_id} in {output}", err=True)


@click.command("adapt", short_help="Make a model that has learnt from sites' own decisions.")
@click.argument("site_ids", metavar="SITE...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("winnow-adapted"),
    show_default=True,
    help="The folder to write the model to.",
)
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The model to start from (default: the shipped model).",
)
@settings_options(*CONNECTING)
@as_json
def adapt(
    *, site_ids: tuple[str, ...], out: Path, base: Path | None, as_json: bool, **options: Any
) -> None:
    """Add to a model what SITE's people decided, imported decisions included.

    The newest fifth of their decisions measures what was learnt, label by label; only what helps
    is kept. `winnow model activate OUT` uses the model. Start from the shipped model each time:
    all decisions are learnt from anew.
    """
    import classifier
    from classifier.adapting import Judgement

    labels = on_store(options, lambda reached: _labels(reached, site_ids))
    judged = [Judgement(label.text, label.labels, label.at) for label in labels]
    with progress() as bar:
        task = bar.add_task("starting", total=1.0)
        report = classifier.adapt(
            base or classifier.default_artifact(),
            judged,
            out,
            name="-".join(site_ids),
            tell=lambda stage, share: bar.update(task, description=stage, completed=share),
        )
    kept = any(learnt.kept for learnt in report)
    if as_json:
        print_json({"labels": len(labels), "out": str(out) if kept else None, "learnt": report})
    else:
        _print(report, len(labels))
    if not kept:
        raise CommandError("nothing was learnt: no model was written", BAD_DATA)
    if not as_json:
        click.echo(f"\nUse it with `winnow model activate {out}`.")


async def _labels(reached: Reached, sites: tuple[str, ...]) -> list[Label]:
    import classifier
    from service.learning import site_labels

    found: list[Label] = []
    for site in sites:
        await known_site(reached, site)
        found += [label async for label in site_labels(reached.store, site, classifier.LABELS)]
    return found


def _shown(label: Label) -> dict[str, Any]:
    """A label as a line: without who said it."""
    return {
        "text": label.text,
        "labels": label.labels,
        "source": label.source,
        "at": label.at,
        "lang": label.language,
    }


def _print(report: list[Learnt], labels: int) -> None:
    click.echo(f"{labels:,} labels")
    rows = [
        [
            learnt.label,
            learnt.language,
            f"{learnt.judged:,}",
            f"{learnt.positives:,}",
            f"{learnt.held_out:,}",
            _change(learnt, "auc"),
            _change(learnt, "agreement"),
            "yes" if learnt.kept else f"no: {learnt.why}",
        ]
        for learnt in report
    ]
    print_table(HEADING, rows)


def _change(learnt: Learnt, figure: str) -> str:
    if not learnt.before:
        return "-"
    return f"{learnt.before[figure]:.3f} → {learnt.after[figure]:.3f}"
