"""Which rows the encoder learns from: a sample of the training part that balances the sources.

The base knows English; a small share of other Latin-script rows teaches it not to be sure there.
Rows of the parts "dev" and "calibration" are never among them.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from classifier.dataset import Corpus, Example, corpus

# Rows taken of a source at most; other sources give DEFAULT_QUOTA.
QUOTAS: Final = {
    "jigsaw_subsample_multilabel": 30_000,
    "jigsaw_train_head_binary": 9_000,
    "jigsaw_test_balanced": 6_000,
    "jigsaw_train_sample_norm": 5_000,
    "jigsaw_train_negatives_part": 2_000,
    "wiki_context_toxicity": 4_000,
    "wiki_debias_ham": 2_500,
    "toxic_spans": 12_000,
    "davidson_tweets": 6_000,
    "stormfront_hate": 5_000,
    "paradetox_en": 12_000,
    "discord_automod": 7_000,
    "hatemoji_build": 5_000,
    "identity_templates": 8_000,
    "safenlp_toxigen": 5_000,
    "blog_comments_rejected": 7_000,
    "blog_comments_approved": 9_000,
    "spamassassin_email": 1_000,
    "sms_spam": 2_000,
    "tr_offenseval2020": 2_000,
    "begging": 0,  # not yet written when the shipped changes were learnt
}
DEFAULT_QUOTA: Final = 3_500
LANGUAGES: Final = ("en", "mul", "de", "fr", "pt", "tr", "id", "ur-Latn")
_KNOWN: Final = ("en", "mul")
_FOREIGN_SHARE: Final = 0.6  # of its quota, for a row that is not in English


def sample(examples: Iterable[Example], seed: int) -> Corpus:
    """The rows to learn from, as columns, in a seeded order."""
    draw = np.random.default_rng(seed)
    usable = [e for e in examples if e.part == "train" and e.lang in LANGUAGES]
    order = draw.permutation(len(usable))
    left: dict[tuple[str, bool], int] = {}
    taken = []
    for place in order:
        example = usable[place]
        key = example.source, example.lang in _KNOWN
        left[key] = left.get(key, _quota(*key)) - 1
        if left[key] >= 0:
            taken.append(example)
    return corpus(taken)


def _quota(source: str, known: bool) -> int:
    whole = QUOTAS.get(source, DEFAULT_QUOTA)
    return whole if known else int(whole * _FOREIGN_SHARE)
