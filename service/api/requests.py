"""Reading requests: who calls, from where, and a body or query that keeps its rules."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final, TypeVar, cast

import msgspec
from litestar import Request

from service import auth
from service.errors import Malformed, UnsupportedMediaType, invalid
from service.records import Credential
from service.services import Services
from service.store.queues import Position

T = TypeVar("T")
Req = Request[Any, Any, Any]

BODY_MAX: Final = 65_536
"""Bytes of one request's body (api.md)."""
BULK_MAX: Final = 8 * 1024 * 1024
"""Bytes of a request that carries up to 500 comments or decisions."""

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_AT = re.compile(r" - at `\$(.*)`$")


def request_id(request: Req) -> str:
    """The request's id, as `X-Request-Id` gives it."""
    return str(request.scope.get("request_id", ""))


def services(request: Req) -> Services:
    """The parts of this process."""
    return cast(Services, request.app.state.services)


async def caller(request: Req, scope: auth.Scope) -> Credential:
    """Who is calling, if they may do this.

    Raises:
        Unauthenticated, Forbidden.
    """
    parts = services(request)
    credential = await parts.gate.credential(request.headers.get("authorization", ""), parts.now())
    auth.allow(credential, scope)
    return credential


async def read_json(request: Req, kind: type[T]) -> T:
    """The request's body as `kind`.

    Raises:
        UnsupportedMediaType, Malformed, Invalid.
    """
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if media.lower() not in ("application/json", ""):
        raise UnsupportedMediaType("Send application/json.")
    return decode(await read_body(request), kind)


async def read_body(request: Req) -> bytes:
    """The request's body.

    Raises:
        TooSlow: it did not arrive in time (`api/arriving`).
    """
    return await request.body()


def decode(body: bytes, kind: type[T]) -> T:
    """JSON text as `kind`.

    Raises:
        Malformed: not JSON at all.
        Invalid: a field breaks a rule; names it.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return cast(T, decoder.decode(body))
    except msgspec.ValidationError as error:
        raise _explained(_with_keys(str(error), body, decoder)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The body is not JSON: {error}.") from None


def _with_keys(message: str, body: bytes, decoder: msgspec.json.Decoder[Any]) -> str:
    """msgspec's sentence with the key of a mapping where it only says `[...]`.

    Finds it by leaving out one entry after the other until the sentence changes.
    """
    at = _AT.search(message)
    if at is None or "[...]" not in at[1]:
        return message
    document = msgspec.json.decode(body)
    outer = at[1].partition("[...]")[0]
    mapping = document
    for name in filter(None, outer.split(".")):
        mapping = mapping.get(name) if isinstance(mapping, dict) else None
    for key in list(mapping) if isinstance(mapping, dict) else []:
        kept = mapping.pop(key)
        try:
            decoder.decode(msgspec.json.encode(document))
            changed = True
        except msgspec.ValidationError as error:
            changed = str(error) != message
        mapping[key] = kept
        if changed:
            named = key.replace("~", "~0").replace("/", "~1")
            return message.replace(f"{outer}[...]", f"{outer}.{named}", 1)
    return message


def _explained(message: str) -> Exception:
    """msgspec's sentence as a field error with an RFC 6901 pointer."""
    at = _AT.search(message)
    pointer = re.sub(r"\.|\[", "/", (at[1] if at else "")).replace("]", "")
    text = _AT.sub("", message)
    field = re.search(r"field `([^`]+)`", text)
    if text.startswith("Object missing required") and field:
        return invalid(f"{pointer}/{field[1]}", "required", "this field is required")
    if text.startswith("Object contains unknown") and field:
        return invalid(f"{pointer}/{field[1]}", "unknown_field", "there is no such field")
    code = "wrong_type" if text.startswith("Expected `") and ", got `" in text else "out_of_range"
    if " of length <= " in text:
        code = "too_long"
    return invalid(pointer, code, text)


class Query:
    """The query string of a request, every value with its rule."""

    def __init__(self, request: Req, *known: str) -> None:
        self._values = request.query_params
        for name in self._values:
            if name not in known:
                raise invalid(f"/{name}", "unknown_field", "there is no such parameter")

    def text(self, name: str, default: str = "") -> str:
        """A text value, at most 2,048 characters.

        Raises:
            Invalid.
        """
        value = str(self._values.get(name, default))
        if len(value) > 2048:
            raise invalid(f"/{name}", "too_long", "at most 2048 characters")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number in low..high.

        Raises:
            Invalid.
        """
        value = self.text(name)
        if not value:
            return default
        digits = value.isascii() and value.isdigit() and len(value) <= 12
        if not digits or not low <= int(value) <= high:
            raise invalid(f"/{name}", "out_of_range", f"a whole number from {low} to {high}")
        return int(value)

    def share(self, name: str) -> float | None:
        """A number in 0..1, or None.

        Raises:
            Invalid.
        """
        value = self.text(name)
        if not value:
            return None
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0.0 <= number <= 1.0:
            raise invalid(f"/{name}", "out_of_range", "a number from 0 to 1")
        return number

    def choice(self, name: str, default: str, *choices: str) -> str:
        """One of a few words.

        Raises:
            Invalid.
        """
        value = self.text(name) or default
        if value not in choices:
            raise invalid(f"/{name}", "out_of_range", f"one of {', '.join(choices)}")
        return value

    def cursor(self) -> Position | None:
        """Where the previous page ended, or None.

        Raises:
            Invalid.
        """
        return position(self.text("cursor"))


def position(cursor: str) -> Position | None:
    """The position behind an opaque cursor; None where there is none.

    Raises:
        Invalid: it was not given by `cursor`.
    """
    if not cursor:
        return None
    try:
        score, _, comment_id = base64.urlsafe_b64decode(cursor + "==").decode().partition(":")
        return Position(int(score), comment_id)
    except (ValueError, binascii.Error):
        raise invalid("/cursor", "invalid_cursor", "use a cursor as it was given") from None


def cursor(position: Position | None) -> str | None:
    """The opaque cursor behind a position."""
    if position is None:
        return None
    text = f"{position.score}:{position.id}".encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def operation(request: Req, credential: Credential) -> str | None:
    """The operation an Idempotency-Key names: of this caller only.

    Raises:
        Invalid: the key is empty or too long.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    key = key.strip().strip('"')
    if not 1 <= len(key) <= 255:
        raise invalid("/Idempotency-Key", "out_of_range", "1 to 255 characters")
    return f"{credential.actor} {key}"


async def one_site(request: Req, credential: Credential, named: str) -> str:
    """The site a request is about: named, or the only one the caller sees.

    Raises:
        Forbidden: the key does not reach it.
        Invalid: several are possible, or there is no such site.
    """
    parts = services(request)
    if named:
        auth.reach(credential, named)
        await parts.rules.get(named)
        return named
    sites = await parts.gate.sites(credential)
    if len(sites) != 1:
        raise invalid("/site", "required", "this key reaches several sites: name one")
    return sites[0]


def is_known(request: Req, tag: str) -> bool:
    """Whether `If-None-Match` names this ETag: weakly, in a list, or by `*` (RFC 9110, 13.1.2)."""
    given = request.headers.get("if-none-match", "")
    tags = {item.strip().removeprefix("W/") for item in given.split(",")}
    return tag in tags or "*" in tags


def if_match(request: Req) -> int | None:
    """The version `If-Match` names, None where it is absent or `*`.

    Raises:
        Invalid: it is not a version.
    """
    value = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if value in ("", "*"):
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise invalid("/If-Match", "invalid_version", "the ETag as it was given")
    return int(value)
