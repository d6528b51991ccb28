"""May a new model take the place of the present one? Only if nobody is worse off.

Four checks, each on the same rows for both models (paired bootstrap):

- no main set loses ROC-AUC,
- no group of people, and not the worst-off one, falls further behind all rows (subgroup, BPSN
  and BNSP AUC, in made-up sentences and in labelled texts; see ``fairness``),
- no dialect is scored further from standard spelling,
- no more innocent look-alikes are held.

A change counts when it exceeds its tolerance by more than chance explains: the change, less z
standard errors of its bootstrap, with z of a one-sided 2.5 % shared by all comparisons of a
check (Bonferroni). So hundreds of comparisons do not block a model that is as good.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from classifier.compare import differences
from classifier.evaluation import Choice, group_rows, text_rows
from classifier.fairness import AREAS, Areas, group_areas, measurable, pair_gap, score_pairs
from classifier.metrics import Floats, sampled
from classifier.model import load
from classifier.outside import judged
from classifier.probes import Probes, generated
from classifier.scored import BLOGS, Scored, held, score_all, scored, slices

_Pair = tuple[str, Areas, Areas]
_Area = tuple[float, Floats]

MAIN: Final = (
    "jigsaw_test_balanced",
    "jigsaw_train_head_binary",
    "jigsaw_subsample_multilabel",
    "toxic_spans",
    "wiki_context_toxicity",
    "hatemoji_build",
    BLOGS,
)
"""Our sets that stand for what sites see; in a folder with none of them every set is main."""
AUC_TOLERANCE: Final = 0.0
GAP_TOLERANCE: Final = 0.005  # AUC
DIALECT_TOLERANCE: Final = 0.005  # mean score
_ERROR: Final = 0.025  # one-sided, for all comparisons of a check together


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the challenger may be promoted; if not, ``reasons`` says why, a sentence each.

    ``comparison`` is what ``compare.differences`` tells of the two.
    """

    passed: bool
    reasons: list[str]
    comparison: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Change:
    """One figure of champion and challenger; ``worse`` (rounds,) is above 0 where it got worse."""

    what: str
    before: float
    after: float
    worse: Floats

    def reason(self, tolerance: float, comparisons: int) -> str:
        """The sentence that blocks; empty if the change may be chance or is tolerable."""
        z = NormalDist().inv_cdf(1 - _ERROR / max(comparisons, 1))
        finite = self.worse[np.isfinite(self.worse)]
        if not len(finite):
            return ""
        change = min(abs(self.after - self.before), float(np.median(finite)))
        if change - z * float(finite.std()) <= tolerance:
            return ""
        return f"{self.what} went from {self.before:.3f} to {self.after:.3f}"


def promotion(
    champion: Path,
    challenger: Path,
    data: Path,
    *,
    choice: Choice | None = None,
    label: str | None = None,
) -> Gate:
    """The gate for two models on the rows of ``data`` that neither training saw.

    Arguments and errors as of ``compare.compare``; ``choice.seed`` only seeds the bootstrap.
    """
    choice = choice or Choice()
    models = load(champion), load(challenger)
    rows = judged(data, seeds=[model.manifest.seed for model in models], label=label)
    return gate(scored(models[0], rows), scored(models[1], rows), choice)


def gate(champion: Scored, challenger: Scored, choice: Choice) -> Gate:
    """The gate for two models' scores of the same rows."""
    probes = choice.probes or generated(choice.seed)
    groups = list(_group_areas(champion, challenger, probes, choice))
    checks = (
        (list(_areas(champion, challenger, choice)), AUC_TOLERANCE),
        (list(_gaps(groups)), GAP_TOLERANCE),
        (list(_worst_gaps(groups)), GAP_TOLERANCE),
        (list(_dialects(champion, challenger, probes, choice)), DIALECT_TOLERANCE),
    )
    reasons = [c.reason(tolerance, len(found)) for found, tolerance in checks for c in found]
    reasons = [*filter(None, reasons), *_innocents(champion, challenger, probes, choice)]
    comparison = differences(champion, challenger, rounds=choice.rounds, seed=choice.seed)
    return Gate(not reasons, reasons, comparison)


def _areas(champion: Scored, challenger: Scored, choice: Choice) -> Iterator[_Change]:
    sets = champion.sets()
    main = {n: m for n, m in sets.items() if n in MAIN} or sets
    pairs = zip(slices(champion, main), slices(challenger, main), strict=True)
    for (name, label, ours, truth), (_, _, theirs, _) in pairs:
        before, one = sampled(ours, truth, rounds=choice.rounds, seed=choice.seed)["auc"]
        after, two = sampled(theirs, truth, rounds=choice.rounds, seed=choice.seed)["auc"]
        yield _Change(f"ROC-AUC of {label} on {name}", before, after, one - two)


def _group_areas(
    champion: Scored, challenger: Scored, probes: Probes, choice: Choice
) -> Iterator[_Pair]:
    made = [group_rows(rows.model, probes) for rows in (champion, challenger)]
    real = [text_rows(rows) for rows in (champion, challenger)]
    for where, both in (("made-up sentences", made), ("labelled texts", real)):
        if measurable(both[0][1]):
            one, two = (group_areas(*of, rounds=choice.rounds, seed=choice.seed) for of in both)
            yield where, one, two


def _gaps(groups: Sequence[_Pair]) -> Iterator[_Change]:
    for where, one, two in groups:
        for group, figures in one.groups.items():
            for figure in AREAS:
                what = f"gap of the {_named(figure)} of {group} in {where}"
                yield _gap(what, (one, figures[figure]), (two, two.groups[group][figure]))


def _worst_gaps(groups: Sequence[_Pair]) -> Iterator[_Change]:
    for where, one, two in groups:
        for figure in AREAS if one.groups else ():
            what = f"largest gap of the {_named(figure)} of any group in {where}"
            yield _gap(what, (one, _lowest(one, figure)), (two, _lowest(two, figure)))


def _gap(what: str, one: tuple[Areas, _Area], two: tuple[Areas, _Area]) -> _Change:
    """How far each area lies behind that of all rows; one that lies ahead has no gap."""
    (before, ours), (after, theirs) = (
        (max(areas.auc[0] - value, 0.0), np.maximum(areas.auc[1] - samples, 0.0))
        for areas, (value, samples) in (one, two)
    )
    return _Change(what, before, after, theirs - ours)


def _lowest(areas: Areas, figure: str) -> _Area:
    pairs = [figures[figure] for figures in areas.groups.values()]
    samples: Floats = np.min([samples for _, samples in pairs], axis=0)
    return min(value for value, _ in pairs), samples


def _dialects(
    champion: Scored, challenger: Scored, probes: Probes, choice: Choice
) -> Iterator[_Change]:
    if not probes.dialects:
        return
    one, two = (
        score_pairs(rows.model, probes.dialects, "toxicity", choice.holds)
        for rows in (champion, challenger)
    )
    for dialect, rows in one.masks().items():
        (before, ours), (after, theirs) = (
            pair_gap(pairs, rows, rounds=choice.rounds, seed=choice.seed) for pairs in (one, two)
        )
        what = f"mean score difference of {dialect} dialect pairs"
        yield _Change(what, before, after, theirs - ours)


def _innocents(
    champion: Scored, challenger: Scored, probes: Probes, choice: Choice
) -> Iterator[str]:
    before, after = (
        held(score_all(rows.model, list(probes.innocents)), choice.holds)
        for rows in (champion, challenger)
    )
    if after.sum() > before.sum():
        fresh = [probes.innocents[row] for row in np.flatnonzero(after & ~before)[:3].tolist()]
        yield (
            f"innocent look-alikes held went from {before.sum()} to {after.sum()}"
            f" of {len(after)}: {'; '.join(map(repr, fresh))}"
        )


def _named(figure: str) -> str:
    """``bpsn_auc`` as people write it."""
    kind = figure.removesuffix("_auc")
    return f"{kind if kind == 'subgroup' else kind.upper()} AUC"
