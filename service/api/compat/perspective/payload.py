"""Bodies, read as Google reads JSON into its messages: every wrong field is named at once.

Names may be `camelCase` or `snake_case`, null means absent, numbers may be texts, and where a list
is due one value will do. The content type is not looked at; an empty body is an empty message.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec

from service.api.compat.perspective.messages import MESSAGES
from service.api.compat.perspective.refusals import Violation, unreadable

_PACKAGE: Final = "type.googleapis.com/google.commentanalyzer.v1alpha1."
_INVALID_JSON: Final = "Invalid JSON payload received. "
_SHOWN: Final = 100
_LIST: Final = "Proto field is not repeating, cannot start list."
_MAP: Final = "Starting an object on a scalar field."
_INT32: Final = 2**31

Found = list[Violation]


def read(body: bytes, message: str) -> dict[str, Any]:
    """A body as the message it should be, its fields in camelCase.

    Raises:
        Refused: it is no JSON, or fields are unknown or of the wrong type; all of them are named.
    """
    found: Found = []
    out = _message(message, _json(body), "", found)
    if found:
        raise unreadable(found)
    return out


def _json(body: bytes) -> Any:
    if not body.strip():
        return {}
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable([Violation("", f"{_INVALID_JSON}{error}")]) from None
    if not isinstance(given, dict):
        raise unreadable([Violation("", f"{_INVALID_JSON}Root element must be a message.")])
    return given


def _message(name: str, given: Any, path: str, found: Found) -> dict[str, Any]:
    if not isinstance(given, dict):
        found.append(_wrong(path, _PACKAGE + name, given))
        return {}
    known, out = _names(name), {}
    for key, value in given.items():
        field = known.get(key)
        if field is None:
            found.append(_unknown(key, path, "Cannot find field."))
        elif value is not None:
            out[field] = _value(MESSAGES[name][field], value, _below(path, field), found)
    return out


@cache
def _names(message: str) -> dict[str, str]:
    """How each field of a message may be spelt."""
    fields = MESSAGES[message]
    return {_snake(field): field for field in fields} | {field: field for field in fields}


def _snake(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _below(path: str, field: str) -> str:
    return f"{path}.{_snake(field)}" if path else _snake(field)


def _value(field: dict[str, Any], given: Any, path: str, found: Found) -> Any:
    if "$ref" in field:
        return _message(field["$ref"], given, path, found)
    if field["type"] == "object":
        return _map(field["additionalProperties"], given, path, found)
    if field["type"] == "array":
        items = given if isinstance(given, list) else [given]
        return [_value(field["items"], item, f"{path}[{k}]", found) for k, item in enumerate(items)]
    if isinstance(given, list | dict):
        parent, _, name = path.rpartition(".")
        found.append(_unknown(name, parent, _LIST if isinstance(given, list) else _MAP))
        return None
    return _scalar(field, given, path, found)


def _map(values: dict[str, Any], given: Any, path: str, found: Found) -> dict[str, Any]:
    if not isinstance(given, dict):
        found.append(_wrong(path, "Map", given))
        return {}
    return {
        key: _value(values, {} if value is None else value, f"{path}[{k}].value", found)
        for k, (key, value) in enumerate(given.items())
    }


def _scalar(field: dict[str, Any], given: Any, path: str, found: Found) -> Any:
    if "enum" in field:
        kind, value = _PACKAGE + _enum_name(path), _choice(field["enum"], given)
    else:
        kind, read_as = _SCALARS[field["type"]]
        value = read_as(given)
    if value is None:
        found.append(_wrong(path, kind, given))
    return value


def _enum_name(path: str) -> str:
    texts = path.endswith("type") and "score" not in path
    return "TextEntry.TextType" if texts else "AttributeParameters.ScoreType"


def _choice(choices: list[str], given: Any) -> str | None:
    """A choice by name or number; an unknown number is kept, for whoever knows what it may mean."""
    if isinstance(given, str):
        return given if given in choices else None
    if isinstance(given, bool) or not isinstance(given, int):
        return None
    return choices[given] if 0 <= given < len(choices) else str(given)


def _string(given: Any) -> str | None:
    return given if isinstance(given, str) else None


def _bool(given: Any) -> bool | None:
    return {"true": True, "false": False}.get(str(given).lower())


def _float(given: Any) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        number = float(given)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _int(given: Any) -> int | None:
    number = _float(given)
    whole = number is not None and number.is_integer() and -_INT32 <= number < _INT32
    return int(number) if whole and number is not None else None


_SCALARS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "string": ("TYPE_STRING", _string),
    "boolean": ("TYPE_BOOL", _bool),
    "number": ("TYPE_FLOAT", _float),
    "integer": ("TYPE_INT32", _int),
}


def _wrong(path: str, kind: str, given: Any) -> Violation:
    shown = msgspec.json.encode(given).decode()
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "…"
    return Violation(path, f"Invalid value at '{path}' ({kind}), {shown}")


def _unknown(name: str, parent: str, why: str) -> Violation:
    where = f" at '{parent}'" if parent else ""
    shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
    return Violation(parent, f'{_INVALID_JSON}Unknown name "{shown}"{where}: {why}')
