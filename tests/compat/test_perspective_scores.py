"""Requirements of Perspective's door: what every field of a request does, and what answers hold."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from service.api.compat.languages import LANGUAGES, language_of
from service.api.compat.perspective.attributes import ATTRIBUTES
from service.records import Label
from tests.compat.perspective_wire import (
    ABUSE,
    ANALYZE,
    SUGGEST,
    analyzed,
    asked,
    compat_key,
    error_of,
    post,
)
from tests.conftest import ROOT, Site, Winnow

GUIDE = ROOT / "docs/guides/migrate/perspective.md"
GERMAN = "Verpiss dich du Arschloch, du hast hier doch keine Ahnung von gar nichts."


@pytest.fixture(scope="module")
def site(winnow: Winnow) -> Site:
    """One site for all tests of this file."""
    return winnow.site()


@pytest.fixture
def fresh(winnow: Winnow) -> Site:
    """A site of which nothing is known yet."""
    return winnow.site()


def value(answer: dict[str, Any], name: str = "TOXICITY") -> float:
    return float(answer["attributeScores"][name]["summaryScore"]["value"])


# ------------------------------------------------------------------------------------ attributes


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_of_the_table_is_scored(site: Site, name: str) -> None:
    answer = analyzed(site, asked(ABUSE, name))
    scores = answer["attributeScores"][name]
    assert scores["summaryScore"]["type"] == "PROBABILITY"
    assert 0 <= scores["summaryScore"]["value"] <= 1
    assert scores["spanScores"]


def test_scores_are_those_of_the_native_api(site: Site) -> None:
    ours = site.ask("POST", "/v1/score", json={"text": ABUSE}).json()["scores"]
    names = {name: row.label for name, row in ATTRIBUTES.items()}
    answer = analyzed(site, asked(ABUSE, *names))
    assert {name: value(answer, name) for name in names} == {n: ours[k] for n, k in names.items()}


@pytest.mark.parametrize("key", ["compat", "secret", "admin"])
def test_compat_secret_and_admin_keys_open_the_door(site: Site, key: str) -> None:
    keys = {"compat": compat_key(site), "secret": site.secret, "admin": site.winnow.admin_key}
    assert analyzed(site, asked(), key=keys[key])


def test_a_version_is_accepted_and_echoed(site: Site) -> None:
    assert value(analyzed(site, asked(ABUSE, "TOXICITY@6")), "TOXICITY@6") > 0.9


def test_an_abuse_is_told_from_thanks(site: Site) -> None:
    assert value(analyzed(site, asked("you are a stupid idiot"))) > 0.9
    assert value(analyzed(site, asked("Thanks, this fixed my build as well."))) < 0.1


def test_the_table_follows_the_shipped_model() -> None:
    """A language that is listed has a head for the label, or is one the general head was measured
    on (spam)."""
    manifest = json.loads((ROOT / "classifier/data/model/manifest.json").read_text())
    heads = {head["language"]: set(head["labels"]) for head in manifest["heads"]}
    card = (ROOT / "classifier/data/model/CARD.md").read_text()
    for label, languages in LANGUAGES.items():
        for language in languages:
            assert f"| {language} | {label} |" in card
            if language != "en" and label != "spam":
                assert label in heads[language]


def test_the_guide_lists_every_attribute_with_its_languages() -> None:
    text = GUIDE.read_text()
    for name, row in ATTRIBUTES.items():
        assert f"`{name}`" in text
        assert f"`{row.label}`" in text
    for label, languages in LANGUAGES.items():
        assert f"| `{label}` | {', '.join(languages)} |" in text


# ------------------------------------------------------------------------------------- languages


@pytest.mark.parametrize("tag", ["en", "EN", "en-GB", "en_US"])
def test_languages_are_read_as_bcp_47_and_echoed(site: Site, tag: str) -> None:
    answer = analyzed(site, asked(languages=[tag]))
    assert (answer["languages"], answer["detectedLanguages"]) == ([tag], ["en"])


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("zh-Hant-TW", "zh"),
        ("hi-Latn", "ur-Latn"),
        ("ur-latn-PK", "ur-Latn"),
        ("hi", "hi"),
        ("ar-Latn", "ar-Latn"),
        ("", ""),
    ],
)
def test_a_tag_becomes_a_language_of_the_table(tag: str, language: str) -> None:
    assert language_of(tag) == language


@pytest.mark.parametrize(
    "text", ["lol", "😂😂😂", "12345", "https://example.com/a", "lol Arjun ur perverted", " ", "?!"]
)
def test_short_and_unclear_texts_count_as_english(site: Site, text: str) -> None:
    answer = analyzed(site, asked(text, *ATTRIBUTES))
    assert answer["languages"] == ["en"]
    assert len(answer["attributeScores"]) == len(ATTRIBUTES)


def test_another_language_that_an_attribute_knows_is_scored(site: Site) -> None:
    answer = analyzed(site, asked(GERMAN, "TOXICITY", "INSULT"))
    assert answer["languages"] == answer["detectedLanguages"] == ["de"]
    assert value(answer) > 0.3
    error_of(post(site, ANALYZE, asked(GERMAN, "THREAT")), 400)


def test_what_does_not_know_the_language_is_left_out_on_request(site: Site) -> None:
    more = {"dropUnsupportedAttributes": True}
    answer = analyzed(site, asked(GERMAN, "TOXICITY", "THREAT", **more))
    assert set(answer["attributeScores"]) == {"TOXICITY"}
    assert analyzed(site, asked(languages=["ja"], **more))["attributeScores"] == {}
    error_of(post(site, ANALYZE, asked(ABUSE, "FLIRTATION", **more)), 400)


def test_a_language_that_is_named_is_believed(site: Site) -> None:
    """One word tells no language; whoever says that it is German is asked no more."""
    text = "Arschloch"
    assert value(analyzed(site, asked(text))) < 0.1
    assert value(analyzed(site, asked(text, languages=["de"]))) > 0.5


@pytest.mark.parametrize("tag", ["hi-Latn", "ur-Latn"])
def test_hindi_and_urdu_in_latin_letters_share_a_head(site: Site, tag: str) -> None:
    assert value(analyzed(site, asked("tum kutte ho", languages=[tag]))) > 0.7


# ------------------------------------------------------------------------------- other fields


def test_scores_below_a_threshold_are_left_out(site: Site) -> None:
    wanted = {"TOXICITY": {"scoreThreshold": 0.5}, "THREAT": {"scoreThreshold": 0.5}}
    answer = analyzed(site, asked(requestedAttributes=wanted))
    assert set(answer["attributeScores"]) == {"TOXICITY"}
    wanted = {"THREAT": {"scoreThreshold": "0.99"}}
    assert analyzed(site, asked(requestedAttributes=wanted))["attributeScores"] == {}


def test_parts_below_a_threshold_are_left_out(site: Site) -> None:
    answer = analyzed(
        site,
        asked(
            f"{ABUSE} Have a nice day, dear reader.",
            requestedAttributes={"TOXICITY": {"scoreThreshold": 0.3}},
            spanAnnotations=True,
        ),
    )
    (span,) = answer["attributeScores"]["TOXICITY"]["spanScores"]
    assert (span["begin"], span["end"]) == (0, len(ABUSE))


def test_each_sentence_is_scored_with_its_place_in_utf_16(site: Site) -> None:
    text = "😀 Hello there.  You are 👩‍👩‍👧 an idiot! 𝒜nd bye"
    answer = analyzed(site, asked(text, spanAnnotations=True))
    encoded = text.encode("utf-16-le")
    spans = answer["attributeScores"]["TOXICITY"]["spanScores"]
    cut = [encoded[2 * s["begin"] : 2 * s["end"]].decode("utf-16-le") for s in spans]
    assert cut == ["😀 Hello there.", "You are 👩‍👩‍👧 an idiot!", "𝒜nd bye"]
    low, high, last = (span["score"]["value"] for span in spans)
    assert high > 0.9 > low
    assert last < 0.5


def test_without_span_annotations_one_span_is_the_whole_text(site: Site) -> None:
    text = "😀😀 One. Two."
    (span,) = analyzed(site, asked(text))["attributeScores"]["TOXICITY"]["spanScores"]
    assert (span["begin"], span["end"]) == (0, len(text.encode("utf-16-le")) // 2)


def test_tokens_and_ids_are_accepted_and_only_the_token_comes_back(site: Site) -> None:
    more = {"sessionId": "s", "communityId": "c", "doNotStore": True}
    answer = analyzed(site, asked(clientToken="töken", **more))
    assert set(answer) == {"attributeScores", "languages", "detectedLanguages", "clientToken"}
    assert answer["clientToken"] == "töken"
    assert "clientToken" not in analyzed(site, asked(clientToken=""))


@pytest.mark.parametrize(
    "context",
    [
        {"entries": [{"text": "a"}, {"text": "b", "type": "PLAIN_TEXT"}]},
        {"articleAndParentComment": {"article": {"text": "a"}, "parentComment": {"text": "b"}}},
        {"entries": [], "articleAndParentComment": {"article": {"text": "a"}}},
        {},
    ],
)
def test_both_forms_of_context_are_accepted_and_change_nothing(
    site: Site, context: dict[str, Any]
) -> None:
    assert analyzed(site, asked(context=context)) == analyzed(site, asked())


def test_names_may_be_in_snake_case_and_values_loose(site: Site) -> None:
    """As Google reads JSON into its messages."""
    body = {
        "comment": {"text": ABUSE, "type": None},
        "requested_attributes": {
            "TOXICITY": {"score_type": 1, "score_threshold": "0.5"},
            "SPAM": None,
        },
        "span_annotations": "true",
        "languages": "en",
        "client_token": "t",
    }
    answer = analyzed(site, body)
    assert (answer["clientToken"], set(answer["attributeScores"])) == ("t", {"TOXICITY", "SPAM"})


def test_a_text_is_stored_nowhere(fresh: Site) -> None:
    before = fresh.counts()
    analyzed(fresh, asked())
    assert fresh.counts() == before
    assert labels_of(fresh) == []


def test_many_at_once_are_all_answered(site: Site) -> None:
    async def ask() -> list[int]:
        async with httpx.AsyncClient(base_url=site.winnow.url, timeout=20) as client:
            params = {"key": compat_key(site)}
            answers = await asyncio.gather(
                *(
                    client.post(ANALYZE, params=params, json=asked(f"{ABUSE} {k}"))
                    for k in range(150)
                )
            )
        return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200] * 150


def test_all_sentences_of_a_text_are_scored_in_one_call(site: Site) -> None:
    before = scored(site)
    text = " ".join(f"Sentence number {k} is here." for k in range(40))
    analyzed(site, asked(text, spanAnnotations=True))
    texts, calls = (now - then for now, then in zip(scored(site), before, strict=True))
    assert (texts, calls) == (41, 1)


def scored(site: Site) -> tuple[float, float]:
    """How many texts the service has scored, in how many calls."""
    metrics = site.winnow.admin("GET", "/metrics").text
    rows = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[:1] != "#")
    name = "winnow_scored_batch_comments"
    return float(rows[f"{name}_sum"]), float(rows[f"{name}_count"])


# --------------------------------------------------------------------------------- suggestscore


def labels_of(site: Site) -> list[Label]:
    async def read() -> list[Label]:
        store = site.winnow.open_store()
        await store.open()
        try:
            return [label async for label in store.labels.all(site.id)]
        finally:
            await store.close()

    return asyncio.run(read())


def suggest(site: Site, scores: dict[str, Any], key: str | None = None, **more: Any) -> Any:
    body = asked(requestedAttributes=None, attributeScores=scores, **more)
    return post(site, SUGGEST, body, key)


def test_a_suggested_score_becomes_a_label_of_the_site(fresh: Site) -> None:
    scores = {
        "TOXICITY": {"summaryScore": {"value": 1}},
        "OBSCENE": {"summaryScore": {"value": 0.25, "type": "PROBABILITY"}},
        "THREAT": {"spanScores": [{"begin": 0, "end": 3, "score": {"value": 0.1}}]},
    }
    answer = suggest(fresh, scores, clientToken="t", languages=["en-GB"], communityId="c")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "clientToken": "t",
        "detectedLanguages": ["en"],
        "requestedLanguages": ["en-GB"],
    }
    (label,) = labels_of(fresh)
    assert (label.text, label.source, label.language) == (ABUSE, "perspective", "en")
    assert label.labels == {"toxicity": 1.0, "profanity": 0.25, "threat": 0.1}
    assert label.actor
    assert label.at > 0


def test_a_suggestion_needs_scores_between_0_and_1(fresh: Site) -> None:
    for row in (
        {},
        {"spanScores": []},
        {"summaryScore": {"value": 1.5}},
        {"summaryScore": {"value": -1}},
    ):
        error = error_of(suggest(fresh, {"TOXICITY": row}), 400)
        assert error["details"][0]["errorType"] == "INVALID_REQUEST"
    error_of(suggest(fresh, {}), 400)
    error_of(suggest(fresh, {"TOXICITY": {"summaryScore": {"value": 1, "type": "RAW"}}}), 400)
    error_of(suggest(fresh, {"FLIRTATION": {"summaryScore": {"value": 1}}}), 400)
    assert labels_of(fresh) == []


def test_a_suggestion_needs_a_sites_own_key(site: Site) -> None:
    scores = {"TOXICITY": {"summaryScore": {"value": 1}}}
    error = error_of(suggest(site, scores, key=site.winnow.admin_key), 400)
    assert "no site" in error["message"]
