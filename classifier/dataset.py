"""Labelled rows in memory: read, judged, deduplicated and split.

Rows that say the same (NFKC, lower case, first 25 words) become one, which keeps the
judgements of all of them. A row is held out for evaluation by its blog, video, split or
near-duplicate group, never on its own, so that no template sits on both sides.
"""

import gzip
import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from classifier.labels import LABELS, column
from classifier.sources import SOURCES, Record, Source, explicit

Part = Literal["train", "dev", "calibration"]
PARTS: tuple[Part, ...] = ("dev", "calibration", "train")

KEY_WORDS = 25  # two texts with these words in common are one text
GROUP_WORDS = 6  # texts that begin alike come from one template
GROUP_CAP = 25  # rows of one template worth training on
ABUSE_LIST = "surge_profanity"
LONGEST = 1500  # code points of a text that training reads


@dataclass(slots=True)
class Example:
    """One labelled text: ``judged`` maps labels to 0 or 1, absent labels were not judged."""

    text: str
    source: str
    lang: str
    part: Part
    weight: float
    group: str
    judged: dict[str, float]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Examples of one part as columns; ``targets`` is (n, 8) with NaN for "not judged"."""

    texts: list[str]
    sources: NDArray[np.str_]
    langs: NDArray[np.str_]
    weights: NDArray[np.float32]
    targets: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)


def read(folder: Path, sources: Sequence[Source] = SOURCES, *, seed: int = 0) -> list[Example]:
    """All examples of the sources present in ``folder``, deduplicated, dev rows first.

    ``FileNotFoundError`` if the folder holds none of them.
    """
    found = [source for source in sources if source_path(folder, source).exists()]
    if not found:
        raise FileNotFoundError(f"no known NAME.jsonl.gz in {folder}")
    found += [source for source in sources if source.made]
    examples = [e for source in found for e in _examples(folder, source, seed)]
    examples.sort(key=lambda example: PARTS.index(example.part))
    return list(_capped(_merged(examples), seed))


def corpus(examples: Iterable[Example]) -> Corpus:
    """The examples as columns."""
    rows = list(examples)
    targets = np.full((len(rows), len(LABELS)), np.nan, np.float32)
    for row, example in enumerate(rows):
        for label, value in example.judged.items():
            targets[row, column(label)] = value
    return Corpus(
        texts=[e.text for e in rows],
        sources=np.array([e.source for e in rows], np.str_),
        langs=np.array([e.lang for e in rows], np.str_),
        weights=np.array([e.weight for e in rows], np.float32),
        targets=targets,
    )


def known_abuse(rows: Corpus) -> list[str]:
    """Single words that a list of bad words holds, in lower case."""
    of_list = rows.sources == ABUSE_LIST
    toxic = rows.targets[:, column("toxicity")] == 1
    words = (rows.texts[k].lower() for k in np.flatnonzero(of_list & toxic).tolist())
    return [word for word in words if word.isascii() and word.isalpha()]


def source_path(folder: Path, source: Source) -> Path:
    """Where a source's rows lie in the data folder."""
    return folder / f"{source.name}.jsonl.gz"


def fingerprints(folder: Path, sources: Sequence[Source] = SOURCES) -> dict[str, str]:
    """SHA-256 (hex) of each source file present, for the manifest."""
    paths = [source_path(folder, source) for source in sources]
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()
    }


def text_key(text: str) -> str:
    """What two copies of one text have in common."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return " ".join(plain.split()[:KEY_WORDS])


def group_key(text: str) -> str:
    """What texts of one template have in common: the first words without digits or marks."""
    plain = unicodedata.normalize("NFKC", text).lower()
    letters = "".join(c if c.isalpha() else " " for c in plain[:400])
    return " ".join(letters.split()[:GROUP_WORDS]) or plain[:20]


def share_of(key: str, seed: int) -> float:
    """A stable number in [0, 1) for a key: which part of a share it falls into."""
    digest = hashlib.blake2b(f"{seed}:{key}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _examples(folder: Path, source: Source, seed: int) -> Iterator[Example]:
    for row in source.made() if source.made else _lines(source_path(folder, source)):
        text = _prepare(str(row.get("text") or ""), source)
        judged = source.judge(row)
        if text and judged:
            yield _example(text, row, source, judged, seed)


def _lines(path: Path) -> Iterator[Record]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _example(
    text: str, row: Record, source: Source, judged: dict[str, float], seed: int
) -> Example:
    group = group_key(text)
    part = _part(source, str(row.get(source.group, "")), group, seed)
    lang = str(row.get("lang") or "en")
    if lang == "en" and "sexually_explicit" not in judged:
        judged = {**judged, "sexually_explicit": explicit(text)}
    return Example(text, source.name, lang, part, source.weight, group, judged)


def _part(source: Source, holder: str, group: str, seed: int) -> Part:
    if "*" in source.held_out or holder in source.held_out:
        return "dev"
    place = share_of(group, seed)
    if place < source.dev_share:
        return "dev"
    return "calibration" if place > 1 - source.calibration_share else "train"


def _prepare(text: str, source: Source) -> str:
    """Undo what would give a source or class away (README: paradetox is tokenised)."""
    text = text.replace("\\n", "\n").strip()[: LONGEST * 4]
    if source.name == "paradetox_en":
        text = text.lower().strip(" .!\"'")
        for mark in ".,!?':;)":
            text = text.replace(f" {mark}", mark)
    return text


def _merged(examples: Iterable[Example]) -> Iterator[Example]:
    """One example a text: the first one met, with the judgements the later ones add."""
    kept: dict[str, Example] = {}
    for example in examples:
        first = kept.setdefault(text_key(example.text), example)
        if first is not example:
            first.judged = {**example.judged, **first.judged}
    yield from kept.values()


def _capped(examples: Iterable[Example], seed: int) -> Iterator[Example]:
    """Training rows without the excess of one template or one source."""
    caps = {source.name: source.cap for source in SOURCES if source.cap}
    rows = list(examples)
    totals = Counter(e.source for e in rows if e.part == "train")
    groups: Counter[str] = Counter()
    for e in rows:
        if e.part == "train":
            groups[e.group] += 1
            share = caps.get(e.source, 0) / totals[e.source]
            if groups[e.group] > GROUP_CAP or (share and share_of(e.text, seed) > share):
                continue
        yield e
