"""From learnt changes to a model folder: calibrated, measured, self-tested, sealed.

``python -m classifier.semantic.making DATA CHANGES.safetensors [--out FOLDER]`` runs it; with
``--again`` in place of a file it takes the changes from the folder itself, which is what to do
after the first stage was retrained, since the joint calibration depends on it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

import classifier
from classifier import calibrate, dataset
from classifier.artifact import SelfTest
from classifier.labels import LABELS
from classifier.metrics import curve
from classifier.semantic import artifact, building, minilm
from classifier.semantic.card import card
from classifier.semantic.encoder import Encoder, log_odds, logistic
from classifier.semantic.measuring import Stages, measure, sampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.dataset import Corpus
    from classifier.semantic.artifact import Manifest
    from classifier.semantic.weights import Arrays

Doubles = NDArray[np.float64]

VERSION: Final = "semantic-1"
WINDOW: Final = 128  # tokens, as in tuning
PENALTIES: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
# Spam is seldom one sentence of a long comment, but long honest ones often cite a link.
_LEAST_PENALTY: Final = {"spam": 2.0}
_PASSAGE_COST: Final = 0.002  # ROC-AUC that reading on may cost on whole comments
_FITTED: Final = ("window_penalty", "slope", "offset", "joint_slope", "joint_offset")
_PER_SOURCE: Final = 600  # dev rows measured of one source
_SELF_TESTS: Final = (
    "Thanks, this fixed my build as well.",
    "You are a complete idiot, get lost.",
    "My neighbours are Muslims and they bake the best bread in town.",
    "Buy cheap watches in our shop today, best prices, free delivery",
    "People like that should not be allowed to vote. " * 12,
)


def make(data: Path, changes: Arrays, out: Path, first: classifier.Classifier) -> Manifest:
    """Calibrate and measure the encoder of ``changes``, write its folder, return its manifest."""
    manifest = _uncalibrated(changes)
    kept = {name: array.astype(np.float16).astype(np.float32) for name, array in changes.items()}
    raw = building.build(kept)  # of the numbers as they ship
    examples = dataset.read(data)
    rows = dataset.corpus(e for e in examples if e.part == "calibration" and e.lang == "en")
    manifest = calibrated(Encoder(manifest, raw), rows, first)
    stages = Stages(first, Encoder(manifest, raw))
    dev = dataset.corpus(sampled((e for e in examples if e.part == "dev"), _PER_SOURCE))
    manifest = msgspec.structs.replace(
        manifest,
        data=dataset.fingerprints(data),
        metrics={"first_stage": first.version, "dev": measure(stages, dev)},
        self_test=_self_tests(stages.second),
    )
    artifact.save(out, manifest, kept, card(manifest))
    return manifest


def _uncalibrated(changes: Arrays) -> Manifest:
    ones, zeros = [1.0] * len(LABELS), [0.0] * len(LABELS)
    rank = next(a.shape[1] for name, a in changes.items() if name.endswith(".up"))
    return artifact.Manifest(
        format=artifact.FORMAT, version=VERSION, labels=list(LABELS), base=minilm.PACKAGE,
        base_version=minilm.VERSION, base_sha256=minilm.SHA256, rank=rank, window=WINDOW,
        slope=ones, offset=zeros, window_penalty=zeros, joint_slope=ones, joint_offset=zeros,
        sha256={}, self_test=[],
    )  # fmt: skip


def calibrated(encoder: Encoder, rows: Corpus, first: classifier.Classifier) -> Manifest:
    """The manifest with the encoder's own curve a label, and that of both stages together."""
    texts = [text[: dataset.LONGEST] for text in rows.texts]
    whole, others = (a.astype(np.float64) for a in encoder.read_margins(texts))
    opinion = log_odds(first.score(texts)).astype(np.float64)
    found: dict[str, list[float]] = {name: [] for name in _FITTED}
    for place, label in enumerate(LABELS):
        weights = calibrate.prior_weights(rows, label) * ~np.isnan(whole[:, place])
        used = weights > 0
        known = _Known(
            label, whole[used, place], others[used, place], opinion[used, place],
            truth=rows.targets[used, place].astype(np.float64), weights=weights[used],
        )  # fmt: skip
        for name, value in zip(_FITTED, known.fit(), strict=True):
            found[name].append(round(float(value), 6))
    return msgspec.structs.replace(encoder.manifest, **found)


@dataclass(frozen=True)
class _Known:
    """What is known of one label: both stages' opinions of the calibration rows, and the truth."""

    label: str
    whole: Doubles
    others: Doubles
    first: Doubles
    truth: Doubles
    weights: Doubles

    def fit(self) -> tuple[float, float, float, float, float]:
        """The numbers of the label, in the order of ``_FITTED``."""
        penalty = self.penalty()
        margins = self.strongest(penalty)
        slope, offset = calibrate.platt(margins, self.truth, self.weights)
        both = (self.first + margins * slope + offset) / 2
        return (penalty, slope, offset, *calibrate.platt(both, self.truth, self.weights))

    def penalty(self) -> float:
        """The smallest penalty at which reading on costs whole comments next to no accuracy."""
        tried = [p for p in PENALTIES if p >= _LEAST_PENALTY.get(self.label, 0.0)]
        areas = [curve(self.strongest(p), self.truth, self.weights).auc for p in tried]
        enough = max(areas) - _PASSAGE_COST
        return next(p for p, area in zip(tried, areas, strict=True) if area >= enough)

    def strongest(self, penalty: float) -> Doubles:
        """Margins of the passages that decide."""
        return np.maximum(self.whole, self.others - penalty)


def _self_tests(encoder: Encoder) -> list[SelfTest]:
    scores = logistic(encoder.margins(_SELF_TESTS))
    return [
        SelfTest(text, [round(float(s), 5) for s in row])
        for text, row in zip(_SELF_TESTS, scores, strict=True)
    ]


def main(arguments: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of NAME.jsonl.gz")
    parser.add_argument("changes", type=Path, nargs="?", help="what tuning wrote (.safetensors)")
    parser.add_argument("--again", action="store_true", help="take the changes from OUT")
    parser.add_argument("--out", type=Path, default=artifact.default_folder())
    parser.add_argument("--first", type=Path, default=classifier.default_artifact())
    given = parser.parse_args(arguments)
    if given.again == bool(given.changes):
        parser.error("give either CHANGES or --again")
    manifest = make(given.data, _changes(given), given.out, classifier.load(given.first))
    print(msgspec.json.encode(manifest.metrics).decode())


def _changes(given: Any) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return artifact.read(given.out)[1] if given.again else load_file(given.changes)


if __name__ == "__main__":
    main(sys.argv[1:])
