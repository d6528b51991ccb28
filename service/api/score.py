"""`POST /v1/score`: what the checks say about a text; stores nothing."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Response, post
from msgspec import UNSET, Meta, Struct, UnsetType

from service import auth
from service.api import answers
from service.api.document import Operation
from service.api.requests import BULK_MAX, Req, caller, read_json, services
from service.errors import Unavailable, invalid
from service.pipeline.decide import decide_text
from service.pipeline.rules import Rules
from service.pipeline.score import Explained
from service.records import Draft, Policy

Text = Annotated[str, Meta(min_length=1, max_length=10_000)]


class ScoreIn(Struct, forbid_unknown_fields=True):
    """One text or several."""

    text: Text | UnsetType = UNSET
    texts: Annotated[list[Text], Meta(min_length=1, max_length=500)] | UnsetType = UNSET
    site: str | None = None
    explain: bool = True


class TokenOut(Struct):
    """What one token added to the margin of a label (log-odds)."""

    start: int
    end: int
    text: str
    contribution: float


class CounterfactualOut(Struct):
    """The score without one thing."""

    without: str
    score: float


class ScoreOut(Struct, kw_only=True):
    """What the checks say."""

    scores: dict[str, float]
    reasons: list[answers.ReasonOut]
    model: str
    label: str | UnsetType = UNSET
    """The label that is explained: the strongest."""
    spans: list[tuple[int, int]] | UnsetType = UNSET
    tokens: list[TokenOut] | UnsetType = UNSET
    bias: float | UnsetType = UNSET
    rest: float | UnsetType = UNSET
    """Taken off where one window of a long text decided: margin = bias + rest + contributions."""
    margin: float | UnsetType = UNSET
    counterfactual: list[CounterfactualOut] | UnsetType = UNSET


class ScoresOut(Struct, kw_only=True):
    """One result for each text, or the one text's own."""

    items: list[ScoreOut]
    model: str
    next: str | None = None


@post(
    "/v1/score",
    status_code=200,
    request_max_body_size=BULK_MAX,
    opt={
        "operation": Operation(
            summary="Score a text without storing it",
            scope="score",
            body=ScoreIn,
            answers={200: (ScoreOut, ScoresOut)},
            problems=(400, 401, 403, 404, 413, 415, 422, 429, 503),
            tag="Websites",
            description="`text` answers one result, `texts` a list in the same order.",
        )
    },
)
async def score(request: Req) -> Response[bytes]:
    """Score one text or several."""
    parts = services(request)
    credential = await caller(request, "score")
    await parts.throttle.submission(credential, "")
    asked = await read_json(request, ScoreIn)
    if (asked.text is UNSET) == (asked.texts is UNSET):
        raise invalid("/text", "required", "send either 'text' or 'texts'")
    site = asked.site or only(credential.sites)
    if site:
        auth.reach(credential, site)
    rules = await parts.rules.get(site) if site else None
    if asked.texts is UNSET:
        return answers.answer(await _one(request, asked.text, rules, asked.explain))  # type: ignore[arg-type]
    items = await asyncio.gather(
        *(_one(request, text, rules, asked.explain) for text in asked.texts)
    )
    return answers.answer(ScoresOut(items=list(items), model=parts.scorer.version))


def only(sites: frozenset[str] | None) -> str | None:
    """The one site a key reaches; None where it reaches several or all."""
    return next(iter(sites)) if sites is not None and len(sites) == 1 else None


async def _one(request: Req, text: str, rules: Rules | None, explain: bool) -> ScoreOut:
    parts = services(request)
    draft = Draft(page="/", name="", email="", body=text)
    scored = await parts.scorer.score(draft)
    if scored.scores is None:
        raise Unavailable("No model is loaded.", retry_after_s=30)
    policy = rules.policy if rules else Policy()
    lists = rules.lists if rules else parts.rules.no_lists
    verdict = decide_text(draft, scored, policy, lists, now=parts.now())
    verdict = parts.intake.pointed(verdict, text)
    out = ScoreOut(
        scores=scored.scores,
        reasons=[answers.reason_out(reason) for reason in verdict.reasons],
        model=scored.model,
    )
    return _explained(out, text, parts.scorer.explain(text, _strongest(out))) if explain else out


def _strongest(out: ScoreOut) -> str:
    return max(out.scores, key=lambda label: out.scores[label])


def _explained(out: ScoreOut, text: str, explained: Explained | None) -> ScoreOut:
    if explained is None:
        return out
    out.label = explained.label
    out.spans = list(explained.spans)
    out.tokens = [TokenOut(s, e, text[s:e], round(w, 4)) for s, e, w in explained.tokens]
    out.bias = round(explained.bias, 4)
    out.rest = round(explained.rest, 4)
    out.margin = round(explained.margin, 4)
    out.counterfactual = [CounterfactualOut(w, round(s, 4)) for w, s in explained.without]
    return out


ROUTES: tuple[Any, ...] = (score,)
