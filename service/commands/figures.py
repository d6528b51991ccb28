"""How `winnow evaluate` shows a report: tables of figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from service.commands.output import print_table

FIGURES: Final = {
    "auc": "ROC-AUC",
    "average_precision": "AVG. PRECISION",
    "recall_at_1%": "RECALL AT 1 %",
    "recall_at_5%": "RECALL AT 5 %",
    "ece": "ECE",
}
_AREAS: Final = {"subgroup_auc": "SUBGROUP", "bpsn_auc": "BPSN", "bnsp_auc": "BNSP"}


def print_slices(title: str, what: str, slices: Mapping[str, Any]) -> None:
    """One row a slice and label; nothing where there is none."""
    rows = [
        [name, label, f"{f['n']:,}", f"{f['positives']:,}", *(_figure(f[each]) for each in FIGURES)]
        for name, labels in slices.items()
        for label, f in labels.items()
    ]
    _titled(title, [what, "LABEL", "ROWS", "POSITIVE", *FIGURES.values()], rows)


def print_report(found: Mapping[str, Any]) -> None:
    """All that `classifier.evaluation.report` tells, most important first."""
    print_slices("", "SET", found["sets"])
    print_slices("By language", "LANGUAGE", found["languages"])
    print_slices("By group named in the text", "GROUP", found["identities"])
    _print_priors(found["at_prior"])
    _print_elsewhere(found["elsewhere"])
    fairness = found["fairness"]
    _print_groups("Groups in made-up sentences", fairness.get("groups"))
    _print_groups("Groups in labelled texts", fairness.get("texts"))
    _print_dialects(fairness.get("dialects", {}))
    _print_evasion(found["evasion"])


def print_comparison(found: Mapping[str, Any]) -> None:
    """Differences of two models by set and label, and each set's verdict."""
    rows = [
        [
            name, label, f"{f['n']:,}", _change(f["auc"]), _change(f["recall_at_1%"]),
            f["verdict"], of["verdict"],
        ]
        for name, of in found["sets"].items()
        for label, f in of["labels"].items()
    ]  # fmt: skip
    heading = ["SET", "LABEL", "ROWS", "ROC-AUC", "RECALL AT 1 %", "VERDICT", "SET'S VERDICT"]
    _titled(f"Model {found['second']} against {found['first']}", heading, rows)


def _print_priors(labels: Mapping[str, Any]) -> None:
    rows = [
        [label, f["n"], f["positives"], f"{f['by']} at {f['share']:.1%}", _figure(f["ece"])]
        for label, f in labels.items()
    ]
    heading = ["LABEL", "ROWS", "POSITIVE", "NATURAL PRIOR", "ECE AT THE PRIOR"]
    _titled("Calibration at the natural prior", heading, rows)


def _print_elsewhere(references: Mapping[str, Any]) -> None:
    rows = [
        [reference, name, f["positives"], _figure(f["recall_at_1%"]), _figure(f["recall_at_5%"])]
        for reference, sets in references.items()
        for name, f in sets.items()
    ]
    heading = ["COMMENTS OF", "SPAM OF", "POSITIVE", "RECALL, 1 % HELD", "RECALL, 5 % HELD"]
    _titled("Spam found where other comments must pass", heading, rows)


def _print_groups(title: str, found: Mapping[str, Any] | None) -> None:
    if found is None:
        return
    rows = [
        [name, f["n"], f["positives"], *(_figure(f[each]) for each in _AREAS)]
        for name, f in found["groups"].items()
    ]
    _titled(title, ["GROUP", "ROWS", "POSITIVE", *_AREAS.values()], rows)
    for figure, (group, value) in found["worst"].items():
        click.echo(f"Lowest {_AREAS[figure]}: {value:.3f}, {group}")


def _print_dialects(dialects: Mapping[str, Any]) -> None:
    figures = ("difference", "flipped", "newly_held")
    rows = [[name, f["n"], *(_figure(f[w]) for w in figures)] for name, f in dialects.items()]
    heading = ["DIALECT", "PAIRS", "SCORE DIFFERENCE", "ONE HELD", "ONLY VARIANT HELD"]
    _titled("Dialect against standard spelling", heading, rows)


def _print_evasion(found: Mapping[str, Any]) -> None:
    disguised, innocents = found["disguised"], found["innocents"]
    rows = [[kind, _figure(values)] for kind, values in disguised["kinds"].items()]
    if disguised["n"]:
        title = f"{disguised['n']} caught texts in disguise"
        _titled(title, ["DISGUISE", "STILL CAUGHT"], rows)
    if innocents["n"]:
        click.echo(f"\nInnocent look-alikes held: {_figure(innocents['held'])}")


def _titled(title: str, heading: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if rows:
        click.echo(f"\n{title}" if title else "")
        print_table(heading, rows)


def _figure(values: Sequence[float]) -> str:
    value, low, high = values
    return f"{value:.3f} ({low:.3f}{' to ' if low < 0 else '-'}{high:.3f})"


def _change(figure: Mapping[str, Any]) -> str:
    value, low, high = figure["difference"]
    return f"{figure['second']:.3f}, {value:+.3f} ({low:+.3f} to {high:+.3f})"
