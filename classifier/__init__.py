"""Text in, probabilities and reasons out. Knows no network, no storage and no service.

``load`` opens a trained model, ``Classifier.score`` scores, ``Classifier.explain`` gives
reasons; ``run_signals`` reports what plain rules see; ``train``, ``adapt`` and ``evaluate``
make and measure models (they alone need scikit-learn, which they import when called).
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.errors import ArtifactError
from classifier.explain import Explanation
from classifier.fingerprint import NEAR, apart, fingerprint, simhash
from classifier.labels import LABELS
from classifier.links import link_count
from classifier.model import Classifier, load
from classifier.signals import SIGNALS, Examined, Signal, SignalInput, examine, run_signals

if TYPE_CHECKING:
    from classifier.adapting import Judgement, Learnt
    from classifier.teaching import Teacher

__all__ = [
    "LABELS",
    "NEAR",
    "SIGNALS",
    "ArtifactError",
    "Classifier",
    "Examined",
    "Explanation",
    "Signal",
    "SignalInput",
    "adapt",
    "apart",
    "default_artifact",
    "evaluate",
    "examine",
    "fingerprint",
    "link_count",
    "load",
    "run_signals",
    "simhash",
    "train",
]


def default_artifact() -> Path:
    """The folder of the model that ships with Winnow."""
    return Path(__file__).parent / "data" / "model"


def train(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
    teacher: "Teacher | None" = None,
) -> dict[str, Any]:
    """Train a model on the folder ``data`` and write it to ``out``; see ``training.train``."""
    from classifier.training import train as run

    return run(data, out, seed=seed, progress=progress, teacher=teacher)


def adapt(
    base: Path,
    judged: Iterable["Judgement"],
    out: Path,
    *,
    name: str,
    tell: Callable[[str, float], None] | None = None,
) -> list["Learnt"]:
    """Write ``base`` to ``out`` with what a site's judgements add; see ``adapting.adapt``."""
    from classifier.adapting import adapt as run

    return run(base, judged, out, name=name, tell=tell)


def evaluate(artifact: Path, data: Path, *, rounds: int = 200) -> dict[str, Any]:
    """Measure a model on the rows its training left out; see ``evaluation.evaluate``."""
    from classifier.evaluation import evaluate as run

    return run(artifact, data, rounds=rounds)
