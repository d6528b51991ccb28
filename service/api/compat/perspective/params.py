"""The query parameters that every method of a Google API takes, and what they do to an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Response

from service.api.compat.door import JSON, exact
from service.api.compat.perspective import masks
from service.api.compat.perspective.refusals import Refused, Violation, unreadable
from service.api.requests import Req

PARAMETERS: Final[dict[str, str]] = {
    "key": "A key of a site: of the kind compat, secret or admin.",
    "access_token": "Instead of key.",
    "oauth_token": "Instead of key.",
    "alt": "The form of the answer: json.",
    "callback": "A JavaScript function to call with the answer.",
    "fields": "Which fields of the answer to send.",
    "prettyPrint": "Whether the answer has line breaks and indents.",
    "quotaUser": "Accepted; means nothing here.",
    "uploadType": "Accepted; means nothing here.",
    "upload_protocol": "Accepted; means nothing here.",
    "$.xgafv": "The form of errors, 1 or 2: the same here.",
}
"""Every query parameter, and what it does."""

_CHOICES: Final = {"alt": ("json",), "$.xgafv": ("1", "2")}
_KEYS: Final = ("key", "access_token", "oauth_token")
_CALLBACK: Final = re.compile(r"[A-Za-z_$][\w$.]{0,99}")
_SCRIPT: Final = "text/javascript; charset=UTF-8"


class Params(NamedTuple):
    """What the query and the headers of a request say, apart from its body."""

    key: str
    mask: masks.Mask
    pretty: bool
    callback: str


def params(request: Req) -> Params:
    """The key, wherever it is, and how the answer should look.

    Raises:
        Refused: a parameter is unknown, or its value is.
    """
    query: dict[str, str] = {}
    wrong = []
    for name, value in request.query_params.multi_items():
        known = name if name in PARAMETERS else name.removeprefix("$")
        if known not in PARAMETERS:
            wrong.append(_unbound(name))
        elif value not in _CHOICES.get(known, (value,)):
            wrong.append(Violation(name, f"Invalid value at '{name}', \"{value[:100]}\""))
        elif value:
            query[known] = value
    if wrong:
        raise unreadable(wrong)
    callback = query.get("callback", "")
    if callback and not _CALLBACK.fullmatch(callback):
        raise unreadable([Violation("callback", "Invalid value at 'callback'")])
    return Params(
        key=next(_keys(query, request), ""),
        mask=_mask(query.get("fields", "")),
        pretty=query.get("prettyPrint", "true").lower() not in ("false", "0"),
        callback=callback,
    )


def _keys(query: dict[str, str], request: Req) -> Iterator[str]:
    """Every place a key may be in, in the order of precedence."""
    yield from (query[name] for name in _KEYS[:1] if name in query)
    if given := request.headers.get("x-goog-api-key", "").strip():
        yield given
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        yield token.strip()
    yield from (query[name] for name in _KEYS[1:] if name in query)


def _unbound(name: str) -> Violation:
    shown = name[:100]
    return Violation(
        "",
        f'Invalid JSON payload received. Unknown name "{shown}": Cannot bind query parameter. '
        f"Field '{shown}' could not be found in request message.",
    )


def _mask(text: str) -> masks.Mask:
    try:
        return masks.parsed(text)
    except ValueError as error:
        raise _bad_mask(str(error)) from None


def _bad_mask(path: str) -> Refused:
    why = f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'."
    return unreadable([Violation(path, why)], "Request contains an invalid argument.")


def answered(
    asked: Params, message: str, content: dict[str, Any], **headers: str
) -> Response[bytes]:
    """The answer of a method: `content` is a message of the type `message`.

    Raises:
        Refused: the field mask names what the message does not have.
    """
    try:
        shown = masks.masked(asked.mask, message, content)
    except LookupError as error:
        raise _bad_mask(str(error.args[0])) from None
    text = msgspec.json.encode(shown)
    if asked.pretty:
        text = msgspec.json.format(text) + b"\n"
    if asked.callback:
        text = b"// API callback\n%s(%s);" % (asked.callback.encode(), text.strip())
    return exact(text, media=_SCRIPT if asked.callback else JSON, headers=headers)
