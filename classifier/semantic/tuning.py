"""Tuning the base on labelled rows (needs torch): rows in, learnt changes out.

``python -m classifier.semantic.tuning DATA OUT.safetensors`` runs it by hand; ``making`` turns
the result into a model folder. One pass over a balanced sample, masked logistic loss for eight
labels at once, AdamW with a warm-up and a linear decay, bfloat16 arithmetic.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier import dataset
from classifier.labels import LABELS, column
from classifier.semantic import minilm, reading, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from classifier.dataset import Corpus

_LABEL_WEIGHTS: Final = {
    "toxicity": 2.0, "spam": 1.5, "identity_attack": 1.5, "sexually_explicit": 0.3,
}  # fmt: skip
_REPORT: Final = 100  # steps
_CHECKPOINT: Final = 500  # steps
_BUCKET: Final = 64  # batches sorted by length together
_RAREST_CLASS: Final = 0.02  # share of a class below which a source counts as one-sided


@dataclass(frozen=True)
class Plan:
    """What a tuning run uses besides its data; the defaults make the shipped model."""

    rank: int = 32
    batch: int = 32
    length: int = 128  # tokens
    rate: float = 5e-4
    up_rate: float = 1e-3
    rest_rate: float = 3e-4  # gains of layer norms and biases
    head_rate: float = 3e-3
    warm_up: float = 0.06
    decay: float = 0.01
    limit: int = 130_000  # rows at most, 0 for all of the sample
    seed: int = 0


def tune(train: Corpus, plan: Plan, out: Path) -> None:
    """Learn from ``train`` and write the changes to ``out``, also every few minutes on the way."""
    import torch

    from classifier.semantic.network import Network

    network = Network(minilm.read(), plan.rank, plan.seed)
    origins = Origins(train)
    found = list(batches(train, plan))
    bias = torch.zeros(origins.mixed.shape, requires_grad=True)
    optimiser = torch.optim.AdamW(_groups(network, bias, plan))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _ramp(len(found), plan.warm_up))
    began, losses = time.monotonic(), []
    for step, batch in enumerate(found, 1):
        loss = _loss(network, bias, origins, train, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.learnt.values(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
        if step % _REPORT == 0:
            _report(step, len(found), sum(losses[-_REPORT:]) / _REPORT, began)
        if step % _CHECKPOINT == 0 or step == len(found):
            _write(network, out)


class Origins:
    """A bias of its own for each mixed source while tuning, so that a source is not a class."""

    def __init__(self, train: Corpus) -> None:
        names = np.unique(train.sources)
        self.places = np.searchsorted(names, train.sources)
        self.mixed = np.zeros((len(names), len(LABELS)), np.float32)
        for place, name in enumerate(names):
            shares = _shares(train.targets[train.sources == name])
            self.mixed[place] = (shares > _RAREST_CLASS) & (shares < 1 - _RAREST_CLASS)
        self.mixed[:, column("spam")] = 0.0  # sources differ in what spam is


def _shares(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    judged = ~np.isnan(targets)
    shares: NDArray[np.float32] = np.nan_to_num(targets).sum(0) / np.maximum(judged.sum(0), 1)
    return shares


def _loss(network: Any, bias: Any, origins: Origins, train: Corpus, batch: Batch) -> Any:
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        margins = network.margins(torch.from_numpy(batch.ids), torch.from_numpy(batch.mask))
    places = origins.places[batch.rows]
    margins = margins.float() + (bias * torch.from_numpy(origins.mixed))[places]
    targets = train.targets[batch.rows]
    weights = [_LABEL_WEIGHTS.get(label, 1.0) for label in LABELS]
    shares = ~np.isnan(targets) * train.weights[batch.rows][:, None] * np.array(weights, np.float32)
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        margins, torch.from_numpy(np.nan_to_num(targets)), reduction="none"
    )
    return (each * torch.from_numpy(shares.astype(np.float32))).sum() / len(batch.rows)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of the corpus with their tokens, padded to the longest of them."""

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    mask: NDArray[np.bool_]


def batches(train: Corpus, plan: Plan) -> Iterator[Batch]:
    """Batches of rows of similar length, in a seeded order."""
    tokens = tokenized(train.texts, plan.length)
    order = np.random.default_rng(plan.seed).permutation(len(train))
    order = order[: plan.limit] if plan.limit else order
    found = []
    for first in range(0, len(order), plan.batch * _BUCKET):
        bucket = order[first : first + plan.batch * _BUCKET]
        by_length = bucket[np.argsort([len(tokens[row]) for row in bucket], kind="stable")]
        found += [by_length[i : i + plan.batch] for i in range(0, len(bucket), plan.batch)]
    for place in np.random.default_rng(plan.seed + 1).permutation(len(found)):
        yield _batch(found[place], tokens)


def _batch(chosen: NDArray[np.int64], tokens: Sequence[Sequence[int]]) -> Batch:
    ids = np.zeros((len(chosen), max(len(tokens[row]) for row in chosen)), np.int64)
    for place, row in enumerate(chosen):
        ids[place, : len(tokens[row])] = tokens[row]
    return Batch(chosen, ids, ids > 0)


def tokenized(texts: Sequence[str], length: int) -> list[list[int]]:
    """Token numbers of each text as the encoder reads it, cut at ``length``."""
    plain = [reading.plain(text[: dataset.LONGEST]) for text in texts]
    return [encoded.ids for encoded in minilm.tokenizer(length).encode_batch(plain)]


def _groups(network: Any, bias: Any, plan: Plan) -> list[dict[str, Any]]:
    """Parameters with their learning rates: matrices decay, biases and gains do not."""
    named = list(network.learnt.items())
    head = [p for name, p in named if name.startswith("head")]
    down = [p for name, p in named if name.endswith(".down")]
    up = [p for name, p in named if name.endswith(".up")]
    rest = [p for name, p in named if not name.startswith("head") and p.ndim == 1]
    return [
        {"params": down, "lr": plan.rate, "weight_decay": plan.decay},
        {"params": up, "lr": plan.up_rate, "weight_decay": plan.decay},
        {"params": rest, "lr": plan.rest_rate, "weight_decay": 0.0},
        {"params": head, "lr": plan.head_rate, "weight_decay": plan.decay},
        {"params": [bias], "lr": plan.head_rate, "weight_decay": 0.0},
    ]


def _ramp(steps: int, warm_up: float) -> Any:
    """Up in the first ``warm_up`` share of the steps, then down to nothing."""
    first = max(1, int(steps * warm_up))
    return lambda step: min((step + 1) / first, max(0.0, (steps - step) / (steps - first)))


def _report(step: int, steps: int, loss: float, began: float) -> None:
    print(f"step {step}/{steps} loss {loss:.4f} {time.monotonic() - began:.0f} s", flush=True)


def _write(network: Any, out: Path) -> None:
    from safetensors.numpy import save_file

    save_file(network.changes(), out)


def main(arguments: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of NAME.jsonl.gz")
    parser.add_argument("out", type=Path, help="where the changes go (.safetensors)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=Plan.limit, help="rows at most, 0 for all")
    parser.add_argument("--rank", type=int, default=Plan.rank)
    parser.add_argument("--rate", type=float, default=Plan.rate)
    parser.add_argument("--batch", type=int, default=Plan.batch)
    given = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(given.threads)
    train = rows.sample(dataset.read(given.data), Plan.seed)
    plan = Plan(rank=given.rank, rate=given.rate, limit=given.limit, batch=given.batch)
    tune(train, plan, given.out)


if __name__ == "__main__":
    main(sys.argv[1:])
