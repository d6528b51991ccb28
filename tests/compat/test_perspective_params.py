"""Requirements of Perspective's door: keys, the query parameters of every Google API, discovery."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from service.api.compat.perspective import masks, spans
from service.api.compat.perspective.messages import MESSAGES
from tests.compat.perspective_wire import (
    ABUSE,
    ANALYZE,
    BAD_REQUEST,
    analyzed,
    asked,
    compat_key,
    error_of,
    post,
)
from tests.conftest import Site, Winnow


@pytest.fixture(scope="module")
def site(winnow: Winnow) -> Site:
    """One site for all tests of this file."""
    return winnow.site()


def test_a_key_may_be_in_four_places(site: Site) -> None:
    key, path = compat_key(site), site.winnow.http
    for more in (
        {"params": {"key": key}},
        {"params": {"access_token": key}},
        {"headers": {"X-Goog-Api-Key": key}},
        {"headers": {"Authorization": f"Bearer {key}"}},
    ):
        assert path.post(ANALYZE, json=asked(), **more).status_code == 200, more


def test_the_key_of_the_query_goes_before_one_in_a_header(site: Site) -> None:
    answer = post(site, ANALYZE, asked(), "nobody", headers={"X-Goog-Api-Key": compat_key(site)})
    assert error_of(answer, 400)["details"][0]["reason"] == "API_KEY_INVALID"


def test_a_percent_encoded_colon_is_a_colon(site: Site) -> None:
    key = compat_key(site)
    for colon in ("%3A", "%3a", ":"):
        url = f"{site.winnow.url}/v1alpha1/comments{colon}analyze?key={key}"
        assert site.winnow.http.post(url, json=asked()).status_code == 200


def test_the_usual_parameters_are_accepted(site: Site) -> None:
    usual = {
        "alt": "json",
        "$.xgafv": "2",
        "quotaUser": "me",
        "uploadType": "",
        "upload_protocol": "raw",
        "prettyPrint": "true",
        "$alt": "json",
    }
    assert analyzed(site, asked(), params=usual)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alt", "proto"),
        ("alt", "media"),
        ("$.xgafv", "3"),
        ("callback", "alert(1)//"),
        ("page", "1"),
    ],
)
def test_other_parameters_and_values_are_refused(site: Site, name: str, value: str) -> None:
    error = error_of(post(site, ANALYZE, asked(), params={name: value}), 400)
    assert error["details"][0]["@type"] == BAD_REQUEST
    assert name in error["message"]


def test_answers_are_indented_unless_asked_otherwise(site: Site) -> None:
    pretty = post(site, ANALYZE, asked())
    plain = post(site, ANALYZE, asked(), params={"prettyPrint": "false"})
    assert pretty.json() == plain.json()
    assert (pretty.text.count("\n") > 5, plain.text.count("\n")) == (True, 0)
    assert plain.headers["content-type"] == "application/json; charset=UTF-8"


def test_a_callback_gets_a_script(site: Site) -> None:
    answer = post(site, ANALYZE, asked(), params={"callback": "gapi.done", "prettyPrint": "0"})
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.text.startswith("// API callback\ngapi.done({")
    assert answer.text.endswith("});")


WHOLE = {
    "attributeScores": {
        "TOXICITY": {
            "summaryScore": {"value": 0.5, "type": "PROBABILITY"},
            "spanScores": [{"begin": 0, "end": 2, "score": {"value": 0.5, "type": "PROBABILITY"}}],
        },
        "INSULT": {"summaryScore": {"value": 0.1, "type": "PROBABILITY"}, "spanScores": []},
    },
    "languages": ["en"],
    "detectedLanguages": ["en"],
}
VALUES = {
    "attributeScores": {
        "TOXICITY": {"summaryScore": {"value": 0.5}},
        "INSULT": {"summaryScore": {"value": 0.1}},
    }
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("", WHOLE),
        ("*", WHOLE),
        ("languages", {"languages": ["en"]}),
        (" languages , detectedLanguages ", {"languages": ["en"], "detectedLanguages": ["en"]}),
        ("attributeScores/*/summaryScore/value", VALUES),
        ("attributeScores(TOXICITY,INSULT)/summaryScore", None),
        ("attributeScores(*(summaryScore(value)))", VALUES),
        ("attributeScores.TOXICITY.spanScores.begin",
         {"attributeScores": {"TOXICITY": {"spanScores": [{"begin": 0}]}}}),
        ("attributeScores/MISSING", {"attributeScores": {}}),
        ("clientToken", {}),
    ],
)  # fmt: skip
def test_a_mask_lets_its_fields_through(fields: str, expected: dict[str, Any] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError):
            masks.parsed(fields)
        return
    assert masks.masked(masks.parsed(fields), "AnalyzeCommentResponse", WHOLE) == expected


@pytest.mark.parametrize(
    "fields",
    ["nope", "attributeScores/*/nope", "languages/x", "a(", ")", "languages,", "a//b", "ü", "(a)",
     "(" * 2000, "a(" * 500],
)  # fmt: skip
def test_a_mask_of_nothing_there_is_refused(site: Site, fields: str) -> None:
    error = error_of(post(site, ANALYZE, asked(), params={"fields": fields}), 400)
    assert error["message"] == "Request contains an invalid argument."
    assert "'fields' parameter" in error["details"][0]["fieldViolations"][0]["description"]


def test_masks_work_over_http(site: Site) -> None:
    answer = analyzed(
        site, asked(), params={"fields": "attributeScores/TOXICITY/summaryScore/value"}
    )
    assert answer["attributeScores"]["TOXICITY"]["summaryScore"].keys() == {"value"}


# ------------------------------------------------------------------------------------ discovery


@pytest.mark.parametrize(
    "path",
    [
        "/$discovery/rest?version=v1alpha1",
        "/$discovery/rest?version=v1alpha1&key=anything",
        "/$discovery/rest",
        "/%24discovery/rest?version=v1alpha1",
        "/discovery/v1/apis/commentanalyzer/v1alpha1/rest",
    ],
)
def test_the_discovery_document_names_our_own_address(site: Site, path: str) -> None:
    document = site.winnow.http.get(path).json()
    assert document["rootUrl"] == document["baseUrl"] == f"{site.winnow.url}/"
    assert document["servicePath"] == ""
    assert set(document["schemas"]) == set(MESSAGES)


def test_the_discovery_document_refers_to_nothing_that_is_missing(site: Site) -> None:
    document = site.winnow.http.get("/$discovery/rest").json()

    def refs(node: Any) -> set[str]:
        if isinstance(node, dict):
            found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return found.union(*(refs(child) for child in node.values()))
        return set().union(*(refs(child) for child in node)) if isinstance(node, list) else set()

    assert refs(document) <= set(document["schemas"])


# --------------------------------------------------------------------------------------- spans


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See v1.2 at example.com. Done", ["See v1.2 at example.com.", "Done"]),
        ("a line\n\nanother", ["a line", "another"]),
        ('He said "no." Then left…', ['He said "no."', "Then left…"]),
        ("这是一句。这是另一句！", ["这是一句。", "这是另一句！"]),
        ("  padded  ", ["padded"]),
        (" \n ", [" \n "]),
        ("!!! ?", ["!!!", "?"]),
        ("same. same.", ["same.", "same."]),
    ],
)
def test_a_text_falls_into_sentences(text: str, expected: list[str]) -> None:
    found = spans.sentences(text)
    assert [span.text for span in found] == expected
    encoded = text.encode("utf-16-le")
    for span in found:
        assert encoded[2 * span.begin : 2 * span.end].decode("utf-16-le") == span.text
    assert all(a.end <= b.begin for a, b in pairwise(found))


def test_a_text_has_so_many_sentences_at_most(site: Site) -> None:
    text = "a. " * 5000
    found = spans.sentences(text)
    assert len(found) == spans.MOST
    assert found[-1].end == len(text) - 1
    shown = analyzed(site, asked(text, spanAnnotations=True))
    assert len(shown["attributeScores"]["TOXICITY"]["spanScores"]) == spans.MOST
    assert ABUSE not in text
