"""Which label may be trusted in which language: where the shipped model was measured.

The model's card has the figures. What is not listed was not measured, whatever the model may say.
"""

from __future__ import annotations

from typing import Final

ENGLISH: Final = "en"
LANGUAGES: Final[dict[str, tuple[str, ...]]] = {
    "toxicity": ("en", "ar", "de", "fr", "ko", "pt", "tr", "ur-Latn", "zh"),
    "severe_toxicity": ("en",),
    "identity_attack": ("en", "de"),
    "insult": ("en", "de", "pt"),
    "profanity": ("en", "pt"),
    "threat": ("en",),
    "sexually_explicit": ("en",),
    "spam": ("en", "id", "ru"),
}
"""Label → languages."""

TAG_MAX: Final = 35
"""Characters of a BCP 47 tag that are kept."""
_SAME: Final = {
    # Spoken, the two are one language, and both are written in Latin letters as people please. The
    # head was measured on Urdu speakers' texts only.
    "hi-Latn": "ur-Latn",
}


def language_of(tag: str) -> str:
    """A BCP 47 tag as the table writes it: `en-GB` is `en`, `hi-Latn` is `ur-Latn`."""
    language, *more = tag.lower().replace("_", "-").split("-")
    written = f"{language}-Latn" if "latn" in more else language
    return _SAME.get(written, written)
