"""The policy as a form: its parts with plain words, how a policy fills it, what it says. Pure.

A field is named by its place in the policy's document: `/links/max` is the field `links.max`, so
that an error finds its field. The three lists are texts of many lines (`policy_lines`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.inspect import BoolType, FloatType, IntType, LiteralType, UnionType, type_info

from service.console.policy_lines import (
    Listed,
    read_allowed,
    read_patterns,
    read_words,
    written,
)
from service.console.room import Form
from service.pipeline.policy import PolicyError, check_policy
from service.pipeline.reasons import LABELS
from service.records import Policy, SignalRule, Threshold

STEPS: Final = ("hold", "spam", "reject")
"""What a score leads to, the mildest first."""


class Knob(NamedTuple):
    """One field of a part."""

    name: str
    label: str
    hint: str = ""


class Part(NamedTuple):
    """One rule: its name in the policy, its title, what it is for, its fields."""

    name: str
    title: str
    about: str
    knobs: tuple[Knob, ...]


OUTCOME: Final = Knob("outcome", "Then")
TRIAL: Final = Knob("shadow", "On trial", "Only says what it would have done.")
PARTS: Final = (
    Part(
        "authors",
        "New and known authors",
        "Who is new is read by a person first; who has earned trust is given some leeway.",
        (
            Knob("hold_first", "First comments held", "Until this many are approved; 0: none."),
            Knob("known_after", "Approved until known", "And none refused lately."),
            Knob("known_margin", "Leeway of a known author", "Added to every hold threshold."),
            TRIAL,
        ),
    ),
    Part(
        "rejection_rate",
        "Authors who are often refused",
        "Holds everything of an author whose recent comments were mostly refused.",
        (
            Knob("enabled", "In use"),
            Knob("above", "Share refused", "Above this share, the author is held."),
            Knob("days", "Looking back, days"),
            Knob("at_least", "Judged comments it takes", "With fewer, a share means nothing."),
            TRIAL,
        ),
    ),
    Part(
        "links",
        "Links",
        "Spam lives from links; most people need few.",
        (Knob("max", "Links that are fine", "Empty: any number."), OUTCOME, TRIAL),
    ),
    Part(
        "same_text",
        "The same text again",
        "Counts how often one text came to this site, whoever sent it.",
        (
            Knob("max", "Times that are fine", "Empty: any number."),
            Knob("hours", "Within, hours"),
            OUTCOME,
            TRIAL,
        ),
    ),
    Part(
        "disposable_email",
        "Throw-away addresses",
        "Addresses of services that hand them out for a few minutes.",
        (Knob("enabled", "In use"), OUTCOME, TRIAL),
    ),
    Part(
        "closing",
        "Closing old pages",
        "A page takes no comments this long after its first one.",
        (Knob("days", "Days", "Empty: never."), OUTCOME, TRIAL),
    ),
    Part(
        "limits",
        "Length and pace",
        "Longer comments, and more of them, are not taken at all: their author is told.",
        (
            Knob("body_max", "Characters at most"),
            Knob("per_reader", "A minute from one address", "Empty: as the installation has it."),
            Knob("per_author", "A minute by one author", "Empty: as the installation has it."),
            Knob("per_page", "A minute on one page", "Empty: as the installation has it."),
            Knob("per_site", "A minute on the site", "Empty: as the installation has it."),
        ),
    ),
)


class Sheet(NamedTuple):
    """One list of lines."""

    name: str
    title: str
    about: str
    read: Callable[[str], Listed]


SHEETS: Final = (
    Sheet(
        "block",
        "Block list",
        "Words and phrases to catch, one a line, disguises included. Say more behind an arrow: "
        "=> spam or reject in place of hold, exact for the letters anywhere, trial to only watch. "
        "A star stands for any letters: cas*no => spam",
        read_words,
    ),
    Sheet(
        "allow",
        "Allow list",
        "Words that are fine although a blocked one is inside: scunthorpe",
        read_allowed,
    ),
    Sheet(
        "patterns",
        "Patterns",
        "RE2 patterns on the text as readers see it: (?i)buy +now => spam # a note",
        read_patterns,
    ),
)


class Box(Struct, frozen=True):
    """How one field is filled in."""

    kind: str
    """`tick`, `pick` or `number`."""
    least: float | None = None
    most: float | None = None
    whole: bool = True
    optional: bool = False
    options: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What may be filled in, in words."""
        number = "a whole number" if self.whole else "a number"
        least, most = (f"{bound:g}" for bound in (self.least or 0, self.most or 0))
        return f"{number} from {least} to {most}" + (", or nothing" if self.optional else "")


def box(rule: str, knob: str) -> Box:
    """How a part's field is filled in, from its type."""
    return _box(_hints(type(getattr(Policy(), rule)))[knob])


def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _box(hint: Any) -> Box:
    info = type_info(hint)
    optional = isinstance(info, UnionType)
    if isinstance(info, UnionType):
        info = next(each for each in info.types if isinstance(each, IntType | FloatType))
    match info:
        case BoolType():
            return Box("tick")
        case LiteralType(values=values):
            return Box("pick", options=tuple(str(value) for value in values))
        case IntType(ge=least, le=most):
            return Box("number", least, most, True, optional)
        case FloatType(ge=least, le=most):
            return Box("number", least, most, False, optional)
    raise TypeError(f"no field for {hint}")


# ------------------------------------------------------------------- policy → fields


def filled(policy: Policy) -> dict[str, str]:
    """What the form's fields hold for a policy; a box that is not ticked is not there."""
    values: dict[str, str] = {}
    for part in PARTS:
        rule = getattr(policy, part.name)
        _fill(values, part.name, {knob.name: getattr(rule, knob.name) for knob in part.knobs})
    tables: dict[str, Mapping[str, Threshold | SignalRule]] = {
        "thresholds": policy.thresholds,
        "signals": policy.signals,
    }
    for table, rules in tables.items():
        for name, rule in rules.items():
            steps = {step: getattr(rule, step) for step in STEPS}
            _fill(values, f"{table}.{name}", steps | {"shadow": rule.shadow})
    return values | {sheet.name: written(getattr(policy, sheet.name)) for sheet in SHEETS}


def _fill(values: dict[str, str], place: str, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if value is True:
            values[f"{place}.{name}"] = "on"
        elif value is not False and value is not None:
            values[f"{place}.{name}"] = str(value).removesuffix(".0")


# ------------------------------------------------------------------- fields → policy


class Read(Struct, frozen=True):
    """What a form says: a policy, or what is wrong with which field."""

    policy: Policy | None
    errors: dict[str, str]


def read(form: Form) -> Read:
    """The policy of a form."""
    errors: dict[str, str] = {}
    document: dict[str, Any] = {
        part.name: {
            knob.name: _value(form, f"{part.name}.{knob.name}", box(part.name, knob.name), errors)
            for knob in part.knobs
        }
        for part in PARTS
    }
    for table, kind in (("thresholds", Threshold), ("signals", SignalRule)):
        document[table] = _table(form, table, _hints(kind), errors)
    listed = {sheet.name: sheet.read(form.raw(sheet.name)) for sheet in SHEETS}
    for name, found in listed.items():
        document[name] = msgspec.to_builtins(found.entries)
        _say_lines(errors, name, [(e.pointer.removeprefix("/"), e.detail) for e in found.errors])
    if errors:
        return Read(None, errors)
    try:
        policy = msgspec.convert(document, Policy)
        check_policy(policy)
    except msgspec.ValidationError as error:  # a list is longer than it may be
        return Read(None, {"": str(error)})
    except PolicyError as error:
        return Read(None, _placed(error, listed))
    return Read(policy, {})


def _table(form: Form, table: str, hints: Mapping[str, Any], errors: dict[str, str]) -> Any:
    """The rows of a table that lead to anything."""
    rows: dict[str, Any] = {}
    for name in form.names():
        place, _, step = name.rpartition(".")
        _, _, row = place.partition(".")
        if not place.startswith(f"{table}.") or step not in STEPS or not form.text(name):
            continue
        rows.setdefault(row, {"shadow": form.on(f"{place}.shadow")})[step] = _value(
            form, name, _box(hints[step]), errors
        )
    return rows


def _value(form: Form, name: str, made: Box, errors: dict[str, str]) -> Any:
    text = form.text(name)
    if made.kind == "tick":
        return form.on(name)
    if made.kind == "pick":
        if text not in made.options:
            errors[name] = "Choose one"
        return text
    if not text and made.optional:
        return None
    try:
        number = int(text) if made.whole else float(text.replace(",", "."))
        if not (made.least or 0) <= number <= (made.most or 0):
            raise ValueError
    except ValueError:
        errors[name] = made.expected[:1].upper() + made.expected[1:]
        return None
    return number


def _placed(error: PolicyError, listed: Mapping[str, Listed]) -> dict[str, str]:
    """A policy's errors at the fields they are about; those in lists name their lines."""
    errors: dict[str, str] = {}
    for each in error.errors:
        place = each.pointer.removeprefix("/").split("/")
        detail = each.detail[:1].upper() + each.detail[1:]
        if place[0] in listed and len(place) > 1:
            line = listed[place[0]].lines[int(place[1])]
            _say_lines(errors, place[0], [(str(line), each.detail)])
        else:
            errors.setdefault(".".join(place), detail)
    return errors


def _say_lines(errors: dict[str, str], name: str, found: list[tuple[str, str]]) -> None:
    for line, detail in found:
        said = f"Line {line}: {detail[:1].lower()}{detail[1:]}."
        errors[name] = f"{errors[name]} {said}" if name in errors else said


# ------------------------------------------------------------------------ differences


class Difference(NamedTuple):
    """What two policies differ in, in words: one of the two may be empty."""

    what: str
    before: str
    after: str


def differences(before: Policy, after: Policy) -> list[Difference]:
    """What changed from one policy to another."""
    old, new = filled(before), filled(after)
    sheets = [sheet.name for sheet in SHEETS]
    found = [
        Difference(title_of(name), _said(name, old.get(name)), _said(name, new.get(name)))
        for name in sorted(old.keys() | new.keys())
        if name not in sheets and old.get(name) != new.get(name)
    ]
    for name in sheets:
        was, now = (dict.fromkeys(filter(None, text[name].split("\n"))) for text in (old, new))
        found += [Difference(title_of(name), line, "") for line in was if line not in now]
        found += [Difference(title_of(name), "", line) for line in now if line not in was]
    return found


def title_of(name: str) -> str:
    """What people call a field."""
    sheet = next((sheet for sheet in SHEETS if sheet.name == name), None)
    if sheet is not None:
        return sheet.title
    table, _, rest = name.partition(".")
    row, _, step = rest.rpartition(".")
    if row and table in ("thresholds", "signals"):
        title = LABELS[row][1] if table == "thresholds" and row in LABELS else f"signal {row}"
        return f"{title[:1].upper()}{title[1:]}: " + (
            "on trial" if step == "shadow" else f"{step} from"
        )
    for part in PARTS:
        for knob in part.knobs:
            if (part.name, knob.name) == (table, rest):
                return f"{part.title}: {knob.label[:1].lower()}{knob.label[1:]}"
    return name


def _said(name: str, value: str | None) -> str:
    if name.endswith((".shadow", ".enabled")):
        return "yes" if value else "no"
    return value or "never" if name.startswith(("thresholds.", "signals.")) else value or "none"
