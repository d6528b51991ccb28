"""Does the model judge people alike? Groups that are named, and ways of writing.

Groups: Borkan et al. 2019, "Nuanced Metrics for Measuring Unintended Bias with Real Data for
Text Classification" (WWW '19 companion, arXiv:1903.04561). With D+ and D- the toxic and other
rows and g the rows of one group, each AUC is the chance that a toxic row scores above another:

- subgroup AUC: D+ and D- within g. Low: the model cannot tell them apart in this group.
- BPSN AUC (background positive, subgroup negative): D+ outside of g against D- of g. Low: kind
  words about the group score like abuse of others, and are held.
- BNSP AUC (background negative, subgroup positive): D- outside against D+ of g. Low: abuse of
  the group scores like kind words about others, and is missed.
- equality gaps: 1/2 - the chance that a row of g scores below one outside of it, within D+
  (``positive_gap``) and within D- (``negative_gap``); above 0 the group's scores are higher.

Dialects: pairs of one sentence in standard spelling and in another way of writing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.identities import Masks
from classifier.labels import column
from classifier.metrics import (
    Floats,
    counts_of,
    draws,
    interval,
    mean,
    mean_samples,
    share,
    tie_ends,
)
from classifier.model import Classifier
from classifier.scored import held, score_all

Bools = NDArray[np.bool_]

AREAS: Final = ("subgroup_auc", "bpsn_auc", "bnsp_auc")
GAPS: Final = ("positive_gap", "negative_gap")
ALL: Final = "all"
_FEWEST: Final = 10  # rows of each class in and outside of a group; its intervals say how wide


@dataclass(frozen=True, slots=True)
class Areas:
    """One number for each figure of each group, with its resampled values (rounds,)."""

    auc: tuple[float, Floats]
    groups: dict[str, dict[str, tuple[float, Floats]]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs as columns: scores of a label and whether the text is held, standard and variant."""

    dialects: NDArray[np.str_]
    standard: Floats
    variant: Floats
    held_standard: Bools
    held_variant: Bools

    def masks(self) -> Masks:
        """Rows of all pairs, and of each dialect."""
        named = {str(name): self.dialects == name for name in np.unique(self.dialects)}
        return {ALL: np.ones(len(self.dialects), np.bool_), **named}


def measurable(truth: Floats) -> bool:
    """Whether there are enough rows of each class to say anything."""
    return min(int((truth == side).sum()) for side in (0, 1)) >= _FEWEST


def group_areas(
    scores: Floats, truth: Floats, masks: Mapping[str, Bools], *, rounds: int, seed: int
) -> Areas:
    """The AUCs and gaps of each group with enough rows, resampled together over all rows.

    The same rows, rounds and seed are drawn alike for two models.
    """
    order = np.argsort(-scores, kind="stable")
    ordered, positive = scores[order], truth[order] > 0
    chosen = {n: m[order] for n, m in masks.items() if _enough(truth > 0, m)}
    whole = _round_areas(ordered, positive, chosen, np.ones((1, len(scores))))
    parts = [
        _round_areas(ordered, positive, chosen, counts_of(drawn)[:, order])
        for drawn in draws(len(scores), rounds, seed)
    ]
    found: dict[str, dict[str, tuple[float, Floats]]] = {name: {} for name in ("", *chosen)}
    for (name, figure), value in whole.items():
        samples = np.concatenate([part[name, figure] for part in parts] or [value])
        found[name][figure] = (float(value[0]), samples)
    return Areas(found.pop("")["auc"], found)


def group_figures(
    scores: Floats, truth: Floats, masks: Mapping[str, Bools], *, rounds: int, seed: int
) -> dict[str, Any]:
    """``{"n", "auc", "groups": {group: {n, positives, AREAS, GAPS}}, "worst"}``.

    Figures are ``[value, low, high]``; ``worst`` names the group with the lowest of each AUC,
    as ``{figure: [group, value]}``. Groups with fewer than 10 rows of a class are left out.
    """
    found = group_areas(scores, truth, masks, rounds=rounds, seed=seed)
    groups: dict[str, dict[str, Any]] = {
        name: {
            "n": int(masks[name].sum()),
            "positives": int(truth[masks[name]].sum()),
            **{figure: interval(*pair) for figure, pair in figures.items()},
        }
        for name, figures in found.groups.items()
    }
    worst = {
        figure: list(min((group[figure][0], name) for name, group in groups.items()))[::-1]
        for figure in AREAS
        if groups
    }
    return {"n": len(truth), "auc": interval(*found.auc), "groups": groups, "worst": worst}


def score_pairs(
    model: Classifier, pairs: Sequence[Sequence[Any]], label: str, holds: Mapping[str, float]
) -> Pairs:
    """The scores of (standard, variant, dialect, ...) rows; held by any label of ``holds``."""
    place = column(label)
    standard, variant = (score_all(model, [str(p[side]) for p in pairs]) for side in (0, 1))
    return Pairs(
        dialects=np.array([str(pair[2]) for pair in pairs], np.str_),
        standard=standard[:, place].astype(np.float64),
        variant=variant[:, place].astype(np.float64),
        held_standard=held(standard, holds),
        held_variant=held(variant, holds),
    )


def pair_figures(pairs: Pairs, *, rounds: int, seed: int) -> dict[str, Any]:
    """By dialect, and for all: ``n``, ``difference`` (mean score, variant - standard),
    ``flipped`` (share of pairs whose outcome differs), ``newly_held`` (only the variant is).

    Figures are ``[value, low, high]``.
    """
    found = {}
    for name, rows in pairs.masks().items():
        change = (pairs.variant - pairs.standard)[rows]
        before, after = pairs.held_standard[rows], pairs.held_variant[rows]
        found[name] = {
            "n": int(rows.sum()),
            "difference": mean(change, rounds=rounds, seed=seed),
            "flipped": share(before != after),
            "newly_held": share(after & ~before),
        }
    return found


def pair_gap(pairs: Pairs, rows: Bools, *, rounds: int, seed: int) -> tuple[float, Floats]:
    """How far the mean scores of variant and standard lie apart, and resampled values of it."""
    change = (pairs.variant - pairs.standard)[rows]
    return abs(float(change.mean())), np.abs(mean_samples(change, rounds=rounds, seed=seed))


def _enough(positive: Bools, mask: Bools) -> bool:
    counts = (positive & mask, ~positive & mask, positive & ~mask, ~positive & ~mask)
    return min(int(rows.sum()) for rows in counts) >= _FEWEST


def _round_areas(
    ordered: Floats, positive: Bools, masks: Mapping[str, Bools], weights: Floats
) -> dict[tuple[str, str], Floats]:
    """Every figure of every group, (rounds,) each, under weights (rounds, rows).

    What lies above a row is counted once over all rows; a group only takes its own rows off.
    """
    above_all = _above(ordered, positive, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {("", "auc"): _chance(weights * ~positive, above_all[0], weights @ positive)}
        for name, mask in masks.items():
            rows = np.flatnonzero(mask)
            ours = weights[:, rows]
            above_ours = _above(ordered[rows], positive[rows], ours)
            around = [a[:, rows] - o for a, o in zip(above_all, above_ours, strict=True)]
            p, n = ours * positive[rows], ours * ~positive[rows]
            p_around = weights @ positive - p.sum(1)
            n_around = weights @ ~positive - n.sum(1)
            found |= {
                (name, "subgroup_auc"): _chance(n, above_ours[0], p.sum(1)),
                (name, "bpsn_auc"): _chance(n, around[0], p_around),
                (name, "bnsp_auc"): 1 - _chance(p, around[1], n_around),
                (name, "positive_gap"): 0.5 - _chance(p, around[0], p_around),
                (name, "negative_gap"): 0.5 - _chance(n, around[1], n_around),
            }
    return found


def _above(ordered: Floats, positive: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """The weight of positives, and of others, above each row; ties count by half."""
    ends = tie_ends(ordered)
    which = np.searchsorted(ends, np.arange(len(ordered)))
    p, n = (np.cumsum(weights * side, axis=1)[:, ends] for side in (positive, ~positive))
    p, n = ((x - np.diff(x, axis=1, prepend=0.0) / 2)[:, which] for x in (p, n))
    return p, n


def _chance(rows: Floats, above: Floats, total: Floats) -> Floats:
    """The chance that one of ``total`` scores above one of ``rows``, both as weights."""
    return np.asarray((rows * above).sum(1) / (rows.sum(1) * total), np.float64)
