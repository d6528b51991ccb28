"""The sentences readers see: English is the key, `languages/` holds the others."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

LANGUAGES: Final = ("en", "de", "es", "fr", "pt", "tr", "ur")
RIGHT_TO_LEFT: Final = ("ur",)


def language_of(tag: str) -> str:
    """The language of a BCP 47 tag, as far as we speak it; else English."""
    language = tag.lower().partition("-")[0]
    return language if language in LANGUAGES else "en"


@cache
def table(language: str) -> dict[str, str]:
    """English sentence → the language's."""
    if language == "en":
        return {}
    content = files(__package__).joinpath("languages", f"{language}.json").read_bytes()
    return msgspec.json.decode(content, type=dict[str, str])


def said(language: str, text: str) -> str:
    """A sentence in a language; what has no translation (a moderator's own words) as it is."""
    return table(language).get(text, text)
