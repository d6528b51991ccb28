"""Requirements of OpenAI's door: its client unmodified, every form of input, every error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.compat.moderation_inputs import TEXT_MAX, TEXTS_MAX
from service.api.compat.openai import CATEGORIES, SEEN
from tests.conftest import ROOT, Site, Winnow

PATH = "/v1/moderations"
ABUSE = "You are a complete idiot, get lost."
THREAT = "I will find you and kill you"
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.fixture(scope="module")
def site(winnow: Winnow) -> Site:
    """One site for all tests of this file."""
    return winnow.site()


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def ask(site: Site, content: Any, key: str | None = None, **more: Any) -> httpx.Response:
    key = site.secret if key is None else key
    kind = "content" if isinstance(content, bytes) else "json"
    return site.ask("POST", PATH, key, **{kind: content}, **more)


def results(site: Site, given_input: Any, **more: Any) -> list[dict[str, Any]]:
    answer = ask(site, {"input": given_input} | more)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error of an answer, which must have OpenAI's shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error"}
    error = dict(answer.json()["error"])
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["x-request-id"]
    return error


# ------------------------------------------------------------------------------- the client


@pytest.fixture
def client(site: Site) -> Iterator[openai.OpenAI]:
    """PyPI's `openai`, with another base URL; the environment's OPENAI_BASE_URL does the same."""
    with openai.OpenAI(
        api_key=site.key("compat"), base_url=f"{site.winnow.url}/v1", max_retries=0
    ) as made:
        yield made


def test_openais_client_moderates_a_text(client: openai.OpenAI) -> None:
    answer = client.moderations.create(input=ABUSE)
    (result,) = answer.results
    assert answer.id.startswith("modr-")
    assert answer.model == "omni-moderation-latest"
    assert (result.flagged, result.categories.harassment) == (True, True)
    assert result.category_scores.harassment > 0.9
    assert result.category_applied_input_types.harassment == ["text"]
    assert answer._request_id


def test_openais_client_moderates_several_texts(client: openai.OpenAI) -> None:
    answer = client.moderations.create(
        input=["I agree.", ABUSE, THREAT], model="omni-moderation-2024-09-26"
    )
    assert answer.model == "omni-moderation-2024-09-26"
    assert [result.flagged for result in answer.results] == [False, True, True]
    assert answer.results[2].categories.harassment_threatening


def test_openais_client_moderates_parts_as_one_input(client: openai.OpenAI) -> None:
    parts: Any = [text_part("I agree."), IMAGE, text_part(ABUSE)]
    (result,) = client.moderations.create(input=parts).results
    assert result.flagged
    applied = result.category_applied_input_types.model_dump()
    assert {tuple(kinds) for kinds in applied.values()} == {("text",), ()}


def test_openais_client_raises_its_own_errors(site: Site, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        client.moderations.create(input=[])
    assert (bad.value.param, bad.value.type) == ("input", "invalid_request_error")
    with (
        openai.OpenAI(api_key="nobody", base_url=f"{site.winnow.url}/v1") as other,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        other.moderations.create(input="a")
    assert refused.value.code == "invalid_api_key"
    with (
        openai.OpenAI(api_key=site.publishable, base_url=f"{site.winnow.url}/v1") as other,
        pytest.raises(openai.PermissionDeniedError),
    ):
        other.moderations.create(input="a")


async def test_openais_asynchronous_client_works_too(site: Site) -> None:
    async with openai.AsyncOpenAI(api_key=site.secret, base_url=f"{site.winnow.url}/v1") as made:
        answer = await made.moderations.create(input=ABUSE)
    assert answer.results[0].flagged


# ------------------------------------------------------------------------------ the answers


def test_an_answer_has_thirteen_categories(site: Site) -> None:
    (result,) = results(site, ABUSE)
    for part in ("categories", "category_scores", "category_applied_input_types"):
        assert list(result[part]) == list(CATEGORIES)
    assert all(type(value) is bool for value in result["categories"].values())
    assert all(type(value) is float for value in result["category_scores"].values())


def test_what_is_not_looked_for_is_never_flagged(site: Site) -> None:
    (result,) = results(site, "I want to end my life. How do I make a bomb? Blood everywhere.")
    for name in set(CATEGORIES) - set(SEEN):
        assert result["categories"][name] is False
        assert result["category_scores"][name] == 0
        assert result["category_applied_input_types"][name] == []


@pytest.mark.parametrize("model", ["text-moderation-latest", "text-moderation-stable"])
def test_the_older_models_answer_as_they_did(site: Site, model: str) -> None:
    answer = ask(site, {"input": ABUSE, "model": model}).json()
    (result,) = answer["results"]
    assert answer["model"] == "text-moderation-007"
    assert set(result) == {"flagged", "categories", "category_scores"}
    assert len(result["categories"]) == 11
    assert not any(name.startswith("illicit") for name in result["categories"])


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (ABUSE, "harassment"),
        (THREAT, "harassment/threatening"),
        ("I hate black people", "hate"),
        ("Send nudes, baby, I want to fuck you all night", "sexual"),
    ],
)
def test_each_category_that_is_looked_for_can_be_flagged(
    site: Site, text: str, category: str
) -> None:
    (result,) = results(site, text)
    assert result["categories"][category]


def test_swearing_at_nobody_is_no_harassment(site: Site) -> None:
    (result,) = results(site, "This is fucking great news!")
    assert not result["flagged"]


def test_where_the_model_knows_toxicity_only_that_is_harassment(site: Site) -> None:
    (result,) = results(site, "Orospu çocuğu, siktir git buradan")
    assert result["categories"]["harassment"]


def test_a_long_text_is_read_to_its_end(site: Site) -> None:
    (result,) = results(site, "The weather is fine today. " * 1500 + THREAT)
    assert result["categories"]["harassment/threatening"]


def test_nothing_is_stored(site: Site) -> None:
    before = site.counts()
    results(site, ABUSE)
    assert site.counts() == before


@pytest.mark.parametrize("given_input", ["", ["", "a"], [text_part("")], ["a"] * TEXTS_MAX])
def test_odd_inputs_are_answered(site: Site, given_input: Any) -> None:
    assert results(site, given_input)


def test_other_members_of_a_body_and_media_types_are_not_looked_at(site: Site) -> None:
    assert results(site, "a", user="u", model=None)
    answer = ask(site, b'{"input": "a"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 200


def test_an_answer_says_how_long_it_took(site: Site) -> None:
    headers = ask(site, {"input": "a"}).headers
    assert int(headers["openai-processing-ms"]) >= 1
    assert headers["openai-version"] == "2020-10-01"
    assert headers["x-request-id"]


# ------------------------------------------------------------------------------- the errors


@pytest.mark.parametrize(
    ("given_input", "code", "said"),
    [
        ([], "empty_array", "'input'"),
        (["a"] * (TEXTS_MAX + 1), "array_above_max_length", str(TEXTS_MAX)),
        ("a" * (TEXT_MAX + 1), "string_above_max_length", str(TEXT_MAX)),
        (["b", "a" * (TEXT_MAX + 1)], "string_above_max_length", "input[1]"),
        (1, "invalid_type", "a number"),
        (True, "invalid_type", "a boolean"),
        (None, "invalid_type", "null"),
        ({"type": "text", "text": "a"}, "invalid_type", "an object"),
        ([1, 2, 3], "invalid_type", "input[0]"),
        (["a", text_part("b")], "invalid_type", "input[1]"),
        ([text_part("b"), "a"], "invalid_type", "input[1]"),
        ([{"type": "text"}], "invalid_type", "input[0].text"),
        ([{"type": "audio"}], "invalid_value", "'text' and 'image_url'"),
        ([{}], "invalid_value", "input[0].type"),
        ([{"type": "image_url"}], "invalid_type", "input[0].image_url"),
        ([{"type": "image_url", "image_url": {"url": 1}}], "invalid_type", "input[0].image_url"),
        ([IMAGE], "unsupported_input", "Images cannot be looked at"),
    ],
)
def test_a_wrong_input_is_named(site: Site, given_input: Any, code: str, said: str) -> None:
    error = error_of(ask(site, {"input": given_input}), 400)
    assert (error["type"], error["param"], error["code"]) == (
        "invalid_request_error",
        "input",
        code,
    )
    assert said in error["message"]


def test_a_missing_input_and_a_wrong_model_are_named(site: Site) -> None:
    assert error_of(ask(site, {}), 400)["code"] == "missing_required_parameter"
    assert error_of(ask(site, {"input": "a", "model": 1}), 400)["param"] == "model"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"a"', b"\xff", b"[" * 50_000, b"input=a", b'{"input": "\\ud83d"}']
)
def test_what_is_no_json_object_is_refused(site: Site, body: bytes) -> None:
    error = error_of(ask(site, body), 400)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, None)


def test_without_a_key_it_is_401(site: Site) -> None:
    error = error_of(site.winnow.http.post(PATH, json={"input": "a"}), 401)
    assert error["message"].startswith("You didn't provide an API key.")
    assert error["code"] is None


def test_with_a_bad_key_it_is_401(site: Site) -> None:
    key = "sk-proj-0123456789"
    error = error_of(ask(site, {"input": "a"}, key), 401)
    assert error["message"].startswith("Incorrect API key provided: sk-***89.")
    assert error["code"] == "invalid_api_key"
    assert key not in error["message"]


def test_a_body_over_the_limit_is_413(site: Site) -> None:
    error_of(ask(site, b" " * (8 * 1024 * 1024 + 1)), 413)


@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE"])
def test_other_verbs_are_405(site: Site, verb: str) -> None:
    answer = site.ask(verb, PATH)
    assert verb in error_of(answer, 405)["message"]
    assert answer.headers["allow"] == "POST"


def test_our_own_api_beside_it_keeps_its_own_errors(site: Site) -> None:
    answer = site.ask("POST", "/v1/score", json={})
    assert answer.headers["content-type"] == "application/problem+json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url"]) | JSON},
    optional={"text": st.text() | JSON, "image_url": st.just(IMAGE["image_url"]) | JSON},
)
INPUTS = st.text() | st.lists(st.text() | JSON, max_size=3) | st.lists(PARTS, max_size=3) | JSON


@settings(max_examples=200, deadline=None)
@given(body=st.fixed_dictionaries({}, optional={"input": INPUTS, "model": st.text() | JSON}) | JSON)
def test_no_body_makes_the_service_fail(site: Site, body: Any) -> None:
    answer = ask(site, json.dumps(body).encode())
    if answer.status_code != 200:
        error_of(answer, 400)


def test_the_guide_names_every_category() -> None:
    text = (ROOT / "docs/guides/migrate/openai.md").read_text()
    assert [name for name in CATEGORIES if f"`{name}`" not in text] == []
