"""Requirements of Perspective's door: every refusal is Google's, with a first detail."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.compat.perspective.messages import MESSAGES
from tests.compat.perspective_wire import (
    ABUSE,
    ANALYZE,
    BAD_REQUEST,
    ERROR,
    SUGGEST,
    analyzed,
    asked,
    compat_key,
    error_of,
    post,
)
from tests.conftest import Site, Winnow

HTML_REFUSED = "Currently, only 'PLAIN_TEXT' comments are supported"
BOTH_CONTEXTS = (
    "Context can have either entries or article_and_parent_comment, but both fields were populated."
)
PAIR = {"article": {"text": "b"}}
SPANISH = "Muchas gracias por el artículo, me ha gustado mucho leerlo esta mañana con mi familia."


@pytest.fixture(scope="module")
def site(winnow: Winnow) -> Site:
    """One site for all tests of this file."""
    return winnow.site()


def scored(**parameters: Any) -> dict[str, Any]:
    return {"requestedAttributes": {"TOXICITY": parameters}}


OWN = [
    ("COMMENT_EMPTY", "Comment must be non-empty.", {"comment": {"text": ""}}),
    ("COMMENT_EMPTY", "Comment must be non-empty.", {"comment": {}}),
    ("COMMENT_EMPTY", "Comment must be non-empty.", {"comment": None}),
    ("COMMENT_TOO_LONG", "Comment text too long.", {"comment": {"text": "é" * 10_241}}),
    ("NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes", {"requestedAttributes": {}}),
    ("NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes", {"requestedAttributes": None}),
    ("INVALID_REQUEST", HTML_REFUSED, {"comment": {"text": "a", "type": "HTML"}}),
    ("INVALID_REQUEST", HTML_REFUSED, {"comment": {"text": "a", "type": 2}}),
    ("INVALID_REQUEST", "Unknown text type", {"comment": {"text": "a", "type": 7}}),
    (
        "INVALID_REQUEST",
        BOTH_CONTEXTS,
        {"context": {"entries": [{"text": "a"}], "articleAndParentComment": PAIR}},
    ),
    ("INVALID_REQUEST", HTML_REFUSED, {"context": {"entries": [{"text": "a", "type": "HTML"}]}}),
    (
        "INVALID_REQUEST",
        "Context text too long.",
        {"context": {"entries": {"text": "a" * 1048577}}},
    ),
    *(
        (
            "INVALID_REQUEST",
            f"Requested score type {kind} is not supported by attribute TOXICITY",
            scored(scoreType=kind),
        )
        for kind in ("STD_DEV_SCORE", "PERCENTILE", "RAW")
    ),
    *(
        (
            "INVALID_REQUEST",
            f"Unknown requested attribute: {name}",
            {"requestedAttributes": {"TOXICITY": {}, name: {}}},
        )
        for name in (
            "FLIRTATION",
            "CURIOSITY_EXPERIMENTAL",
            "LIKELY_TO_REJECT",
            "INCOHERENT",
            "TOXICITY_FAST",
            "toxicity",
            "",
        )
    ),
]


@pytest.mark.parametrize(("kind", "message", "changes"), OWN)
def test_the_analyzer_refuses_in_its_own_words(
    site: Site, kind: str, message: str, changes: dict[str, Any]
) -> None:
    error = error_of(post(site, ANALYZE, asked(**changes)), 400)
    assert (error["message"], error["status"]) == (message, "INVALID_ARGUMENT")
    assert error["details"] == [{"@type": ERROR, "errorType": kind}]


@pytest.mark.parametrize(
    ("text", "languages", "named"),
    [
        (ABUSE, ["ja"], "requestedLanguages"),
        (ABUSE, ["en", "ja"], "requestedLanguages"),
        ("この記事はとても良かったです。ありがとうございました。", None, "detectedLanguages"),
        (SPANISH, None, "detectedLanguages"),
    ],
)
def test_a_language_that_an_attribute_does_not_know_is_refused(
    site: Site, text: str, languages: list[str] | None, named: str
) -> None:
    error = error_of(post(site, ANALYZE, asked(text, languages=languages)), 400)
    detail = error["details"][0]
    told = detail["languageNotSupportedByAttributeError"]
    assert detail["errorType"] == "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"
    assert (set(told), told["attribute"]) == ({named, "attribute"}, "TOXICITY")
    assert error["message"] == (
        f"Attribute TOXICITY does not support request languages: {', '.join(told[named])}"
    )


PREFIX = "Invalid JSON payload received. "
TYPES = "type.googleapis.com/google.commentanalyzer.v1alpha1."
UNFIT = [
    ("", f'{PREFIX}Unknown name "colour": Cannot find field.', {"colour": "red"}),
    (
        "comment",
        f"{PREFIX}Unknown name \"size\" at 'comment': Cannot find field.",
        {"comment": {"text": "a", "size": 1}},
    ),
    (
        "requested_attributes[0].value",
        f"{PREFIX}Unknown name \"x\" at 'requested_attributes[0].value': Cannot find field.",
        {"requestedAttributes": {"TOXICITY": {"x": 1}}},
    ),
    (
        "comment.text",
        "Invalid value at 'comment.text' (TYPE_STRING), 12",
        {"comment": {"text": 12}},
    ),
    (
        "comment",
        f"Invalid value at 'comment' ({TYPES}TextEntry), \"hi\"",
        {"comment": "hi"},
    ),
    (
        "comment.type",
        f"Invalid value at 'comment.type' ({TYPES}TextEntry.TextType), \"MARKDOWN\"",
        {"comment": {"text": "a", "type": "MARKDOWN"}},
    ),
    (
        "requested_attributes[0].value.score_threshold",
        "Invalid value at 'requested_attributes[0].value.score_threshold' (TYPE_FLOAT), \"high\"",
        scored(scoreThreshold="high"),
    ),
    (
        "requested_attributes[0].value.score_type",
        "Invalid value at 'requested_attributes[0].value.score_type' "
        f'({TYPES}AttributeParameters.ScoreType), "NEW"',
        scored(scoreType="NEW"),
    ),
    (
        "span_annotations",
        "Invalid value at 'span_annotations' (TYPE_BOOL), \"yes\"",
        {"spanAnnotations": "yes"},
    ),
    ("languages[1]", "Invalid value at 'languages[1]' (TYPE_STRING), 1", {"languages": ["en", 1]}),
    (
        "comment",
        f"{PREFIX}Unknown name \"text\" at 'comment': "
        "Proto field is not repeating, cannot start list.",
        {"comment": {"text": ["a"]}},
    ),
    (
        "requested_attributes",
        "Invalid value at 'requested_attributes' (Map), [\"TOXICITY\"]",
        {"requestedAttributes": ["TOXICITY"]},
    ),
]


@pytest.mark.parametrize(("field", "message", "changes"), UNFIT)
def test_a_field_that_does_not_fit_is_named_as_google_names_it(
    site: Site, field: str, message: str, changes: dict[str, Any]
) -> None:
    error = error_of(post(site, ANALYZE, asked(**changes)), 400)
    assert error["message"] == message
    (violation,) = error["details"][0]["fieldViolations"]
    assert error["details"][0]["@type"] == BAD_REQUEST
    assert (violation.get("field", ""), violation["description"]) == (field, message)


def test_all_fields_that_do_not_fit_are_named_at_once(site: Site) -> None:
    error = error_of(post(site, ANALYZE, {"a": 1, "comment": {"text": 2}}), 400)
    assert len(error["details"][0]["fieldViolations"]) == 2
    assert error["message"].count("\n") == 1


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"text"', b"null", b'{"comment": {"text": "\xff"}}', b"[" * 50_000, b"{'a': 1}",
     b'{"comment": {"text": "\\ud83d"}}', b"comment=a&key=b"],
)  # fmt: skip
def test_what_is_no_message_is_refused(site: Site, body: bytes) -> None:
    error = error_of(post(site, ANALYZE, body), 400)
    assert error["message"].startswith(PREFIX)
    assert error["details"][0]["@type"] == BAD_REQUEST


# ------------------------------------------------------------------------------- who and where


def test_no_key_is_403(site: Site) -> None:
    error = error_of(post(site, ANALYZE, asked(), ""), 403)
    assert error["status"] == "PERMISSION_DENIED"
    assert error["message"].startswith("Method doesn't allow unregistered callers")


def test_a_bad_key_is_400(site: Site) -> None:
    answer = post(site, ANALYZE, b"not even json", "nobodyskey12")
    error = error_of(answer, 400)
    assert error["message"] == "API key not valid. Please pass a valid API key."
    assert error["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "commentanalyzer.googleapis.com"},
        }
    ]
    assert "www-authenticate" not in answer.headers


def test_a_key_for_pages_is_403(site: Site) -> None:
    error = error_of(post(site, ANALYZE, asked(), site.publishable), 403)
    assert error["details"][0]["reason"] == "API_KEY_SERVICE_BLOCKED"


def test_a_revoked_key_is_400(site: Site) -> None:
    keys = f"/v1/sites/{site.id}/keys"
    made = site.winnow.admin("POST", keys, json={"kind": "compat"}).json()
    site.winnow.admin("DELETE", f"{keys}/{made['id']}")
    error = error_of(post(site, ANALYZE, asked(), made["key"]), 400)
    assert error["details"][0]["reason"] == "API_KEY_INVALID"


@pytest.mark.parametrize("path", ["/v1alpha1", "/v1alpha1/comments", "/v1alpha1/comments:delete"])
def test_other_methods_are_not_found(site: Site, path: str) -> None:
    for verb in ("GET", "POST", "DELETE"):
        error = error_of(site.winnow.http.request(verb, path), 404)
        assert (error["status"], error["message"]) == ("NOT_FOUND", "Method not found.")


@pytest.mark.parametrize("path", [ANALYZE, SUGGEST])
@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE"])
def test_other_verbs_are_not_allowed(site: Site, path: str, verb: str) -> None:
    answer = site.winnow.http.request(verb, path, params={"key": compat_key(site)})
    assert error_of(answer, 405)["status"] == "UNIMPLEMENTED"
    assert answer.headers["allow"] == "POST"


def test_another_version_has_no_discovery_document(site: Site) -> None:
    error_of(site.winnow.http.get("/$discovery/rest", params={"version": "v2"}), 404)


def test_a_body_over_the_limit_is_413(site: Site) -> None:
    error = error_of(post(site, ANALYZE, b" " * (8 * 1024 * 1024 + 1)), 413)
    assert error["message"] == "Request payload size exceeds the limit."


def test_a_context_of_a_megabyte_is_read(site: Site) -> None:
    entries = [{"text": "a" * 1_048_576}, {"text": "b" * 1_000_000, "type": "PLAIN_TEXT"}]
    assert analyzed(site, asked(context={"entries": entries}))["attributeScores"]


def test_a_comment_of_20480_bytes_is_read(site: Site) -> None:
    assert analyzed(site, asked("word " * 4096))["attributeScores"]


# -------------------------------------------------------------------------------- anything else

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def messages(name: str, depth: int = 3) -> st.SearchStrategy[Any]:
    """Messages of a type, now and then with something else where a field should be."""
    return st.fixed_dictionaries(
        {}, optional={field: values(what, depth) for field, what in MESSAGES[name].items()}
    )


def values(what: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    if "$ref" in what:
        fitting = messages(what["$ref"], depth - 1) if depth else JSON
    elif what["type"] == "object":
        names = st.sampled_from(["TOXICITY", "THREAT@2", "SPAM", "FLIRTATION"])
        fitting = st.dictionaries(names, values(what["additionalProperties"], depth), max_size=2)
    elif what["type"] == "array":
        fitting = st.lists(values(what["items"], depth), max_size=2)
    elif "enum" in what:
        fitting = st.sampled_from(what["enum"])
    else:
        kinds = {"string": st.text(), "boolean": st.booleans(), "number": st.floats(0, 1)}
        fitting = kinds.get(what["type"], st.integers(0, 9))
    return st.one_of(fitting, fitting, fitting, JSON)


FUZZED = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def check_fuzzed(answer: httpx.Response) -> None:
    if answer.status_code != 200:
        error_of(answer, 400)


@FUZZED
@given(body=messages("AnalyzeCommentRequest") | JSON)
def test_no_body_of_analyze_makes_the_service_fail(site: Site, body: Any) -> None:
    answer = site.winnow.http.post(ANALYZE, params={"key": compat_key(site)}, content=encoded(body))
    check_fuzzed(answer)


@FUZZED
@given(body=messages("SuggestCommentScoreRequest") | JSON)
def test_no_body_of_suggestscore_makes_the_service_fail(site: Site, body: Any) -> None:
    answer = site.winnow.http.post(SUGGEST, params={"key": compat_key(site)}, content=encoded(body))
    check_fuzzed(answer)


@FUZZED
@given(body=st.binary(max_size=200), media=st.sampled_from(["application/json", "text/xml", ""]))
def test_no_bytes_make_the_service_fail(site: Site, body: bytes, media: str) -> None:
    headers = {"Content-Type": media} if media else {}
    params = {"key": compat_key(site)}
    check_fuzzed(site.winnow.http.post(ANALYZE, params=params, content=body, headers=headers))


@FUZZED
@given(fields=st.text(alphabet="abS*/.(),@-attributeScores languages", max_size=40) | st.text())
def test_no_mask_makes_the_service_fail(site: Site, fields: str) -> None:
    params = {"key": compat_key(site), "fields": fields}
    check_fuzzed(site.winnow.http.post(ANALYZE, params=params, json=asked()))


def encoded(body: Any) -> bytes:
    """JSON as Python writes it, infinities and lone surrogates included."""
    return json.dumps(body).encode()
