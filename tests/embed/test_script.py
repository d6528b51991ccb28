"""`/embed.js` as it is served: small, cached, for any origin; its sentences complete."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.embed.receipts import HEADLINES, OUTCOMES
from service.embed.script import script
from service.embed.words import LANGUAGES, language_of, said, table
from service.pipeline.reasons import DECIDED, REASONS, TOLD

EMBED = Path(__file__).parents[2] / "service" / "embed"
SOURCE = (EMBED / "static" / "embed.js").read_text()


def test_the_script_is_at_most_12_kilobytes_gzipped() -> None:
    assert len(script().packed) <= 12_000
    assert len(gzip.compress(script().plain, mtime=0)) == len(script().packed)


def test_the_script_is_served_to_any_origin_compressed_and_cached(winnow: Any) -> None:
    answer = httpx.get(f"{winnow.url}/embed.js")
    assert answer.status_code == 200
    headers = answer.headers
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["content-encoding"] == "gzip"
    assert headers["cache-control"] == "public, max-age=300"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["vary"] == "Accept-Encoding"
    assert answer.content == script().plain
    assert int(headers["content-length"]) == len(script().packed)


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "br, gzip; q=0.0"])
def test_who_takes_no_gzip_gets_the_plain_script(winnow: Any, accepted: str) -> None:
    answer = httpx.get(f"{winnow.url}/embed.js", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.content == script().plain


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_a_browser_that_has_the_script_is_answered_304(winnow: Any, accepted: str) -> None:
    url, headers = f"{winnow.url}/embed.js", {"Accept-Encoding": accepted}
    tag = httpx.get(url, headers=headers).headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]+(-gzip)?"', tag)
    again = httpx.get(url, headers=headers | {"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    stale = httpx.get(url, headers=headers | {"If-None-Match": '"other"'})
    assert stale.status_code == 200


def test_each_languages_sentences_are_served_to_any_origin(winnow: Any) -> None:
    for language in LANGUAGES:
        answer = httpx.get(f"{winnow.url}/embed/words/{language}")
        assert answer.json() == table(language)
        assert answer.headers["access-control-allow-origin"] == "*"
    assert httpx.get(f"{winnow.url}/embed/words/xx").status_code == 404


def test_the_script_never_parses_text_as_markup_or_code() -> None:
    code = re.sub(r"(?m)^\s*//.*$", "", SOURCE)
    for door in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "DOMParser",
        "srcdoc",
        "createContextualFragment",
        "style:",
    ):
        assert door not in code, door  # fmt: skip


def sentences() -> set[str]:
    """Every sentence that the script and the receipt may say."""
    found = set(re.findall(r'\bt\("((?:[^"\\]|\\.)*)"', SOURCE))
    found |= set(re.findall(r'"(\{n\}[^"]+)"', SOURCE))
    found |= set(re.findall(r'sentence\("([^"]+)"', SOURCE))
    for name in ("SAID", "TOLD", "LABELS", "WAIT"):
        block = re.search(rf"const {name} = \{{(.*?)\}};", SOURCE, re.DOTALL)
        assert block
        found |= set(re.findall(r': "([^"]+)"', block[1]))
    found |= set(re.findall(r'field\("\w+", "([^"]+)"', SOURCE))
    found |= {"Please check this.", "Your comment was not published.", "Published"}
    template = (EMBED / "templates" / "receipt.html").read_text()
    found |= set(re.findall(r'say\("([^"]+)"\)', template))
    code = (EMBED / "receipts.py").read_text()
    found |= set(re.findall(r'wrong = "([^"]+)"', code))
    found |= {*HEADLINES.values(), *OUTCOMES.values(), *TOLD.values(), *DECIDED.values()}
    return found | {text.public for text in REASONS.values() if text.public}


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_every_sentence_is_there_in_every_language(language: str) -> None:
    assert len(sentences()) > 50
    assert sentences() - table(language).keys() == set()
    for english, other in table(language).items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", other))
        assert english == "Name" or english == "Website" or english == "Page" or english != other


def test_the_script_and_the_server_speak_the_same_languages() -> None:
    listed = re.search(r"const LANGUAGES = (\[.*?\]);", SOURCE)
    assert listed
    assert tuple(json.loads(listed[1])) == LANGUAGES
    assert {path.stem for path in (EMBED / "languages").iterdir()} == set(LANGUAGES) - {"en"}


def test_a_language_we_do_not_speak_is_english() -> None:
    assert [language_of(tag) for tag in ("pt-BR", "UR", "", "fi", "de")] == [
        "pt", "ur", "en", "en", "de",
    ]  # fmt: skip
    assert said("de", "A moderator's own words.") == "A moderator's own words."
