"""`comments:analyze`, `comments:suggestscore` and the discovery document."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from litestar import Response, get, route

from service.api.compat.door import ANY, JSON, Guest, check_post, enter, exact
from service.api.compat.languages import ENGLISH, TAG_MAX, language_of
from service.api.compat.perspective import checks, discovery, payload, refusals, spans
from service.api.compat.perspective.attributes import attribute
from service.api.compat.perspective.params import Params, answered, params
from service.api.compat.perspective.refusals import refused, wrong_language
from service.api.compat.perspective.spans import Span
from service.api.requests import BULK_MAX, Req, read_body, services
from service.errors import NotFound, Unavailable
from service.pipeline.score import Scorer
from service.records import Label

_REFUSALS: Final[dict[Any, Any]] = {Exception: refusals.answer}

Scores = dict[str, float]


@route(
    "/v1alpha1/comments:analyze",
    http_method=ANY,
    request_max_body_size=BULK_MAX,
    exception_handlers=_REFUSALS,
)
async def analyze(request: Req) -> Response[bytes]:
    """Score a comment; nothing is stored."""
    asked, guest = await _entered(request)
    scorer = services(request).scorer
    body = payload.read(await read_body(request), "AnalyzeCommentRequest")
    text, wanted = checks.comment_text(body), checks.requested(body)
    detected, languages = spoken_in(scorer, text, body)
    parts = spans.sentences(text) if body.get("spanAnnotations") else [spans.whole(text)]
    language = language_of(languages[0]) if len(languages) == 1 else None
    summary, scored = await _scored(scorer, text, parts, language)
    content = {
        "attributeScores": {
            name: shown
            for name, parameters in wanted.items()
            if attribute(name).speaks(languages)
            and (shown := _shown(name, parameters, summary, scored))
        },
        "languages": languages,
        "detectedLanguages": [detected],
        **_echo(body),
    }
    return answered(asked, "AnalyzeCommentResponse", content, **guest.limits)


@route(
    "/v1alpha1/comments:suggestscore",
    http_method=ANY,
    request_max_body_size=BULK_MAX,
    exception_handlers=_REFUSALS,
)
async def suggestscore(request: Req) -> Response[bytes]:
    """Keep what somebody thinks the scores of a comment should have been."""
    asked, guest = await _entered(request)
    parts = services(request)
    body = payload.read(await read_body(request), "SuggestCommentScoreRequest")
    text, given = checks.comment_text(body), body.get("attributeScores", {})
    if not given:
        raise refused("INVALID_REQUEST", "Missing attribute_scores")
    checks.check_names(given)
    labels = {attribute(name).label: _suggested(name, row) for name, row in given.items()}
    if guest.site is None:
        raise refused("INVALID_REQUEST", "This key is no site's own: use a key of the site.")
    detected, _ = parts.scorer.language(text)
    requested = body.get("languages", [])
    label = Label(
        text=text,
        labels=labels,
        source="perspective",
        actor=guest.credential.id,
        at=parts.now(),
        language=language_of(requested[0][:TAG_MAX]) if requested else detected,
    )
    await parts.store.labels.add(guest.site, label)
    content = {"detectedLanguages": [detected], "requestedLanguages": requested, **_echo(body)}
    return answered(asked, "SuggestCommentScoreResponse", content, **guest.limits)


@get(
    ["/$discovery/rest", "/discovery/v1/apis/commentanalyzer/v1alpha1/rest"],
    exception_handlers=_REFUSALS,
    sync_to_thread=False,
)
def discovered(request: Req) -> Response[bytes]:
    """The discovery document; needs no key."""
    if request.query_params.get("version", discovery.VERSION) != discovery.VERSION:
        raise NotFound
    content = discovery.document(services(request).settings.public_url)
    return exact(msgspec.json.encode(content), media=JSON)


@route(["/v1alpha1", "/v1alpha1/{rest:path}"], http_method=ANY, exception_handlers=_REFUSALS)
async def elsewhere(request: Req) -> Response[bytes]:
    """Whatever else is asked for below /v1alpha1."""
    raise NotFound


async def _entered(request: Req) -> tuple[Params, Guest]:
    """What a request asks, and by whom.

    Raises:
        Refused: it is no POST, has no key, or one that opens nothing here.
    """
    check_post(request.method)
    asked = params(request)
    if not asked.key:
        raise refusals.no_key()
    return asked, await enter(services(request), asked.key)


def spoken_in(scorer: Scorer, text: str, body: dict[str, Any]) -> tuple[str, list[str]]:
    """The language told from the text, and those it is scored in.

    Only what is clearly another language is refused: a short or odd text counts as English.

    Raises:
        Refused: an attribute is asked for in a language that it does not know.
    """
    detected, clear = scorer.language(text)
    requested = body.get("languages", [])
    languages = requested or [detected]
    strange = [n for n in body["requestedAttributes"] if not attribute(n).speaks(languages)]
    if strange and not requested and not clear:
        return detected, [ENGLISH]
    if strange and not body.get("dropUnsupportedAttributes"):
        raise wrong_language(strange[0], languages, requested=bool(requested))
    return detected, languages


async def _scored(
    scorer: Scorer, text: str, parts: list[Span], language: str | None
) -> tuple[Scores, list[tuple[Span, Scores]]]:
    """The scores of a text and of its parts, asked for at once.

    Raises:
        Unavailable: there is no model.
    """
    texts = [text, *(part.text for part in parts if part.text != text)]
    rows = await asyncio.gather(*(scorer.judged(each, language) for each in texts))
    found = {each: scores for each, (scores, _) in zip(texts, rows, strict=True)}
    told = {each: scores for each, scores in found.items() if scores is not None}
    if len(told) < len(found):
        raise Unavailable("No model is loaded.", retry_after_s=30)
    return told[text], [(part, told[part.text]) for part in parts]


def _shown(
    name: str, parameters: dict[str, Any], summary: Scores, scored: list[tuple[Span, Scores]]
) -> dict[str, Any]:
    """An attribute's scores, without those below its threshold; empty if none is left."""
    label, least = attribute(name).label, parameters.get("scoreThreshold", 0.0)
    parts = [
        {"begin": span.begin, "end": span.end, "score": _score(scores[label])}
        for span, scores in scored
        if scores[label] >= least
    ]
    if summary[label] >= least:
        return {"summaryScore": _score(summary[label]), "spanScores": parts}
    return {"spanScores": parts} if parts else {}


def _score(value: float) -> dict[str, Any]:
    return {"value": value, "type": "PROBABILITY"}


def _suggested(name: str, row: dict[str, Any]) -> float:
    """The score somebody suggests: of the whole text, else the highest of its parts.

    Raises:
        Refused: there is none, or it is no probability.
    """
    scores = [row["summaryScore"]] if "summaryScore" in row else []
    scores = scores or [part["score"] for part in row.get("spanScores", []) if "score" in part]
    for score in scores:
        checks.check_score_type(name, score.get("type", "PROBABILITY"))
    values = [score.get("value", 0.0) for score in scores]
    if not values or not all(0.0 <= value <= 1.0 for value in values):
        why = f"A score from 0 to 1 is needed for attribute {name[:100]}"
        raise refused("INVALID_REQUEST", why)
    return float(max(values))


def _echo(body: dict[str, Any]) -> dict[str, str]:
    return {"clientToken": body["clientToken"]} if body.get("clientToken") else {}


ROUTES: tuple[Any, ...] = (analyze, suggestscore, discovered, elsewhere)
