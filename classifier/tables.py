"""The figures of a report as Markdown tables, for the model card and for REPORT.md."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill
from typing import Any, Final

from classifier.fairness import ALL, AREAS, GAPS

FEW: Final = 100  # positive rows below which a figure is marked as resting on few examples
_WIDE: Final = 96  # characters of a line of prose
_MARK: Final = "few examples"
_KEPT: Final = 0.9  # share of caught texts still caught, below which a disguise is named
_WORST: Final = 12  # groups of a brief table
_POOR: Final = 0.85  # ROC-AUC below which a language is named

_SLICES: Final = (
    "Values with 95 % bootstrap intervals; recall at 1 % and 5 % false holds; ECE is the"
    " calibration error on these rows as sampled, not at the natural prior."
    f" Few examples: fewer than {FEW} positive rows, so the figure is little more than a hint."
)
_PRIOR: Final = "Calibration error with rows weighted to how frequent a label is on a real site."
_REFERENCE: Final = (
    "The threshold is the one at which 1 % (5 %) of the ordinary comments of the reference set"
    " would be held: what a site whose readers write like that can expect."
)
_GROUPS: Final = (
    "Made-up sentences that differ in the group alone (Borkan et al. 2019). BPSN: abuse of"
    " others against kind words about the group; BNSP: kind words about others against abuse of"
    " the group. Gaps above 0: the group's texts score higher."
)
_TEXTS: Final = "The same figures on labelled texts that name a group (word list, English)."
_DIALECTS: Final = (
    "One sentence in standard spelling and in another way of writing: mean difference of the"
    " toxicity score (variant - standard), share of pairs with one text held and the other not,"
    " share with only the variant held; at the default policy."
)
_DISGUISED: Final = (
    "Of {n} texts of {label} that are found as they are (at 1 % false holds of their set), the"
    " share still found when the words that give them away are disguised."
)
_INNOCENTS: Final = (
    "Of {} innocent texts that look like abuse or its disguise, {} are held at the default policy."
)


def figures(found: dict[str, Any], *, brief: bool = False) -> list[str]:
    """Every section that the report ``found`` has figures for, in the order of the card.

    A ``brief`` one keeps the groups that are worst off and, by group, toxicity only.
    """
    if brief:
        found = _shortened(found)
    sections = (
        _by_slice("Figures by set", "set", found.get("sets")),
        _by_slice("Figures by language", "language", found.get("languages")),
        _by_slice("Figures by group named in the text", "group", found.get("identities")),
        _at_prior(found.get("at_prior")),
        _elsewhere(found.get("elsewhere")),
        *_fairness(found.get("fairness") or {}),
        *_evasion(found.get("evasion") or {}),
    )
    return [section for section in sections if section]


def _shortened(found: dict[str, Any]) -> dict[str, Any]:
    identities = {
        name: {"toxicity": labels["toxicity"]}
        for name, labels in (found.get("identities") or {}).items()
        if "toxicity" in labels
    }
    fairness = dict(found.get("fairness") or {})
    for which in ("groups", "texts"):
        if which in fairness:
            groups = fairness[which]["groups"].items()
            worst = sorted(groups, key=lambda item: min(item[1][area][0] for area in AREAS))
            fairness[which] = fairness[which] | {"groups": dict(worst[:_WORST])}
    return found | {"identities": identities, "fairness": fairness}


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; ``|`` in a cell is escaped."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(_plain, line)) + " |" for line in lines)


def figure(values: Sequence[float]) -> str:
    """A value with its interval."""
    value, low, high = values
    return f"{value:.3f} ({low:.3f}{' to ' if low < 0 else '–'}{high:.3f})"


def comparison(found: dict[str, Any]) -> str:
    """Two models on the same rows, by set and label."""
    rows = [
        (
            name, label, f["n"], f["positives"], _change(f["auc"]), _change(f["recall_at_1%"]),
            f["verdict"],
        )
        for name, of in found["sets"].items()
        for label, f in of["labels"].items()
    ]  # fmt: skip
    return _section(
        f"Compared with model {found['first']}",
        "Differences of model {} with paired 95 % bootstrap intervals.".format(found["second"]),
        table(("set", "label", "n", "positive", "ROC-AUC", "recall at 1 %", "verdict"), rows),
    )


def gate(found: dict[str, Any]) -> str:
    """Whether the model may be promoted."""
    if found["passed"]:
        return _section("Promotion", "Nothing speaks against promoting this model.")
    return _section("Promotion", "Blocked:", "\n".join(f"- {r}" for r in found["reasons"]))


def weaknesses(found: dict[str, Any]) -> Iterator[str]:
    """Sentences about what the figures show to be weak."""
    poor = [
        f"{name} ({of['toxicity']['auc'][0]:.2f})"
        for name, of in (found.get("languages") or {}).items()
        if "toxicity" in of and of["toxicity"]["auc"][0] < _POOR
    ]
    if poor:
        yield f"Toxicity is told apart poorly in {', '.join(poor)} (ROC-AUC)."
    evasion = found.get("evasion") or {}
    hidden = [
        f"{kind} ({values[0]:.0%})"
        for kind, values in evasion.get("disguised", {}).get("kinds", {}).items()
        if values[0] < _KEPT
    ]
    if hidden:
        yield f"Disguised abuse is often missed; share still found: {', '.join(hidden)}."
    yield from _worst_groups(found.get("fairness") or {})


def _worst_groups(fairness: dict[str, Any]) -> Iterator[str]:
    worst = fairness.get("groups", {}).get("worst", {})
    if "bpsn_auc" in worst:
        group, value = worst["bpsn_auc"]
        yield f"Kind words about {group} are most easily taken for abuse (BPSN AUC {value:.2f})."
    if "bnsp_auc" in worst:
        group, value = worst["bnsp_auc"]
        yield f"Abuse of {group} is most easily missed (BNSP AUC {value:.2f})."
    dialects = {n: f for n, f in fairness.get("dialects", {}).items() if n != ALL}
    if dialects:
        name, found = max(dialects.items(), key=lambda item: item[1]["newly_held"][0])
        share = f"{found['newly_held'][0]:.0%}"
        yield f"Of sentences rewritten in the dialect `{name}`, {share} are held for that alone."


def _by_slice(title: str, what: str, slices: dict[str, Any] | None) -> str:
    if not slices:
        return ""
    rows = [
        (
            name, label, f["n"], f["positives"], figure(f["auc"]), figure(f["average_precision"]),
            figure(f["recall_at_1%"]), figure(f["recall_at_5%"]), figure(f["ece"]), _note(f),
        )
        for name, labels in slices.items()
        for label, f in labels.items()
    ]  # fmt: skip
    heading = (
        what, "label", "n", "positive", "ROC-AUC", "average precision", "recall at 1 %",
        "recall at 5 %", "ECE", "note",
    )  # fmt: skip
    return _section(title, _SLICES, table(heading, rows))


def _note(found: dict[str, Any]) -> str:
    return _MARK if found["positives"] < FEW else ""


def _at_prior(labels: dict[str, Any] | None) -> str:
    if not labels:
        return ""
    rows = [
        (
            label, f["n"], f["positives"], f"{f['by']} at {f['share']:.1%}", figure(f["ece"]),
            _note(f),
        )
        for label, f in labels.items()
    ]  # fmt: skip
    heading = ("label", "n", "positive", "natural prior", "ECE at the prior", "note")
    return _section("Calibration at the natural prior", _PRIOR, table(heading, rows))


def _elsewhere(references: dict[str, Any] | None) -> str:
    if not references:
        return ""
    rows = [
        (reference, name, f["positives"], figure(f["recall_at_1%"]), figure(f["recall_at_5%"]))
        for reference, sets in references.items()
        for name, f in sets.items()
    ]
    heading = ("reference", "spam of", "positive", "recall at 1 % held", "recall at 5 % held")
    return _section("Spam found where other comments must pass", _REFERENCE, table(heading, rows))


def _fairness(found: dict[str, Any]) -> Iterator[str]:
    if "groups" in found:
        yield _groups("Fairness: groups in made-up sentences", _GROUPS, found["groups"])
    if "texts" in found:
        yield _groups("Fairness: groups in labelled texts", _TEXTS, found["texts"])
    if found.get("dialects"):
        rows = [
            (name, f["n"], *(figure(f[w]) for w in ("difference", "flipped", "newly_held")))
            for name, f in found["dialects"].items()
        ]
        heading = ("dialect", "pairs", "score difference", "one held", "only variant held")
        yield _section("Fairness: dialects", _DIALECTS, table(heading, rows))


def _groups(title: str, told: str, found: dict[str, Any]) -> str:
    names = [name.replace("_auc", "").replace("_", " ") for name in (*AREAS, *GAPS)]
    rows = [
        (name, f["n"], f["positives"], *(figure(f[which]) for which in (*AREAS, *GAPS)))
        for name, f in found["groups"].items()
    ]
    if len(found["groups"]) == _WORST:
        told += f" The {_WORST} groups with the lowest AUC; all are in the manifest."
    rows.append(("all rows", found["n"], "", figure(found["auc"]), "", "", "", ""))
    return _section(title, told, table(("group", "n", "positive", *names), rows))


def _evasion(found: dict[str, Any]) -> Iterator[str]:
    disguised, innocents = found.get("disguised"), found.get("innocents")
    if disguised and disguised["n"]:
        rows = [(kind, figure(values)) for kind, values in disguised["kinds"].items()]
        told = _DISGUISED.format(n=disguised["n"], label=disguised["label"])
        yield _section("Evasion", told, table(("disguise", "still found"), rows))
    if innocents and innocents["n"]:
        told = _INNOCENTS.format(innocents["n"], figure(innocents["held"]))
        yield _section("Innocent look-alikes", told)


def _section(title: str, *parts: str) -> str:
    prose = [
        part if part[:1] in "|-" else fill(part, _WIDE, break_on_hyphens=False) for part in parts
    ]
    return "\n\n".join((f"## {title}", *prose)) + "\n"


def _change(found: dict[str, Any]) -> str:
    value, low, high = found["difference"]
    return f"{found['second']:.3f}, {value:+.3f} ({low:+.3f} to {high:+.3f})"


def _plain(cell: object) -> str:
    return str(cell).replace("|", "\\|")
