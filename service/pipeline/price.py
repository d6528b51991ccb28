"""What a user's pattern costs to search, counted on its source and not with a clock."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

CHEAP: Final = 8
"""Places at which RE2 may stand at once and still keep all sets of them (2 to the power of 8) in
`PATTERN_MEMORY`, so that each byte is a single step. Patterns tried together keep to it too."""
DEAR: Final = 5
"""How much more a place costs beyond `CHEAP`."""

_PART: Final = re.compile(
    r"""\\Q(?P<quoted>.*?)(?:\\E|\Z)
    | (?P<class>\\[pP](?:\{[^}]*\}|.) | \\[dDwWsSC] | \.
        | \[\^?\]?(?:\[:\^?\w+:\] | \\. | [^\]\\])*\])
    | (?P<edge>\\[bBAz] | \^ | \$)
    | (?P<open>\((?:\?(?:P?<\w+>|[imsU-]*:?))?)
    | (?P<close>\))
    | (?P<repeat>(?:[*+?] | \{(?P<least>\d+)(?P<range>,(?P<most>\d*))?\})\??)
    | (?P<bar>\|)
    | (?P<literal>\\x\{[^}]*\} | \\. | .)""",
    re.VERBOSE | re.DOTALL,
)


class _Places(NamedTuple):
    """How many places of a part of a pattern RE2 may stand at once, for one comment character."""

    open: int
    """Classes, choices and repeats."""
    fixed: int = 0
    """Plain characters: they count only where they are repeated."""

    def repeated(self, repeat: re.Match[str]) -> _Places:
        """The same under a quantifier."""
        if repeat[0][0] == "?":
            return _Places(max(self.open, 1), self.fixed)
        times = max(int(repeat["least"] or 1), int(repeat["most"] or 1))
        return _Places(max(1, self.open + self.fixed) * times)


def price(pattern: str) -> int:
    """What a valid pattern costs to search, at worst: the places at which RE2 may stand at once.

    Counted on the source, so that every machine accepts the same policies. A counted repeat counts
    as often as it may repeat: `\\d{3}-\\d{4}` costs 7, `[^x]{1,20}y` costs 100, plain words 0.
    """
    places = _places_of(pattern)
    return places if places <= CHEAP else places * DEAR


def _places_of(pattern: str) -> int:
    groups: list[list[_Places]] = [[]]
    for part in _PART.finditer(pattern):
        parts, kind = groups[-1], part.lastgroup
        if part["open"]:
            groups.append([])
        elif part["close"] and len(groups) > 1:
            groups.pop()
            groups[-1].append(_together(parts))
        elif part["repeat"] and parts:
            parts[-1] = parts[-1].repeated(part)
        elif part["class"] or (part["bar"] and len(groups) > 1):
            parts.append(_Places(1))
        elif kind in ("literal", "quoted"):
            parts.append(_Places(0, 1))
    return sum(_together(group).open for group in groups)


def _together(parts: list[_Places]) -> _Places:
    return _Places(sum(part.open for part in parts), sum(part.fixed for part in parts))
