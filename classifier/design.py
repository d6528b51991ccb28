"""The same features as a sparse matrix, for training and nothing else (needs SciPy)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from classifier.features import Shape, distinct_rows
from classifier.text import fold

_BATCH = 512  # texts hashed at a time: the arrays stay in the processor's cache


def feature_matrix(
    texts: Sequence[str], shape: Shape, progress: Callable[[float], None] | None = None
) -> Any:
    """CSR float32 (n, rows of the joint table): 1 / sqrt(distinct n-grams) where one occurs.

    ``texts`` are as written and folded here; ``progress`` hears the share done.
    """
    from scipy.sparse import csr_matrix

    rows = []
    for first in range(0, len(texts), _BATCH):
        folded = [fold(text) for text in texts[first : first + _BATCH]]
        rows += [found.astype(np.int32) for found in distinct_rows(folded, shape)]
        if progress:
            progress(first / len(texts))
    sizes = np.array([len(found) for found in rows])
    places = np.concatenate(([0], np.cumsum(sizes)))
    values = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes).astype(np.float32)
    width = (1 << shape.char_bits) + (1 << shape.word_bits)
    return csr_matrix((values, np.concatenate(rows), places), shape=(len(texts), width))
