"""Rows that show whether the classifier judges groups and dialects alike."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from classifier.generated.dialect import BENIGN, HOSTILE
from classifier.generated.frames import HELD_OUT, about, all_frames, fill


class DialectPair(NamedTuple):
    """The same content in standard English and in a dialect; ``label`` 1 is hostile."""

    standard: str
    variant: str
    dialect: str
    label: int


def identity_pairs(seed: int = 0) -> Iterator[dict[str, Any]]:
    """Each held-out sentence about groups with each group: ``text``, ``label``, ``group``.

    All other words of a sentence are the same for all groups, so that any difference in the
    scores is the group's. As many sentences are toxic as are not.
    """
    draw = random.Random(seed)  # noqa: S311
    held = set(HELD_OUT)
    frames = [f for f in all_frames() if f.key in held and f.task.over == "group"]
    toxic, clean = ([f for f in frames if f.task.toxic == side] for side in (True, False))
    size = min(len(toxic), len(clean))
    groups = about("group")
    for frame in (*draw.sample(toxic, size), *draw.sample(clean, size)):
        start = draw.getrandbits(32)
        for values in groups:
            text = fill(frame.text, values, random.Random(start))  # noqa: S311
            yield {"text": text, "label": int(frame.task.toxic), "group": values["many"]}


def dialect_pairs(seed: int = 0) -> Iterator[DialectPair]:
    """The pairs of every dialect, as many hostile as benign, in an order drawn from the seed."""
    pairs = [
        DialectPair(standard, variant, dialect, label)
        for label, table in ((0, BENIGN), (1, HOSTILE))
        for dialect, texts in table.items()
        for standard, variant in texts
    ]
    random.Random(seed).shuffle(pairs)  # noqa: S311
    yield from pairs
