"""Recorded calls of the APIs that are emulated here, for `winnow shadow`.

What was asked, what they answered, and what the doors would answer, by the doors' own tables. A
line of a recording is `{"request": …, "response": …}`, each as data or as the text that was sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Meta, Struct

from service.api.compat import moderation_inputs
from service.api.compat.akismet_request import Asked
from service.api.compat.languages import language_of
from service.api.compat.openai import SEEN, text_scores
from service.api.compat.openai_refusals import Refused
from service.api.compat.perspective.attributes import attribute, exists
from service.api.compat.perspective.routes import spoken_in
from service.errors import Unavailable
from service.pipeline.score import Scorer

T = TypeVar("T")
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Scores = dict[str, float]
"""Attribute, by the name it has in its API → score."""

SPAM: Final = "spam"
"""What Akismet's one answer is called here, and the label that stands for it."""
_BLOG: Final = "https://shadow.invalid"


class Unreadable(Exception):
    """A line is no recorded call; `str(error)` says why."""


class Recorded(Struct, frozen=True):
    """One call: its texts, and what they were scored."""

    api: str
    texts: list[str]
    theirs: list[Scores]
    request: dict[str, Any]


class Call(NamedTuple):
    """The same question to a running Winnow, with a key of one of its sites."""

    path: str
    headers: dict[str, str]
    body: bytes


_JSON: Final = {"Content-Type": "application/json"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


# --------------------------------------------------------------------------- perspective


class _Comment(Struct):
    text: Annotated[str, Meta(min_length=1)]


class _Analyze(Struct):
    comment: _Comment
    languages: list[str] = []


class _Summary(Struct):
    value: Share


class _Attribute(Struct):
    summary: _Summary | None = msgspec.field(name="summaryScore", default=None)


class _Analyzed(Struct):
    scores: dict[str, _Attribute] = msgspec.field(name="attributeScores")


def _perspective_texts(request: dict[str, Any]) -> list[str]:
    return [_typed(request, _Analyze).comment.text]


def _perspective_scores(response: Any) -> list[Scores]:
    rows = _typed(response, _Analyzed).scores
    return [{name: row.summary.value for name, row in rows.items() if row.summary}]


async def _perspective_ours(scorer: Scorer, recorded: Recorded) -> list[Scores]:
    (text,), asked = recorded.texts, _perspective_request(recorded)
    _, languages = spoken_in(scorer, text, asked)
    language = language_of(languages[0]) if len(languages) == 1 else None
    scores, _ = await scorer.judged(text, language)
    if scores is None:
        raise Unavailable("No model could score a text.")
    known = {name: attribute(name) for name in asked["requestedAttributes"]}
    return [{name: scores[a.label] for name, a in known.items() if a.speaks(languages)}]


def _perspective_call(recorded: Recorded, key: str) -> Call | None:
    asked = _perspective_request(recorded)
    if not asked["requestedAttributes"]:
        return None
    headers = {**_JSON, "X-Goog-Api-Key": key}
    return Call("/v1alpha1/comments:analyze", headers, msgspec.json.encode(asked))


def _perspective_request(recorded: Recorded) -> dict[str, Any]:
    """The same question about attributes that are known here."""
    asked = _typed(recorded.request, _Analyze)
    return {
        "comment": {"text": asked.comment.text},
        "requestedAttributes": {name: {} for name in recorded.theirs[0] if exists(name)},
        "languages": asked.languages,
        "dropUnsupportedAttributes": True,
        "doNotStore": True,
    }


# -------------------------------------------------------------------------------- openai


class _Result(Struct):
    scores: dict[str, Share] = msgspec.field(name="category_scores")


class _Moderated(Struct):
    results: list[_Result]


def _openai_texts(request: dict[str, Any]) -> list[str]:
    try:
        return moderation_inputs.read(msgspec.json.encode(request)).texts
    except Refused as refused:
        raise Unreadable(f"the request: {refused}") from None


def _openai_scores(response: Any) -> list[Scores]:
    return [dict(result.scores) for result in _typed(response, _Moderated).results]


async def _openai_ours(scorer: Scorer, recorded: Recorded) -> list[Scores]:
    found = [await text_scores(scorer, text) for text in recorded.texts]
    return [{name: SEEN[name](scores) for name in SEEN} for scores in found]


def _openai_call(recorded: Recorded, key: str) -> Call:
    headers = {**_JSON, "Authorization": f"Bearer {key}"}
    return Call("/v1/moderations", headers, msgspec.json.encode({"input": recorded.texts}))


# ------------------------------------------------------------------------------- akismet


def _akismet_texts(request: dict[str, Any]) -> list[str]:
    text = _asked(request).draft(0).body
    if not text:
        raise Unreadable("the request: 'comment_content' is empty or missing")
    return [text]


def _asked(request: dict[str, Any]) -> Asked:
    return Asked({name: str(value) for name, value in request.items()}, "")


def _akismet_scores(response: Any) -> list[Scores]:
    if not isinstance(response, bool):
        raise Unreadable("the response: neither 'true' nor 'false'")
    return [{SPAM: float(response)}]


async def _akismet_ours(scorer: Scorer, recorded: Recorded) -> list[Scores]:
    scores, _ = await scorer.judged(recorded.texts[0])
    if scores is None:
        raise Unavailable("No model could score a text.")
    return [{SPAM: scores[SPAM]}]


def _akismet_call(recorded: Recorded, key: str) -> Call:
    fields = {"blog": _BLOG, **_asked(recorded.request).fields, "is_test": "1", "api_key": key}
    return Call("/1.1/comment-check", _FORM, urlencode(fields).encode())


# --------------------------------------------------------------------------- all of them


class Api(NamedTuple):
    """How one API's calls are read, scored here, and asked again."""

    texts: Callable[[dict[str, Any]], list[str]]
    scores: Callable[[Any], list[Scores]]
    ours: Callable[[Scorer, Recorded], Awaitable[list[Scores]]]
    call: Callable[[Recorded, str], Call | None]
    """None where nothing that was asked for is known here."""


APIS: Final[Mapping[str, Api]] = {
    "perspective": Api(
        _perspective_texts, _perspective_scores, _perspective_ours, _perspective_call
    ),
    "openai": Api(_openai_texts, _openai_scores, _openai_ours, _openai_call),
    "akismet": Api(_akismet_texts, _akismet_scores, _akismet_ours, _akismet_call),
}


def recorded(line: bytes, api: str | None = None) -> Recorded:
    """A line of a recording.

    Args:
        line: JSON.
        api: a key of `APIS`; None = told by the response.

    Raises:
        Unreadable.
    """
    row = _object(_json(line), "the line")
    if "text" in row and "scores" in row:
        row = _long_form(row)
    if "request" not in row or "response" not in row:
        raise Unreadable("'request' and 'response' are needed, or 'text' and 'scores'")
    request, response = _object(_data(row["request"]), "the request"), _data(row["response"])
    api = api or _told(response)
    read = APIS[api]
    theirs, texts = read.scores(response), read.texts(request)
    if len(theirs) != len(texts):
        raise Unreadable(f"{len(texts)} texts, but {len(theirs)} results")
    return Recorded(api, texts, theirs, request)


def answer_of(api: str, body: bytes) -> list[Scores]:
    """The scores in an answer of ours.

    Raises:
        Unreadable: it holds none.
    """
    rows = APIS[api].scores(_json(body))
    if api != "openai":
        return rows
    # The door answers 0 for categories that it cannot see: that is no score to compare.
    return [{name: score for name, score in row.items() if name in SEEN} for row in rows]


def _long_form(row: dict[str, Any]) -> dict[str, Any]:
    """`{"text", "scores", "languages"}` as a call of Perspective."""
    scores = _object(row["scores"], "'scores'")
    shown = {name: {"summaryScore": {"value": value}} for name, value in scores.items()}
    request = {"comment": {"text": row["text"]}, "languages": row.get("languages", [])}
    return {"request": request, "response": {"attributeScores": shown}}


def _told(response: Any) -> str:
    if isinstance(response, bool):
        return "akismet"
    if isinstance(response, dict):
        if "attributeScores" in response:
            return "perspective"
        if "results" in response:
            return "openai"
    raise Unreadable("the response: neither 'attributeScores', nor 'results', nor true or false")


def _data(value: Any) -> Any:
    """What was recorded as data, or as the text that was sent: JSON, or a form."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return dict(parse_qsl(value, keep_blank_values=True))


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not an object")
    return value


def _typed(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Unreadable(str(error)) from None
