"""Field masks, the `fields` parameter: `languages,attributeScores(TOXICITY/summaryScore)`.

Commas join, `/` or `.` goes down, brackets hold several below one, `*` is every field.
"""

from __future__ import annotations

import re
from typing import Any, Final

from service.api.compat.perspective.messages import MESSAGES

Mask = dict[str, Any]
"""Field → the mask below it; an empty mask lets everything through."""

_TOKEN: Final = re.compile(r"[\w*@-]+|[,/.()]")
_DEEPEST: Final = 10
_EVERY: Final = "*"


def parsed(text: str) -> Mask:
    """A mask as it is written.

    Raises:
        ValueError: it cannot be read; says which one.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s+", "", text):
        raise ValueError(text[:100])
    if not tokens:
        return {}
    tokens.append(")")
    mask = _fields(tokens, 0)
    if tokens:
        raise ValueError(text[:100])
    return mask


def _fields(tokens: list[str], depth: int) -> Mask:
    """Fields up to the closing bracket, which is taken as well."""
    mask: Mask = {}
    while True:
        _path(tokens, mask, depth)
        following = tokens.pop(0) if tokens else ""
        if following == ")":
            return mask
        if following != ",":
            raise ValueError(following)


def _path(tokens: list[str], mask: Mask, depth: int) -> None:
    name = tokens.pop(0) if tokens else ""
    if not name or name in ",/.()" or depth > _DEEPEST:
        raise ValueError(name)
    below = mask.setdefault(name, {})
    if tokens[:1] == ["("]:
        tokens.pop(0)
        below |= _fields(tokens, depth + 1)
    elif tokens[:1] in (["/"], ["."]):
        tokens.pop(0)
        _path(tokens, below, depth + 1)


def masked(mask: Mask, message: str, content: dict[str, Any]) -> dict[str, Any]:
    """What a mask lets through of a message of the type `message`.

    Raises:
        LookupError: it names a field that the type does not have.
    """
    if not mask:
        return content
    fields = MESSAGES[message]
    for name in mask:
        if name != _EVERY and name not in fields:
            raise LookupError(name)
    return {
        name: _within(below, fields[name], content[name]) for name, below in _chosen(mask, content)
    }


def _chosen(mask: Mask, content: dict[str, Any]) -> list[tuple[str, Mask]]:
    """The fields of some content that a mask names, in the content's order."""
    every: Mask = mask.get(_EVERY, {})
    return [(n, mask.get(n, every)) for n in content if n in mask or _EVERY in mask]


def _within(mask: Mask, field: dict[str, Any], value: Any) -> Any:
    if not mask:
        return value
    if "$ref" in field:
        return masked(mask, field["$ref"], value)
    if field["type"] == "array":
        return [_within(mask, field["items"], item) for item in value]
    if field["type"] == "object":
        values = field["additionalProperties"]
        return {name: _within(below, values, value[name]) for name, below in _chosen(mask, value)}
    raise LookupError(next(iter(mask)))
