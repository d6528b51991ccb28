"""Which Perspective attributes there are here: attribute → our label → languages.

The one table; errors and the guide derive from it. Bridging, FLIRTATION and most attributes made
for one newspaper have no label that means the same, and are refused like unknown names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from service.api.compat.languages import LANGUAGES, language_of


class Attribute(Struct, frozen=True):
    """One attribute: the label that is its score, and the languages it may be asked for."""

    label: str
    languages: tuple[str, ...]

    def speaks(self, tags: Sequence[str]) -> bool:
        """Whether it may be asked for in all of these languages (BCP 47)."""
        return all(language_of(tag) in self.languages for tag in tags)


_PRODUCTION: Final = (
    "toxicity",
    "severe_toxicity",
    "identity_attack",
    "insult",
    "profanity",
    "threat",
)
_LABELS: Final[dict[str, str]] = {
    **{label.upper(): label for label in _PRODUCTION},
    # Google's trial versions of the same six: the same labels here.
    **{f"{label.upper()}_EXPERIMENTAL": label for label in _PRODUCTION},
    "SEXUALLY_EXPLICIT": "sexually_explicit",
    "SPAM": "spam",
    # "Obscene or vulgar language such as cursing": what profanity means here.
    "OBSCENE": "profanity",
}
ATTRIBUTES: Final[dict[str, Attribute]] = {
    name: Attribute(label, LANGUAGES[label]) for name, label in _LABELS.items()
}
"""Every attribute that may be asked for."""


def exists(name: str) -> bool:
    """Whether a name, with or without a `@version`, is one of the table."""
    return name.partition("@")[0] in ATTRIBUTES


def attribute(name: str) -> Attribute:
    """The attribute of this name, with or without a `@version`."""
    return ATTRIBUTES[name.partition("@")[0]]
