"""Generated text that the classifier trains on and is judged by.

``rows`` makes short English sentences, hateful and harmless in like numbers for every group
of people; the frames in ``HELD_OUT`` are for evaluation only. ``reactions.rows`` makes emoji
alone and behind friendly words, ``begging.rows`` comments that beg for clicks and like ones that
want nothing. ``identity_pairs`` and ``dialect_pairs`` are for evaluation.
Evasion is in ``classifier.generated.disguise``.
"""

from classifier.generated.frames import HELD_OUT, judge, rows
from classifier.generated.pairs import DialectPair, dialect_pairs, identity_pairs

__all__ = [
    "HELD_OUT",
    "DialectPair",
    "begging",
    "dialect_pairs",
    "identity_pairs",
    "judge",
    "reactions",
    "rows",
]
