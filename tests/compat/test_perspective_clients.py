"""Requirements of Perspective's door: unmodified clients need another address and key, no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.error import HTTPError

import httpx
import pytest
from googleapiclient import discovery
from googleapiclient.errors import HttpError
from perspective import PerspectiveAPI

from tests.compat.perspective_wire import ABUSE, ANALYZE, asked, compat_key, error_of
from tests.conftest import Site, Winnow

DISCOVERY = (
    "/$discovery/rest?version=v1alpha1",
    "/$discovery/rest?version={apiVersion}",
    "/discovery/v1/apis/{api}/{apiVersion}/rest",
)


@pytest.fixture(scope="module")
def site(winnow: Winnow) -> Site:
    """One site for all tests of this file."""
    return winnow.site()


def built(site: Site, key: str, path: str = DISCOVERY[0]) -> Any:
    """The client that Google's library builds from our discovery document."""
    return discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey=key,
        discoveryServiceUrl=site.winnow.url + path,
        static_discovery=False,
    )


@pytest.fixture
def google(site: Site) -> Iterator[Any]:
    with closing(built(site, compat_key(site))) as client:
        yield client.comments()


@pytest.mark.parametrize("path", DISCOVERY)
def test_googles_client_needs_another_discovery_url_only(site: Site, path: str) -> None:
    with closing(built(site, compat_key(site), path)) as client:
        answer = client.comments().analyze(body=asked()).execute()
    assert answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] > 0.9


def test_googles_client_analyzes_with_every_option(google: Any) -> None:
    body = asked(
        f"{ABUSE} Have a nice day.",
        "TOXICITY",
        "INSULT",
        languages=["en"],
        spanAnnotations=True,
        doNotStore=True,
        clientToken="t-1",
        sessionId="s",
        communityId="blog.example/a",
        context={"articleAndParentComment": {"article": {"text": "News"}}},
    )
    answer = google.analyze(body=body).execute()
    assert set(answer["attributeScores"]) == {"TOXICITY", "INSULT"}
    assert len(answer["attributeScores"]["INSULT"]["spanScores"]) == 2
    assert (answer["languages"], answer["clientToken"]) == (["en"], "t-1")


def test_googles_client_suggests_scores(google: Any) -> None:
    scores = {"TOXICITY": {"summaryScore": {"value": 1}}}
    body = asked(requestedAttributes=None, attributeScores=scores, clientToken="t-2")
    assert google.suggestscore(body=body, fields="clientToken").execute() == {"clientToken": "t-2"}


def test_googles_client_reads_our_errors(site: Site, google: Any) -> None:
    with pytest.raises(HttpError) as raised:
        google.analyze(body=asked("")).execute()
    assert raised.value.status_code == 400
    assert raised.value.reason == "Comment must be non-empty."
    assert raised.value.error_details[0]["errorType"] == "COMMENT_EMPTY"
    with closing(built(site, "nobodyskey12")) as client, pytest.raises(HttpError) as raised:
        client.comments().analyze(body=asked()).execute()
    assert raised.value.error_details[0]["reason"] == "API_KEY_INVALID"


@pytest.fixture
def pypi(site: Site) -> PerspectiveAPI:
    """PyPI's `perspective`: its address is the attribute `api_client.url`."""
    client = PerspectiveAPI(compat_key(site))
    client.api_client.url = f"{site.winnow.url}/v1alpha1/{{endpoint}}"
    return client


def test_the_package_perspective_scores(pypi: PerspectiveAPI) -> None:
    found = pypi.score(ABUSE, tests=["TOXICITY", "THREAT"])
    assert found["TOXICITY"] > 0.9 > found["THREAT"]


def test_the_package_perspective_analyzes_with_every_option(pypi: PerspectiveAPI) -> None:
    answer = pypi.analyze_comment(
        ABUSE,
        comment_type="PLAIN_TEXT",
        context=[{"text": "Before", "type": "PLAIN_TEXT"}],
        requested_attributes={"INSULT": {"scoreType": "PROBABILITY", "scoreThreshold": 0.5}},
        span_annotations=True,
        languages=["en"],
        do_not_store=True,
        client_token="t",
        session_id="s",
        community_id="c",
    )
    assert answer["attributeScores"]["INSULT"]["summaryScore"]["type"] == "PROBABILITY"
    assert answer["clientToken"] == "t"


def test_the_package_perspective_suggests_scores(pypi: PerspectiveAPI) -> None:
    scores = {"TOXICITY": {"summaryScore": {"value": 0.9}}}
    answer = pypi.suggest_score(ABUSE, scores, client_token="t", languages=["en"])
    assert answer == {
        "clientToken": "t",
        "detectedLanguages": ["en"],
        "requestedLanguages": ["en"],
    }


def test_the_package_perspective_raises_on_refusals(pypi: PerspectiveAPI) -> None:
    with pytest.raises(HTTPError) as raised:
        pypi.score(ABUSE, tests=["FLIRTATION"])
    with closing(raised.value) as answer:
        assert answer.code == 400
        assert "Unknown requested attribute: FLIRTATION" in answer.read().decode()


# ------------------------------------------- emulated: PyPerspective, Coral, gapi in a browser


@pytest.mark.parametrize(
    ("key", "reason"), [("nobody", "API_KEY_INVALID"), ("", "CREDENTIALS_MISSING")]
)
def test_an_empty_post_without_a_content_type_tells_bad_keys(
    site: Site, key: str, reason: str
) -> None:
    """PyPerspective's constructor: it reads `error.details[0]["reason"]`, whatever happens."""
    with httpx.Client(base_url=site.winnow.url) as client:
        request = client.build_request("POST", ANALYZE, params={"key": key} if key else {})
        assert "content-type" not in request.headers
        error = error_of(client.send(request), 400 if key else 403)
    assert error["details"][0]["reason"] == reason


def test_an_empty_post_with_a_good_key_is_no_bad_key(site: Site) -> None:
    answer = site.winnow.http.post(ANALYZE, params={"key": compat_key(site)})
    assert "reason" not in error_of(answer, 400)["details"][0]


def test_an_answer_has_all_that_pyperspective_reads(site: Site) -> None:
    """It fails without languages, detectedLanguages, and spanScores of every attribute."""
    body = asked(ABUSE, "TOXICITY", "INSULT", languages=["en"], doNotStore=True)
    answer = site.winnow.http.post(ANALYZE, params={"key": compat_key(site)}, json=body).json()
    assert answer["languages"] == answer["detectedLanguages"] == ["en"]
    for scores in answer["attributeScores"].values():
        assert scores["spanScores"] == [
            {"begin": 0, "end": len(ABUSE), "score": scores["summaryScore"]}
        ]


def test_corals_custom_endpoint_works(site: Site) -> None:
    """It appends `/comments:analyze` or `/comments:suggestscore` and `?key=` to what is set."""
    endpoint = f"{site.winnow.url}/v1alpha1"
    body = {
        "comment": {"text": ABUSE},
        "doNotStore": True,
        "requestedAttributes": {"TOXICITY": {}},
    }
    answer = httpx.post(f"{endpoint}/comments:analyze?key={compat_key(site)}", json=body)
    assert answer.json()["attributeScores"]["TOXICITY"]["summaryScore"]["value"] > 0.8
    feedback = {
        "comment": {"text": ABUSE},
        "context": {"entries": [{"text": '{"permalink": "https://news.example"}'}]},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
        "communityId": "Coral",
        "clientToken": "comment:1",
    }
    answer = httpx.post(f"{endpoint}/comments:suggestscore?key={compat_key(site)}", json=feedback)
    assert answer.json()["clientToken"] == "comment:1"


def test_a_page_of_any_origin_may_ask(site: Site) -> None:
    ask = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-goog-api-key",
    }
    answer = site.winnow.http.options(ANALYZE, headers=ask)
    assert answer.status_code == 204
    assert "X-Goog-Api-Key" in answer.headers["access-control-allow-headers"]
    answer = site.winnow.http.post(ANALYZE, json=asked(), headers={"Origin": ask["Origin"]})
    assert answer.headers["access-control-allow-origin"] == "*"
