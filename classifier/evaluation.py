"""Measuring a model: on the rows its training left out, or on any folder of labelled rows.

Every figure is told for a slice, never as one number: by set, by language and by the group
of people that a text names, each with its interval. Beside the labelled rows stand made-up
ones (``probes``): for fairness, and for abuse in disguise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from classifier import calibrate, evasion, fairness
from classifier.dataset import Corpus
from classifier.identities import Masks, named_groups
from classifier.labels import LABELS
from classifier.metrics import Floats, draws, interval, summary, threshold
from classifier.model import Classifier, load
from classifier.outside import Judged, judged
from classifier.probes import Probes, generated
from classifier.scored import BLOGS, FEWEST, Scored, score_all, scored, slices

__all__ = ["BLOGS", "HOLDS", "Choice", "evaluate", "measure", "report", "score_all"]

HOLDS: Final[Mapping[str, float]] = {
    "spam": 0.5,
    "toxicity": 0.6,
    "severe_toxicity": 0.4,
    "identity_attack": 0.5,
    "insult": 0.6,
    "profanity": 0.7,
    "threat": 0.4,
    "sexually_explicit": 0.6,
}
"""Scores from which the service's default policy holds a comment; a test keeps the two alike."""
REFERENCES: Final = ("toxic_spans", "wiki_context_toxicity")
"""Comments on news and on Wikipedia: what a site's readers write, next to none of it spam."""
_ELSEWHERE: Final = "spam"
_RATES: Final = (0.01, 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How to measure; the defaults are those of the shipped card.

    ``probes`` None makes them anew from ``seed``. ``references`` are sets whose rows that are
    not spam set a threshold for spam in the other sets.
    """

    rounds: int = 200
    seed: int = 0
    holds: Mapping[str, float] = field(default_factory=lambda: HOLDS)
    references: Sequence[str] = REFERENCES
    probes: Probes | None = None


def evaluate(
    artifact: Path,
    data: Path,
    *,
    seed: int | None = None,
    rounds: int = 200,
    label: str | None = None,
) -> dict[str, Any]:
    """Figures of the model in ``artifact`` on the folder ``data``.

    Rows of our sources count where training left them out, rows of other files all do (see
    ``outside``; ``label`` is what their plain ``label`` judges). ``seed`` must be the one the
    model was trained with (the default takes it from the manifest), or rows that training saw
    would count. Returns ``{"version", **report(...)}``. ``ArtifactError`` for a bad model,
    ``FileNotFoundError`` for a folder without labelled rows, ``ValueError`` for a bad row.
    """
    model = load(artifact)
    seed = model.manifest.seed if seed is None else seed
    rows = scored(model, judged(data, seeds=[seed], label=label))
    return {"version": model.version, **full_report(rows, Choice(rounds=rounds, seed=seed))}


def measure(model: Classifier, rows: Corpus, *, rounds: int, seed: int) -> dict[str, Any]:
    """Figures by set and label; sets and labels with too few rows of a class are left out."""
    found = scored(model, Judged(rows, {}))
    return _figures(found, found.sets(), Choice(rounds=rounds, seed=seed))


def report(model: Classifier, rows: Corpus, choice: Choice | None = None) -> dict[str, Any]:
    """Everything known about the model on ``rows`` and on made-up texts, for JSON and card.

    ``rows``: how many; ``sets``, ``languages``, ``identities``: {slice: {label: figures}};
    ``at_prior``: {label: calibration at its natural prior}; ``elsewhere``: {reference: {set:
    recall of spam}}; ``fairness``: ``groups``, ``texts`` and ``dialects``; ``evasion``:
    ``disguised`` and ``innocents``. Figures are ``[value, low, high]``.
    """
    groups = named_groups(rows.texts, rows.langs)
    return full_report(scored(model, Judged(rows, groups)), choice or Choice())


def full_report(rows: Scored, choice: Choice) -> dict[str, Any]:
    """``report`` of rows that have their scores already."""
    probes = choice.probes or generated(choice.seed)
    return {
        "rows": len(rows.judged),
        "sets": _figures(rows, rows.sets(), choice),
        "languages": _figures(rows, rows.languages(), choice),
        "identities": _figures(rows, rows.identities(), choice),
        "at_prior": at_prior(rows, choice),
        "elsewhere": elsewhere(rows, choice),
        "fairness": fair(rows, probes, choice),
        "evasion": evaded(rows, probes, choice),
    }


def at_prior(rows: Scored, choice: Choice) -> dict[str, Any]:
    """Calibration error of each label whose calibration sources have rows here.

    ``{label: {"share": prior, "by": label the prior is of, "n", "positives", "ece"}}``, rows
    weighted as on a real site (``calibrate.prior_weights``).
    """
    found = {}
    for label, prior in calibrate.PRIORS.items():
        weights = prior_weights(rows, label)
        if weights is not None:
            scores, truth = rows.column(label)
            used = weights > 0
            figures = summary(
                scores[used], truth[used],
                rounds=choice.rounds, seed=choice.seed, weights=weights[used],
            )  # fmt: skip
            kept = {name: figures[name] for name in ("n", "positives", "ece")}
            found[label] = {"share": prior.share, "by": prior.by, **kept}
    return found


def prior_weights(rows: Scored, label: str) -> Floats | None:
    """Weight of each row at the label's natural prior; None where its sources are missing."""
    corpus, prior = rows.judged.corpus, calibrate.PRIORS[label]
    truth = rows.column(label)[1]
    here = np.isin(corpus.sources, prior.sources)
    if not ((truth == 1) & here).any() or not ((truth == 0) & here).any():
        return None
    return calibrate.prior_weights(corpus, label)


def elsewhere(rows: Scored, choice: Choice) -> dict[str, Any]:
    """Recall of spam where ordinary comments of another set may be held at a rate at most.

    ``{reference: {set: {"positives", "recall_at_1%", "recall_at_5%"}}}``. Both the reference
    and the spam are resampled.
    """
    scores, truth = rows.column(_ELSEWHERE)
    sets = rows.sets()
    found: dict[str, Any] = {}
    for reference in choice.references:
        ham = scores[sets[reference] & (truth != 1)] if reference in sets else np.zeros(0)
        if len(ham) >= FEWEST:
            spam = {n: scores[m & (truth == 1)] for n, m in sets.items() if n != reference}
            found[reference] = {
                name: {"positives": len(values)} | _recalls(ham, values, choice)
                for name, values in spam.items()
                if len(values) >= FEWEST
            }
    return found


def fair(rows: Scored, probes: Probes, choice: Choice) -> dict[str, Any]:
    """Fairness in made-up sentences about groups, in labelled texts that name them, in dialects.

    ``groups`` and ``texts`` are left out where a class has too few rows, ``dialects`` where
    there are no pairs.
    """
    rounds, seed = choice.rounds, choice.seed
    found = {
        name: fairness.group_figures(*columns, rounds=rounds, seed=seed)
        for name, columns in (
            ("groups", group_rows(rows.model, probes)),
            ("texts", text_rows(rows)),
        )
        if fairness.measurable(columns[1])
    }
    if probes.dialects:
        pairs = fairness.score_pairs(rows.model, probes.dialects, "toxicity", choice.holds)
        found["dialects"] = fairness.pair_figures(pairs, rounds=rounds, seed=seed)
    return found


def text_rows(rows: Scored) -> tuple[Floats, Floats, Masks]:
    """Toxicity scores, truth and rows by group named, of judged English rows people wrote."""
    scores, truth = rows.column("toxicity")
    known = ~np.isnan(truth) & (rows.judged.corpus.langs == "en") & rows.written()
    masks = {name: mask[known] for name, mask in rows.identities().items()}
    return scores[known], truth[known], masks


def group_rows(model: Classifier, probes: Probes) -> tuple[Floats, Floats, Masks]:
    """Toxicity scores, truth and rows by group of the made-up sentences about groups."""
    scores = score_all(model, [str(row["text"]) for row in probes.identities])
    truth = np.array([float(row["label"]) for row in probes.identities])
    groups = np.array([str(row["group"]) for row in probes.identities], np.str_)
    masks = {str(name): groups == name for name in np.unique(groups)}
    return scores[:, LABELS.index("toxicity")].astype(np.float64), truth, masks


def evaded(rows: Scored, probes: Probes, choice: Choice) -> dict[str, Any]:
    """What disguises leave of the recall, and how many innocent look-alikes are held."""
    texts = evasion.caught(rows, seed=choice.seed)
    return {
        "disguised": evasion.kept(
            rows.model, texts, probes.kinds, probes.disguise, seed=choice.seed
        ),
        "innocents": evasion.innocents_held(rows.model, probes.innocents, choice.holds),
    }


def _figures(rows: Scored, masks: Masks, choice: Choice) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for name, label, scores, truth in slices(rows, masks):
        figures = summary(scores, truth, rounds=choice.rounds, seed=choice.seed)
        found.setdefault(name, {})[label] = figures
    return found


def _recalls(ham: Floats, spam: Floats, choice: Choice) -> dict[str, list[float]]:
    samples: dict[float, list[float]] = {rate: [] for rate in _RATES}
    pairs = zip(
        _rows(ham, choice.rounds, choice.seed),
        _rows(spam, choice.rounds, choice.seed + 1),
        strict=True,
    )
    for one, other in pairs:
        for rate in _RATES:
            samples[rate].append(float((other > threshold(one, rate)).mean()))
    return {
        f"recall_at_{rate:.0%}": interval(
            float((spam > threshold(ham, rate)).mean()), np.array(samples[rate])
        )
        for rate in _RATES
    }


def _rows(values: Floats, rounds: int, seed: int) -> Any:
    return (values[drawn] for batch in draws(len(values), rounds, seed) for drawn in batch)
