"""What the API fuzzer is told beyond the document: things that exist, and what a schema cannot say.

Loaded by schemathesis (`SCHEMATHESIS_HOOKS=tests.fuzz.hooks`); `WINNOW_FUZZ_KNOWN` holds ids of
things that exist, as JSON.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, Final

import schemathesis
from schemathesis import Case
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response

KNOWN: Final[dict[str, str]] = json.loads(os.environ["WINNOW_FUZZ_KNOWN"])
"""Name of a path or query parameter → something that exists."""

UNSAID: Final[dict[str, str]] = {
    "unknown_site": "whether a site exists",
    "unknown_parent": "whether a comment exists",
    "unknown_label": "which labels the model has",
    "invalid_email": "format is an annotation; a syntax of its own",
    "invalid_url": "as above",
    "invalid_time": "as above",
    "invalid_date": "as above",
    "invalid_ip": "as above",
    "idempotency_mismatch": "what a key was used for before",
    "invalid_locale": "as above",
    "invalid_signal": "the names of signals",
    "invalid_pattern": "RE2's syntax",
    "invalid_author": "as above",
    "invalid_cursor": "a cursor is opaque",
    "invalid_version": "an ETag is opaque",
    "unchanged": "what a comment's text is",
    "blank": "what is left after trimming",
    "empty": "as above",
    "duplicate": "that two entries of a list are one to us",
    "out_of_order": "that one threshold is at least another",
    "too_costly": "what patterns cost together",
    "matches_everything": "what a pattern matches",
    "too_large": "bytes of a document",
    "too_deep": "levels of a document",
    "control_character": "which characters cannot be seen",
    "not_utf8": "lone surrogates",
}
"""Codes that schema-valid data may be refused with, and what the schema would have to say."""
UNSAID_OF: Final[dict[tuple[str, str], str]] = {
    ("/site", "required"): "that a key reaches several sites",
    ("/sites", "required"): "that only an admin needs none",
    ("/text", "required"): "that one of `text` and `texts` is needed",
    ("/email", "required"): "that one of `email` and `author` is needed",
    ("/value", "required"): "that an id which names nothing needs `kind` and `value`",
    ("/kind", "required"): "that `kind` and `value` belong together",
    ("/min", "out_of_range"): "that `min` needs a `label`",
    ("/scopes", "out_of_range"): "which scopes a kind of key may have",
}
"""The same for one field."""
FLOAT: Final = "got `float`"
"""1.0 is an integer to JSON Schema; Winnow takes integers as they are written."""


class SchemaSaysMore(Failure):
    """Data the document allows was refused for a reason that it could have given."""

    title = "Schema-valid request refused for what the schema could have said"
    message = "see the answer"


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """Most requests are about things that exist; what would delete them is not."""
    if path_parameters and context.operation.method.lower() != "delete":
        for name in path_parameters:
            if name in KNOWN and hash(str(path_parameters)) % 4:
                path_parameters[name] = KNOWN[name]
    return path_parameters


@schemathesis.hook
def map_query(context: Any, query: dict[str, Any]) -> dict[str, Any]:
    """An admin key reaches every site, so that one must be named."""
    if any(p.name == "site" for p in context.operation.query):
        query = (query or {}) | {"site": KNOWN["site"]}
    return query


@schemathesis.check
def schema_says_why(context: Any, response: Response, case: Case) -> None:
    """Valid data are accepted, or refused for what no schema can say."""
    meta = case.meta
    positive = meta is not None and meta.generation.mode.is_positive
    if not positive or response.status_code not in (400, 422):
        return
    errors = json.loads(response.content).get("errors", [])
    unsaid = [
        error["code"] in UNSAID
        or (re.sub(r"/\d+$", "", error["pointer"]), error["code"]) in UNSAID_OF
        or (error["code"] == "wrong_type" and FLOAT in error["detail"])
        for error in errors
    ]
    if not unsaid or not all(unsaid):
        raise SchemaSaysMore(
            operation=case.operation.label,
            message=json.dumps([(e["pointer"], e["code"], e["detail"]) for e in errors])[:500]
            or response.text[:300],
        )
