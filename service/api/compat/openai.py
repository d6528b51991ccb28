"""`POST /v1/moderations` for clients of OpenAI's moderation API.

Text only: what cannot be seen (self-harm, violence, illicit acts, minors, images) is never flagged,
and `category_applied_input_types` says of each category whether the text was looked at for it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Response, route

from service.api.compat import moderation_inputs as inputs
from service.api.compat import openai_refusals as refusals
from service.api.compat.door import ANY, check_post, enter, exact
from service.api.compat.languages import LANGUAGES
from service.api.requests import BULK_MAX, Req, read_body, services
from service.errors import Unavailable
from service.pipeline.score import Scorer

Scores = dict[str, float]

FLAGGED: Final = 0.5
"""The score from which on a category is flagged: more likely than not."""
SEEN: Final[dict[str, Callable[[Scores], float]]] = {
    "harassment": lambda found: max(found["insult"], found["threat"]),
    "harassment/threatening": lambda found: found["threat"],
    "hate": lambda found: found["identity_attack"],
    "hate/threatening": lambda found: min(found["identity_attack"], found["threat"]),
    "sexual": lambda found: found["sexually_explicit"],
}
"""Category → its score, from those of our labels."""
CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""Every category of an answer; those that are not in `SEEN` are false with a score of 0."""

_OLD: Final = "text-moderation-"
_OLD_MODEL: Final = "text-moderation-007"
_MODEL: Final = "omni-moderation-latest"
_PIECE: Final = 10_000
"""Characters of a text that are scored at once; a longer one has the highest score of its parts."""


@route(
    "/v1/moderations",
    http_method=ANY,
    request_max_body_size=BULK_MAX,
    exception_handlers={Exception: refusals.answer},
)
async def moderations(request: Req) -> Response[bytes]:
    """Classify texts; nothing is stored."""
    started, parts = time.perf_counter(), services(request)
    check_post(request.method)
    guest = await enter(parts, refusals.key_of(request))
    asked = inputs.read(await read_body(request))
    rows = await asyncio.gather(*(text_scores(parts.scorer, text) for text in asked.texts))
    old = asked.model.startswith(_OLD)
    content = {
        "id": f"modr-{secrets.token_hex(12)}",
        "model": _OLD_MODEL if old else asked.model or _MODEL,
        "results": [_result(scores, old=old) for scores in rows],
    }
    spent = max(1, round((time.perf_counter() - started) * 1000))
    headers = {**refusals.HEADERS, "openai-processing-ms": str(spent), **guest.limits}
    return exact(msgspec.json.encode(content), media="application/json", headers=headers)


async def text_scores(scorer: Scorer, text: str) -> Scores:
    """The scores of a text; a long one's are the highest of its parts.

    Raises:
        Unavailable: there is no model.
    """
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)] or [text]
    rows = [row for row, _ in await asyncio.gather(*(scorer.judged(piece) for piece in pieces))]
    found = [row for row in rows if row is not None]
    if len(found) < len(rows):
        raise Unavailable("No model is loaded.", retry_after_s=30)
    highest = {label: max(row[label] for row in found) for label in found[0]}
    language, _ = scorer.language(pieces[0])
    if language in LANGUAGES["toxicity"] and language not in LANGUAGES["insult"]:
        # In these languages toxicity is all that the model was taught, and mostly insults.
        highest["insult"] = highest["toxicity"]
    return highest


def _result(scores: Scores, *, old: bool) -> dict[str, Any]:
    names = [name for name in CATEGORIES if not (old and name.startswith("illicit"))]
    found = {name: SEEN[name](scores) if name in SEEN else 0.0 for name in names}
    flags = {name: score >= FLAGGED for name, score in found.items()}
    result = {"flagged": any(flags.values()), "categories": flags, "category_scores": found}
    if old:
        return result
    applied = {name: ["text"] if name in SEEN else [] for name in names}
    return {**result, "category_applied_input_types": applied}


ROUTES: tuple[Any, ...] = (moderations,)
