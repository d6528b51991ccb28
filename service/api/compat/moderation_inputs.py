"""What a moderation request asks: a text, several texts, or one input of text and image parts."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from service.api.compat.openai_refusals import Refused

TEXTS_MAX: Final = 500
"""Texts, or parts, of one request."""
TEXT_MAX: Final = 100_000
"""Characters of one text."""

_INPUT: Final = "input"
_KINDS: Final = {str: "a string", list: "an array", dict: "an object", type(None): "null"}


class Asked(NamedTuple):
    """The texts to classify, one result each, and the model's name as it was given."""

    texts: list[str]
    model: str


def read(body: bytes) -> Asked:
    """A request's body.

    Raises:
        Refused: says which parameter is wrong.
    """
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = f"We could not parse the JSON body of your request: {error}."
        raise Refused(why) from None
    if not isinstance(given, dict):
        raise Refused(f"Invalid body: expected an object, but got {_kind(given)} instead.")
    model = given.get("model")
    if not isinstance(model, str | None):
        raise _wrong_type("model", "a string", model)
    if _INPUT not in given:
        raise Refused("Missing required parameter: 'input'.", _INPUT, "missing_required_parameter")
    return Asked(_texts(given[_INPUT]), model or "")


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [_text(given, _INPUT)]
    if not isinstance(given, list):
        raise _wrong_type(_INPUT, "a string or an array", given)
    if not given:
        raise Refused("Invalid 'input': the array is empty.", _INPUT, "empty_array")
    if len(given) > TEXTS_MAX:
        why = f"Invalid 'input': at most {TEXTS_MAX} elements, but got {len(given)}."
        raise Refused(why, _INPUT, "array_above_max_length")
    if isinstance(given[0], dict):
        return [_joined(given)]
    return [_text(item, f"{_INPUT}[{k}]") for k, item in enumerate(given)]


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str):
        raise _wrong_type(where, "a string", given)
    if len(given) > TEXT_MAX:
        why = f"Invalid '{where}': at most {TEXT_MAX} characters, but got {len(given)}."
        raise Refused(why, _INPUT, "string_above_max_length")
    return given


def _joined(parts: list[Any]) -> str:
    """The texts of a list of parts as one; images cannot be looked at."""
    found = [_part(part, f"{_INPUT}[{k}]") for k, part in enumerate(parts)]
    texts = [text for text in found if text is not None]
    if not texts:
        why = "Images cannot be looked at here: send a part of type 'text' as well."
        raise Refused(why, _INPUT, "unsupported_input")
    return _text("\n".join(texts), _INPUT)


def _part(given: Any, where: str) -> str | None:
    """A part's text; None for an image."""
    if not isinstance(given, dict):
        raise _wrong_type(where, "an object", given)
    kind = given.get("type")
    if kind == "text":
        return _text(given.get("text"), f"{where}.text")
    if kind != "image_url":
        shown = msgspec.json.encode(kind).decode()[:100]
        why = f"Invalid '{where}.type': {shown}. Supported values are: 'text' and 'image_url'."
        raise Refused(why, _INPUT, "invalid_value")
    image = given.get("image_url")
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        raise _wrong_type(f"{where}.image_url", "an object with a 'url'", image)
    return None


def _wrong_type(where: str, expected: str, given: Any) -> Refused:
    why = f"Invalid type for '{where}': expected {expected}, but got {_kind(given)} instead."
    return Refused(why, where.partition("[")[0], "invalid_type")


def _kind(given: Any) -> str:
    return _KINDS.get(type(given), "a boolean" if isinstance(given, bool) else "a number")
