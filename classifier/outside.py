"""Rows to measure a model on: our sources' rows left out of training, and other people's files.

A file ``NAME.jsonl.gz`` or ``NAME.jsonl`` whose NAME is none of our sources is a set of its
own, and all of it is measured. A row holds ``text`` and, for each label it judges, a field of
the label's name with 0 or 1 (a share counts from one half on); a plain ``label`` judges one
label: the one asked for, or spam where the file's name says so, or toxicity. ``lang`` names
the language (default ``en``), ``identity`` (a name or a list of names) the groups spoken of.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from classifier import dataset
from classifier.dataset import Corpus, Example
from classifier.identities import Masks, named_groups
from classifier.labels import LABELS, column
from classifier.sources import SOURCES, Record

_ENDINGS: Final = (".jsonl.gz", ".jsonl")
_WORDS: Final = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class Judged:
    """Labelled rows and the groups they speak of; ``seeds`` are those of the models measured."""

    corpus: Corpus
    identities: Masks

    def __len__(self) -> int:
        return len(self.corpus)


def judged(folder: Path, *, seeds: Sequence[int] = (0,), label: str | None = None) -> Judged:
    """Every row of ``folder`` that none of the models trained with ``seeds`` saw.

    ``label`` is the one that a plain ``label`` field judges. ``FileNotFoundError`` if the
    folder holds no labelled rows, ``ValueError`` for another label or a line that is no JSON.
    """
    if label is not None:
        column(label)
    others = [(e, names) for path in other_files(folder) for e, names in _examples(path, label)]
    examples = [*_left_out(folder, seeds), *(example for example, _ in others)]
    if not examples:
        raise FileNotFoundError(f"no labelled rows in a NAME.jsonl.gz or NAME.jsonl of {folder}")
    rows = dataset.corpus(examples)
    masks = named_groups(rows.texts, rows.langs)
    first = len(examples) - len(others)
    for place, (_, names) in enumerate(others, first):
        for name in names:
            masks.setdefault(name, rows.langs == "")[place] = True
    return Judged(rows, dict(sorted(masks.items())))


def other_files(folder: Path) -> list[Path]:
    """The files of rows in ``folder`` that are not our sources, by name."""
    ours = {source.name for source in SOURCES}
    return sorted(p for p in folder.iterdir() if _set_name(p) not in ("", *ours))


def _left_out(folder: Path, seeds: Sequence[int]) -> list[Example]:
    """Dev rows of our sources under every one of the seeds."""
    if not any(dataset.source_path(folder, source).exists() for source in SOURCES):
        return []
    first, *more = dict.fromkeys(seeds)
    kept = _dev(folder, first)
    for seed in more:
        also = {dataset.text_key(example.text) for example in _dev(folder, seed)}
        kept = [example for example in kept if dataset.text_key(example.text) in also]
    return kept


def _dev(folder: Path, seed: int) -> list[Example]:
    return [example for example in dataset.read(folder, seed=seed) if example.part == "dev"]


def _set_name(path: Path) -> str:
    """The set that a file holds; empty for another kind of file."""
    ending = next((end for end in _ENDINGS if path.name.endswith(end)), "")
    return path.name.removesuffix(ending) if ending else ""


def _examples(path: Path, label: str | None) -> Iterator[tuple[Example, list[str]]]:
    name = _set_name(path)
    plain = label or ("spam" if "spam" in name.lower() else "toxicity")
    for row in _lines(path):
        text, found = row.get("text"), _judgement(row, plain)
        if isinstance(text, str) and text.strip() and found:
            lang = str(row.get("lang") or "en")
            yield Example(text, name, lang, "dev", 1.0, "", found), _names(row.get("identity"))


def _lines(path: Path) -> Iterator[Record]:
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            if isinstance(row, dict):
                yield row


def _judgement(row: Record, plain: str) -> dict[str, float]:
    values = {plain: _value(row.get("label"))} | {
        label: _value(row[label]) for label in LABELS if label in row
    }
    return {label: value for label, value in values.items() if value is not None}


def _value(given: Any) -> float | None:
    """0 or 1 of a number, a truth value or their spelling; None for anything else."""
    try:
        number = _WORDS.get(str(given).lower(), given)
        return None if number is None else float(float(number) >= 0.5)
    except (TypeError, ValueError):
        return None


def _names(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given] if given else []
    return [str(name) for name in given] if isinstance(given, list | tuple) else []
