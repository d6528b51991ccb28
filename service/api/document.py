"""The OpenAPI document, made from what every route declares about itself.

Litestar's own generator reads parameters from signatures and cannot see bare ASGI routes; routes
here read their bodies themselves (to name every wrong field), so each carries an `Operation`
instead. The JSON Schemas come from msgspec, from the very types that decode and encode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct

HEADERS: Final[dict[str, str]] = {
    "Idempotency-Key": "Any text of 1 to 255 characters, new for every request: the same key and "
    "body get the same answer for seven days, another body is refused.",
    "If-Match": "The version you read, as its ETag: if it is not current, nothing changes.",
    "If-None-Match": "The ETag you have: an unchanged answer is 304 with no body.",
    "Last-Event-ID": "The id of the last event you have seen.",
}
"""Every request header an operation may name, and what it does."""

_HEADER_RULES: Final[dict[str, dict[str, Any]]] = {
    # One character at least that is neither a space nor a quotation mark: those are taken off.
    "Idempotency-Key": {"minLength": 1, "maxLength": 255, "pattern": '[^\\s"]'},
}

REF: Final = "#/components/schemas/{name}"


class Param(Struct, frozen=True):
    """One query parameter."""

    name: str
    description: str
    schema: dict[str, Any]
    required: bool = False


class Operation(Struct, frozen=True, kw_only=True):
    """What one route and method take and answer."""

    summary: str
    tag: str
    scope: str = ""
    """The scope a key needs; empty = no key."""
    body: Any = None
    optional_body: bool = False
    """Whether the body may be left out: then it is as `{}`."""
    forms: bool = False
    """Whether the body may also come as a form."""
    query: tuple[Param, ...] = ()
    answers: dict[int, Any]
    """Status → type of the JSON body (a tuple: one of these); None = no body; str = another media
    type."""
    also: tuple[str, ...] = ()
    """Other media types that 200 may be answered in, where the caller asks for them."""
    problems: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    description: str = ""


def text_param(name: str, description: str, *, required: bool = False) -> Param:
    """A text parameter."""
    least = {"minLength": 1} if required else {}
    return Param(name, description, {"type": "string", "maxLength": 2048} | least, required)


def whole_param(name: str, description: str, low: int, high: int, default: int) -> Param:
    """A whole number in low..high."""
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return Param(name, description, schema)


def choice_param(name: str, description: str, *choices: str) -> Param:
    """One of a few words; the first is the default."""
    return Param(
        name, description, {"type": "string", "enum": list(choices), "default": choices[0]}
    )


SITE = text_param("site", "The site's id; implied where the key reaches only one.")
CURSOR = text_param("cursor", "Where the previous page ended, as it was given.")


def openapi(
    routes: Iterable[tuple[str, str, Operation]], *, version: str, server: str, problem: type
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `(path, method, operation)` rows."""
    rows = list(routes)
    types = {id(kind): kind for row in rows for kind in _types(row[2])}
    kinds = [*types.values(), problem]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REF)
    by_type = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for path, method, operation in rows:
        shown = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
        paths.setdefault(shown, {})[method.lower()] = _operation(
            shown, method, operation, by_type, by_type[id(problem)]
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Winnow", "version": version},
        "servers": [{"url": server}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _types(operation: Operation) -> list[Any]:
    kinds = [kind for answer in operation.answers.values() for kind in _alternatives(answer)]
    return [*kinds, operation.body] if operation.body is not None else kinds


def _alternatives(answer: Any) -> tuple[Any, ...]:
    """The JSON types an answer may have."""
    if answer is None or isinstance(answer, str):
        return ()
    return answer if isinstance(answer, tuple) else (answer,)


def _operation(
    path: str, method: str, operation: Operation, by_type: Mapping[int, Any], problem: Any
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": _name(path, method),
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_path_params(path), *_query(operation), *_headers(operation)],
        "responses": _responses(operation, by_type, problem),
    }
    if operation.description:
        document["description"] = operation.description
    if operation.scope:
        document["security"] = [{"key": [operation.scope]}]
    if operation.body is not None:
        media = {"application/json": {"schema": by_type[id(operation.body)]}}
        if operation.forms:
            media["application/x-www-form-urlencoded"] = {"schema": {"type": "object"}}
        document["requestBody"] = {"required": not operation.optional_body, "content": media}
    return document


def _name(path: str, method: str) -> str:
    words = re.sub(r"[^a-z0-9]+", " ", path.lower().replace("{", " by ")).split()
    return "_".join([method.lower(), *(word for word in words if word != "v1")])


def _path_params(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": param.name,
            "in": "query",
            "description": param.description,
            "required": param.required,
            "schema": param.schema,
        }
        for param in operation.query
    ]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "header",
            "description": HEADERS[name],
            "required": False,
            "schema": {"type": "string"} | _HEADER_RULES.get(name, {}),
        }
        for name in operation.headers
    ]


def _responses(operation: Operation, by_type: Mapping[int, Any], problem: Any) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, kind in operation.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase} | _content(
            kind, by_type
        )
    for media in operation.also:
        responses["200"]["content"][media] = {"schema": {"type": "string"}}
    for status in sorted({*operation.problems, *_anywhere(operation)}):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": problem}},
        }
    return responses


def _anywhere(operation: Operation) -> Iterator[int]:
    """What the outermost layer may answer in an operation's stead (`api/edge`)."""
    if operation.body is not None:
        yield 408
        yield 415
    if operation.scope:
        yield 429
    if operation.tag != "Ops" and 503 not in operation.answers:
        yield 503


def _content(kind: Any, by_type: Mapping[int, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    if isinstance(kind, str):
        return {"content": {kind: {"schema": {"type": "string"}}}}
    schemas = [by_type[id(alternative)] for alternative in _alternatives(kind)]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"content": {"application/json": {"schema": schema}}}
