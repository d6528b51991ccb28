"""Requests to Perspective's door as a client writes them, and its errors as a client reads them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.conftest import Site

ANALYZE = "/v1alpha1/comments:analyze"
SUGGEST = "/v1alpha1/comments:suggestscore"
ABUSE = "You are a complete idiot, get lost."
ERROR = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def asked(text: str = ABUSE, *names: str, **more: Any) -> dict[str, Any]:
    """An analyze request; a field given as None is left out."""
    plain = {
        "comment": {"text": text},
        "requestedAttributes": {name: {} for name in names or ("TOXICITY",)},
    }
    return {name: value for name, value in (plain | more).items() if value is not None}


def post(site: Site, path: str, body: Any, key: str | None = None, **more: Any) -> httpx.Response:
    """A POST with this site's compat key in the query, or another key, or ('') none."""
    params = {"key": compat_key(site) if key is None else key} | more.pop("params", {})
    kind = "json" if isinstance(body, dict) else "content"
    params = {name: value for name, value in params.items() if value}
    return site.winnow.http.post(path, params=params, **{kind: body}, **more)


def compat_key(site: Site) -> str:
    """The site's compat key, made when first asked for."""
    if not hasattr(site, "compat"):
        site.compat = site.key("compat")  # type: ignore[attr-defined]
    return str(site.compat)  # type: ignore[attr-defined]


def analyzed(site: Site, body: Any, **more: Any) -> dict[str, Any]:
    """The answer to an analyze request that is fine."""
    answer = post(site, ANALYZE, body, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error of an answer, which must have Google's shape and a first detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json()) == {"error"}
    error = dict(answer.json()["error"])
    assert set(error) == {"code", "message", "status", "details"}
    assert error["code"] == status
    assert error["message"]
    assert error["details"][0]["@type"].startswith("type.googleapis.com/")
    return error
