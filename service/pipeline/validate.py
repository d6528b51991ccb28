"""Validate: from what a website posted to a `Draft`, or to every field error at once.

Two steps. *Decoding* (`decode_json`, `decode_form`, `decode_mapping`) gives a `Submission`: the
right fields with the right types. *Checking* (`check`) gives a `Draft`: trimmed, canonical, within
every limit. Both raise `Invalid` with all the errors they can see; what cannot be read at all
raises `Malformed`. What one field may look like is in `fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from service.errors import Invalid, Malformed
from service.pipeline import fields
from service.pipeline.fields import CODES, Wrong
from service.records import Draft, FieldError, Limits, Submission

__all__ = [
    "CODES",
    "check",
    "check_edit",
    "decode_form",
    "decode_json",
    "decode_mapping",
    "explain_json",
    "form_fields",
]

ERRORS_MAX: Final = 100
"""More field errors than this are not listed."""
FORM_FIELDS_MAX: Final = 64
NOT_WITH_PUBLISHABLE: Final = ("ip", "user_agent", "referrer", "created_at")
"""What a publishable key may not set: the request itself tells it."""


class _Bounds(NamedTuple):
    """What the rules depend on besides the value itself."""

    body_max: int
    now: int | None


_Rule = Callable[[Any, _Bounds], Any]

_RULES: Final[dict[str, _Rule]] = {
    "page": lambda value, _: fields.page(value),
    "name": lambda value, _: fields.name(value),
    "email": lambda value, _: fields.email(value),
    "body": lambda value, bounds: fields.body(value, bounds.body_max),
    "page_title": lambda value, _: fields.line(value, fields.PAGE_TITLE_MAX),
    "parent": lambda value, _: fields.comment_id(value),
    "url": lambda value, _: fields.url(value),
    "ip": lambda value, _: fields.ip(value),
    "user_agent": lambda value, _: fields.line(value, fields.USER_AGENT_MAX),
    "referrer": lambda value, _: fields.line(value, fields.URL_MAX),
    "locale": lambda value, _: fields.locale(value),
    "created_at": lambda value, bounds: fields.instant(value, bounds.now),
    "elapsed_ms": lambda value, _: fields.elapsed(value),
    "honeypot": lambda value, _: fields.honeypot(value),
    "metadata": lambda value, _: fields.metadata(value),
}
"""One rule per field of a submission; `site` and `test` need none."""

_REQUIRED: Final = ("page", "name", "email", "body")
_TYPES: Final = {info.name: info.type for info in msgspec.structs.fields(Submission)}
_EXPECTED: Final = {
    "elapsed_ms": "a whole number",
    "metadata": "an object",
    "test": "true or false",
}
"""How the types of fields that are not text are called."""
_LOOSEST: Final = _Bounds(Limits().body_max, None)

_DECODER: Final = msgspec.json.Decoder(Submission)
_ANY: Final = msgspec.json.Decoder()


# ---------------------------------------------------------------------------- decode


def decode_json(text: bytes) -> Submission:
    """A submission from a JSON body.

    Raises:
        Malformed: not JSON in UTF-8, or not an object.
        Invalid: unknown or missing fields or wrong types, with whatever else is wrong beside them.
    """
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(_or_other(explain_json(text), error)) from None


def decode_mapping(data: Mapping[str, Any]) -> Submission:
    """A submission from decoded JSON, such as one item of a batch; pointers start at the item.

    Raises:
        Malformed: not an object.
        Invalid: as `decode_json`.
    """
    if not isinstance(data, Mapping):
        raise Malformed("A comment is a JSON object")
    try:
        return msgspec.convert(data, Submission)
    except (ValueError, RecursionError) as error:
        raise Invalid(_or_other(_explain(data), error)) from None


def explain_json(text: bytes) -> list[FieldError]:
    """Everything wrong with a JSON body that could not be decoded, in the order of its fields.

    Raises:
        Malformed: it is not JSON in UTF-8, or not an object.
    """
    try:
        data = _ANY.decode(text)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8") from None
    except ValueError as error:
        raise Malformed(f"The body cannot be read: {error}") from None
    except RecursionError:
        raise Malformed("The body is nested too deeply") from None
    if not isinstance(data, dict):
        raise Malformed("The body must be a JSON object")
    return _explain(data)


def form_fields(text: bytes) -> dict[str, str]:
    """The fields of an `application/x-www-form-urlencoded` body.

    Raises:
        Malformed: not such a body, not UTF-8, or with too many fields.
        Invalid: a field is given twice.
    """
    try:
        pairs = parse_qsl(
            text.decode(),
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=FORM_FIELDS_MAX,
        )
    except UnicodeDecodeError:
        raise Malformed("The form is not UTF-8") from None
    except ValueError as error:
        raise Malformed(f"The form cannot be read: {error}") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise Invalid(tuple(_error(n, "duplicate_field") for n in found if names.count(n) > 1))
    return found


def decode_form(form: Mapping[str, str]) -> Submission:
    """A submission from form fields (`form_fields`, less those that are not a comment's).

    Fields left blank that need not be filled in count as absent.

    Raises:
        Invalid: as `decode_json`.
    """
    given = {name: text for name, text in form.items() if text or name in _REQUIRED}
    return decode_mapping({name: _from_text(name, text) for name, text in given.items()})


def _from_text(name: str, text: str) -> Any:
    """The value a form's text stands for; the text itself where it stands for none."""
    if name == "elapsed_ms" and text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    if name == "test":
        return {"true": True, "1": True, "on": True, "false": False, "0": False}.get(text, text)
    if name == "metadata":
        return _json_or_text(text)
    return text


def _json_or_text(text: str) -> Any:
    try:
        return _ANY.decode(text)
    except (ValueError, RecursionError):
        return text


# --------------------------------------------------------------------------- explain


def _explain(data: Mapping[str, Any]) -> list[FieldError]:
    errors = [_error(name, "unknown_field") for name in data if name not in _TYPES]
    for name in _TYPES:
        errors += _explain_field(name, data)
    return errors


def _explain_field(name: str, data: Mapping[str, Any]) -> list[FieldError]:
    value = data.get(name)
    if value is None and name in _REQUIRED:
        return [_error(name, "required")]
    if name not in data:
        return []
    try:
        msgspec.convert(value, _TYPES[name])
    except (ValueError, RecursionError):
        expected = _EXPECTED.get(name, "text")
        return [_error(name, "wrong_type", f"Must be {expected}")]
    try:
        if value is not None and name in _RULES:
            _RULES[name](value, _LOOSEST)
    except Wrong as wrong:
        return [_error(name, wrong.code, wrong.detail)]
    return []


def _or_other(errors: list[FieldError], error: Exception) -> tuple[FieldError, ...]:
    """The explained errors; the decoder's own words where it saw what `_explain` does not."""
    return tuple(errors[:ERRORS_MAX]) or (FieldError("", "wrong_type", str(error)),)


def _error(name: str, code: str, detail: str = "") -> FieldError:
    """An error at one field: RFC 6901 escapes, and no more of an unknown name than one can read."""
    pointer = name[:100].replace("~", "~0").replace("/", "~1")
    return FieldError("/" + pointer, code, detail or CODES[code])


# ----------------------------------------------------------------------------- check


def check(
    submission: Submission,
    *,
    body_max: int,
    publishable: bool,
    now: int,
    needs_email: bool = True,
) -> Draft:
    """The draft a submission stands for.

    Args:
        submission: what was posted.
        body_max: characters the site's policy allows in a body.
        publishable: whether the key is a publishable one, which may not set some fields.
        now: ms since the epoch; `created_at` may not lie after it (five minutes are forgiven).
        needs_email: whether the address may not be empty; that of an imported comment may.

    Raises:
        Invalid: with one error per wrong field.
    """
    bounds = _Bounds(body_max, now)
    errors = _forbidden(submission) if publishable else []
    values: dict[str, Any] = {"test": submission.test}
    for name, rule in _RULES.items():
        value = getattr(submission, name)
        if name == "email" and not value and not needs_email:
            values[name] = ""
        elif value is not None:
            try:
                values[name] = rule(value, bounds)
            except Wrong as wrong:
                errors.append(_error(name, wrong.code, wrong.detail))
    if errors:
        raise Invalid(tuple(errors))
    return Draft(**values)


def check_edit(text: str, body_max: int) -> str:
    """The trimmed new body of an edited comment.

    Raises:
        Invalid: the body is empty, too long or holds control characters.
    """
    try:
        return fields.body(text, body_max)
    except Wrong as wrong:
        raise Invalid((_error("body", wrong.code, wrong.detail),)) from None


def _forbidden(submission: Submission) -> list[FieldError]:
    return [
        _error(name, "not_allowed")
        for name in NOT_WITH_PUBLISHABLE
        if getattr(submission, name) is not None
    ]
