"""The eight labels, in the order of every score vector and weight column."""

from typing import Final

LABELS: Final = (
    "spam",
    "toxicity",
    "severe_toxicity",
    "identity_attack",
    "insult",
    "profanity",
    "threat",
    "sexually_explicit",
)
SUBTYPES: Final = LABELS[2:]


def column(label: str) -> int:
    """Place of ``label`` in a score vector; ``ValueError`` for a label that is none of ours."""
    if label not in LABELS:
        raise ValueError(f"{label!r} is not one of {', '.join(LABELS)}")
    return LABELS.index(label)
