"""The message types of v1alpha1, as a discovery document writes them.

One table for two readers: `payload` reads requests by it, `discovery` publishes it. Names and
types are the interface; the descriptions are ours.
"""

from __future__ import annotations

from typing import Any, Final

TEXT_TYPES: Final = ("TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML")
SCORE_TYPES: Final = (
    "SCORE_TYPE_UNSPECIFIED",
    "PROBABILITY",
    "STD_DEV_SCORE",
    "PERCENTILE",
    "RAW",
)


def _string(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _flag(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description}


def _number(kind: str, form: str, description: str) -> dict[str, Any]:
    return {"type": kind, "format": form, "description": description}


def _choice(choices: tuple[str, ...], description: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(choices), "description": description}


def _one(message: str, description: str) -> dict[str, Any]:
    return {"$ref": message, "description": description}


def _several(items: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": items, "description": description}


def _named(message: str, description: str) -> dict[str, Any]:
    values = {"$ref": message}
    return {"type": "object", "additionalProperties": values, "description": description}


def _strings(description: str) -> dict[str, Any]:
    return _several({"type": "string"}, description)


_ECHO = "Sent back as it came."
_ABOUT = {
    "comment": _one("TextEntry", "The text in question."),
    "context": _one(
        "Context", "What the comment answers; checked, but the model does not read it."
    ),
    "languages": _strings("The comment's languages (BCP 47); told from the text if left out."),
    "clientToken": _string(_ECHO),
    "sessionId": _string("Accepted; means nothing here."),
    "communityId": _string("Accepted; means nothing here."),
}

MESSAGES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "AnalyzeCommentRequest": {
        **_ABOUT,
        "requestedAttributes": _named("AttributeParameters", "What to score, by name."),
        "spanAnnotations": _flag("Whether each sentence is scored by itself as well."),
        "doNotStore": _flag("Accepted; nothing is ever stored."),
        "dropUnsupportedAttributes": _flag(
            "Whether attributes that do not know the language are left out instead of refused."
        ),
    },
    "AnalyzeCommentResponse": {
        "attributeScores": _named("AttributeScores", "The scores, by the name they were asked by."),
        "languages": _strings("The languages the comment was scored in."),
        "detectedLanguages": _strings("The language told from the text; und if none could be."),
        "clientToken": _string(_ECHO),
    },
    "ArticleAndParentComment": {
        "article": _one("TextEntry", "The article that is commented on."),
        "parentComment": _one("TextEntry", "The comment that is answered."),
    },
    "AttributeParameters": {
        "scoreType": _choice(SCORE_TYPES, "PROBABILITY, which is also the default."),
        "scoreThreshold": _number("number", "float", "Scores below this are left out."),
    },
    "AttributeScores": {
        "summaryScore": _one("Score", "The score of the whole text."),
        "spanScores": _several({"$ref": "SpanScore"}, "The scores of parts of the text."),
    },
    "Context": {
        "entries": _several({"$ref": "TextEntry"}, "Earlier texts, of any kind."),
        "articleAndParentComment": _one("ArticleAndParentComment", "Instead of entries."),
    },
    "Score": {
        "value": _number("number", "float", "From 0 to 1."),
        "type": _choice(SCORE_TYPES, "Always PROBABILITY in answers."),
    },
    "SpanScore": {
        "begin": _number("integer", "int32", "Where the part begins, in UTF-16 code units."),
        "end": _number("integer", "int32", "Where it ends; this unit is no longer part of it."),
        "score": _one("Score", "The part's score."),
    },
    "SuggestCommentScoreRequest": {
        **_ABOUT,
        "attributeScores": _named("AttributeScores", "What the scores should have been."),
    },
    "SuggestCommentScoreResponse": {
        "clientToken": _string(_ECHO),
        "detectedLanguages": _strings("The language told from the text; und if none could be."),
        "requestedLanguages": _strings("The languages of the request."),
    },
    "TextEntry": {
        "text": _string("The text itself."),
        "type": _choice(TEXT_TYPES, "PLAIN_TEXT, which is also the default."),
    },
}
"""Message → field → what it holds."""
