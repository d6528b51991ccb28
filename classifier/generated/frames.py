"""The generator: sentences from every task, filled in and balanced.

Every group is in as many hateful as harmless sentences (``GROUP_ROWS`` of each for
training and ``GROUP_ROWS_HELD`` for evaluation), so that its name alone says nothing. The
full product of sentences and groups would be some fifty times as large; which group meets
which sentence is drawn from the seed.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from classifier.generated.groups import (
    EVERYDAY_SLURS,
    GROUP_EMOJI,
    GROUPS,
    NAMES,
    PROFESSIONS,
    SLURS,
    THINGS,
)
from classifier.generated.hate import DEROGATION
from classifier.generated.homonyms import HOMONYMS
from classifier.generated.kindness import KINDNESS
from classifier.generated.persons import HARMLESS, RUDE
from classifier.generated.shortkind import SHORT_KINDNESS
from classifier.generated.spoken import SPOKEN
from classifier.generated.task import Task
from classifier.generated.threats import THREATS
from classifier.generated.words import WORDS

Row = dict[str, Any]
Values = dict[str, str]

TASKS: tuple[Task, ...] = (
    *DEROGATION, *THREATS, *KINDNESS, *SHORT_KINDNESS, *RUDE, *HARMLESS, *HOMONYMS, *SPOKEN,
)  # fmt: skip
HELD_OUT: tuple[str, ...] = tuple(frame for task in TASKS for frame in task.held_out())

FINE = ("identity_attack", "insult", "threat")
# Rows of one group, slur or name for each label: in training, held out.
QUOTAS: dict[tuple[str, bool], tuple[int, int]] = {
    ("group", True): (30, 9),
    ("group", False): (30, 9),
    ("emoji", True): (9, 3),
    ("emoji", False): (9, 3),
    ("slur", True): (8, 3),
    ("slur", False): (4, 2),
    ("name", True): (4, 2),
    ("name", False): (4, 2),
}
PER_FRAME = 10  # rows of a sentence that names no group, if its words allow so many
_TRIES = 20

_PROFANE = re.compile(
    r"\b(?:\w*fuck\w*|fcking|fucks|stfu|gtfo|(?:bull)?shit\w*|ass|asses|asshole|dumbass|badass"
    r"|bitch\w*|damn|goddamn|dick\w*|prick|cunts?|twats?|wanker|bastards?|piss|crap|bloody|hell"
    r"|douchebag|tosser|screw|whores?|sluts?|fu)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?:\b([Aa])n? )?\{(\w+?)(\d?)\}")
_START = re.compile(r"(?:^|(?<=[.?!] ))[a-z]")
_VOWEL = re.compile(r"(?:[aeio]|u(?!niq|se|ni|ro)|LGBT|honest)", re.IGNORECASE)
_CONSONANT_START = re.compile(r"(?:euro|one\b|uni|use)", re.IGNORECASE)


class Frame(NamedTuple):
    """One sentence of a task with its id."""

    key: str
    text: str
    task: Task


def rows(seed: int = 0) -> Iterator[Row]:
    """Every task's sentences filled in: ``text``, ``label`` (1 toxic), finer labels, ``frame``.

    Deterministic; no text comes twice. Group rows also say which ``group`` they are about.
    """
    draw = random.Random(seed)  # noqa: S311
    seen: set[str] = set()
    held = set(HELD_OUT)
    for part in (0, 1):
        frames = [f for f in all_frames() if (f.key in held) == bool(part)]
        for (over, toxic), quotas in QUOTAS.items():
            chosen = [f for f in frames if f.task.over == over and f.task.toxic == toxic]
            yield from _balanced(chosen, about(over), quotas[part], draw, seen)
        yield from _unbound([f for f in frames if f.task.over == "none"], draw, seen)


def all_frames() -> list[Frame]:
    """Every sentence of every task, in order."""
    return [
        Frame(key, text, task)
        for task in TASKS
        for key, text in zip(task.ids(), task.frames, strict=True)
    ]


def about(over: str) -> list[Values]:
    """What the sentences of an ``over`` are about, each as the places that it fills."""
    if over == "slur":
        return [{"slur": one, "slurs": many} for one, many in SLURS]
    if over == "name":
        return [{"name": name} for name in NAMES]
    found = []
    for one, person, many, _ in GROUPS:
        if over == "group" or many in GROUP_EMOJI:
            emoji = GROUP_EMOJI.get(many, "")
            found.append({"one": one, "person": person, "many": many, "emoji": emoji})
    return found


def judge(row: Mapping[str, Any]) -> dict[str, float]:
    """A row's labels as the classifier's; how severe a toxic row is, nobody judged."""
    judged = {name: float(row[name]) for name in (*FINE, "profanity") if name in row}
    judged |= {"toxicity": float(row["label"]), "spam": 0.0}
    return judged if row["label"] else {**judged, "severe_toxicity": 0.0}


def fill(text: str, values: Values, draw: random.Random) -> str:
    """The sentence with its places filled from ``values``, else with words drawn."""
    bound = dict(values)

    def word(match: re.Match[str]) -> str:
        article, name, number = match.groups()
        key = name + number
        if key not in bound:
            taken = {value for other, value in bound.items() if other.startswith(name)}
            bound[key] = draw.choice([w for w in _words(name) if w not in taken])
        value = bound[key]
        return f"{_article(article, value)} {value}" if article else value

    filled = _PLACE.sub(word, text)
    return (
        _capitals(filled) if (text[0] == "{" or text[0].isupper()) and text[-1] in ".?!" else filled
    )


def _capitals(text: str) -> str:
    return _START.sub(lambda match: match[0].upper(), text)


def _words(name: str) -> Sequence[str]:
    own = {"thing": THINGS, "profession": PROFESSIONS, "name": NAMES}
    return own.get(name) or WORDS[name]


def _article(article: str, word: str) -> str:
    vowel = _VOWEL.match(word) and not _CONSONANT_START.match(word)
    return article + "n" if vowel else article


def _balanced(
    frames: list[Frame], items: list[Values], quota: int, draw: random.Random, seen: set[str]
) -> Iterator[Row]:
    """``quota`` rows for each item, spread evenly over the frames."""
    place = 0
    for _ in range(quota):
        for values in draw.sample(items, len(items)):
            for step in range(len(frames)):
                frame = frames[(place + step) % len(frames)]
                row = _new_row(frame, values, draw, seen)
                if row:
                    yield row
                    break
            place += 1


def _unbound(frames: list[Frame], draw: random.Random, seen: set[str]) -> Iterator[Row]:
    for frame in frames:
        for _ in range(PER_FRAME):
            row = _new_row(frame, {}, draw, seen)
            if row:
                yield row


def _new_row(frame: Frame, values: Values, draw: random.Random, seen: set[str]) -> Row | None:
    """A row of the frame whose text is new, or None where its words do not allow one."""
    for _ in range(_TRIES):
        text = fill(frame.text, values, draw)
        if text.lower() not in seen:
            seen.add(text.lower())
            return _row(frame, values, worn(text, draw))
    return None


def _row(frame: Frame, values: Values, text: str) -> Row:
    marks = {name: int(name in frame.task.marks) for name in FINE if _known(frame.task, name)}
    if frame.task.toxic and values.get("slur") in EVERYDAY_SLURS:
        del marks["identity_attack"]
    row = {"text": text, "label": int(frame.task.toxic), **marks}
    row |= {"lang": "en", "frame": frame.key}
    profane = int(_PROFANE.search(text) is not None)
    if profane or "slur" not in values:  # whether a slur is profane as well, nobody can tell
        row["profanity"] = profane
    if "many" in values:
        row["group"] = values["many"]
    return row


def _known(task: Task, name: str) -> bool:
    """Whether the task tells if the label holds; an attack on a group may or may not insult."""
    if name == "insult":
        return not task.toxic or name in task.marks
    return f"{name}?" not in task.marks


def worn(text: str, draw: random.Random) -> str:
    """The text as people type it: now and then without capitals, final stop or apostrophes."""
    chance = draw.random()
    if chance < 0.12:
        return text.lower()
    if chance < 0.24:
        return text.removesuffix(".")
    if chance < 0.3 and text.endswith("."):
        return text[:-1] + draw.choice(("!", "!!", "...", " :)", "", " smh", " lol"))
    return text.replace("'", "").lower() if chance < 0.34 else text
