"""Margins of a text as a whole and of the windows in it, so that one sentence cannot hide.

A passage is a run of tokens ``start``..``end``. Its margin is the sum of what its tokens add,
over the root of the number of their n-grams; running sums make every window two look-ups.
Windows are ``WINDOW`` tokens long and begin at every ``STEP``-th; shorter texts have none.
"""

from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.features import Places

WINDOW: Final = 12  # tokens
STEP: Final = 3
_SHORTEST: Final = 18  # tokens of a text below which it has no windows

Margins = NDArray[np.float32]
Sums = NDArray[np.float64]


def running(added: NDArray[np.float32]) -> Sums:
    """Running sums (T + 1, k + 1) of what each token adds, last the number of its n-grams."""
    sums = np.zeros((len(added) + 1, added.shape[1]))
    np.cumsum(added, 0, out=sums[1:])
    return sums


def passage_margins(totals: Sums) -> Margins:
    """Margins (n, k) of passages with these totals (n, k + 1), without bias."""
    sizes = np.sqrt(np.maximum(totals[:, -1:], 1.0))
    margins: Margins = (totals[:, :-1] / sizes).astype(np.float32)
    return margins


@lru_cache(maxsize=4096)
def window_starts(count: int) -> Places:
    """Where the windows of a text of ``count`` tokens begin; none for a short text."""
    if count < _SHORTEST:
        return np.zeros(0, np.intp)
    last = count - WINDOW
    starts = np.arange(0, last + 1, STEP, dtype=np.intp)
    return starts if starts[-1] == last else np.append(starts, last)


def strongest(sums: Sums, bounds: list[int], whole: Margins) -> Margins:
    """Margin of each text's strongest window a label (n, k); the whole where it has none.

    Text k is the tokens ``bounds[k]``..``bounds[k + 1]``.
    """
    if len(bounds) == 2:
        starts = window_starts(bounds[1])
        if not len(starts):
            return whole
        best: Margins = passage_margins(sums[starts + WINDOW] - sums[starts]).max(0, keepdims=True)
        return best
    found = [window_starts(end - start) for start, end in pairwise(bounds)]
    long = [k for k, starts in enumerate(found) if len(starts)]
    if not long:
        return whole
    starts = np.concatenate([found[k] + bounds[k] for k in long])
    margins = passage_margins(sums[starts + WINDOW] - sums[starts])
    firsts = np.zeros(len(long), np.intp)
    np.cumsum([len(found[k]) for k in long[:-1]], out=firsts[1:])
    best = whole.copy()
    best[long] = np.maximum.reduceat(margins, firsts, axis=0)
    return best
