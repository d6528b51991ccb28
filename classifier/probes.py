"""The made-up texts that fairness and evasion are measured on, as one thing to pass around."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classifier.evasion import Disguise


@dataclass(frozen=True, slots=True)
class Probes:
    """Rows that judge a model beside its labelled data.

    ``identities``: rows with ``text``, ``label`` (1 = toxic) and ``group``. ``dialects``:
    (standard, variant, dialect, label). ``disguise`` hides words in each of ``kinds`` ways.
    ``innocents`` look like abuse or its disguise and are neither.
    """

    identities: Sequence[Mapping[str, Any]]
    dialects: Sequence[Sequence[Any]]
    kinds: Sequence[str]
    disguise: Disguise
    innocents: Sequence[str]


def generated(seed: int = 0) -> Probes:
    """The probes of ``classifier.generated``."""
    from classifier.generated import dialect_pairs, identity_pairs
    from classifier.generated.disguise import KINDS, disguise, innocents

    return Probes(
        identities=list(identity_pairs(seed)),
        dialects=list(dialect_pairs(seed)),
        kinds=tuple(KINDS),
        disguise=disguise,
        innocents=list(innocents()),
    )
