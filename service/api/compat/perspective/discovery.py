"""The discovery document: what Google's client libraries build their methods from.

In our own words, with our own address in it: a client that reads it needs no other change.
"""

from __future__ import annotations

from typing import Any, Final

from service.api.compat.perspective.messages import MESSAGES
from service.api.compat.perspective.params import PARAMETERS

NAME: Final = "commentanalyzer"
VERSION: Final = "v1alpha1"
_METHODS: Final = {
    "analyze": ("Scores a comment.", "AnalyzeCommentRequest", "AnalyzeCommentResponse"),
    "suggestscore": (
        "Keeps what the scores of a comment should have been, to learn from.",
        "SuggestCommentScoreRequest",
        "SuggestCommentScoreResponse",
    ),
}


def document(url: str) -> dict[str, Any]:
    """The document of the installation at this URL."""
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": f"{NAME}:{VERSION}",
        "name": NAME,
        "version": VERSION,
        "revision": "20261101",
        "title": "Winnow, for Perspective clients",
        "description": "The Perspective API's methods, answered by this Winnow.",
        "ownerDomain": "google.com",  # client libraries name packages after it
        "ownerName": "Winnow",
        "protocol": "rest",
        "rootUrl": f"{url}/",
        "servicePath": "",
        "baseUrl": f"{url}/",
        "batchPath": "batch",
        "parameters": {name: _parameter(name, text) for name, text in PARAMETERS.items()},
        "schemas": {
            name: {"id": name, "type": "object", "properties": fields}
            for name, fields in MESSAGES.items()
        },
        "resources": {"comments": {"methods": {name: _method(name) for name in _METHODS}}},
    }


def _parameter(name: str, description: str) -> dict[str, Any]:
    kind = "boolean" if name == "prettyPrint" else "string"
    default = {"alt": {"default": "json"}, "prettyPrint": {"default": "true"}}.get(name, {})
    return {"type": kind, "location": "query", "description": description, **default}


def _method(name: str) -> dict[str, Any]:
    description, request, response = _METHODS[name]
    path = f"{VERSION}/comments:{name}"
    return {
        "id": f"{NAME}.comments.{name}",
        "path": path,
        "flatPath": path,
        "httpMethod": "POST",
        "description": description,
        "parameters": {},
        "parameterOrder": [],
        "request": {"$ref": request},
        "response": {"$ref": response},
    }
