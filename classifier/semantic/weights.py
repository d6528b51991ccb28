"""The names and sizes of the base's weights, and adding what training changed to them."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import LABELS

Array = NDArray[np.float32]
Arrays = Mapping[str, Array]

LAYERS: Final = 6
HEADS: Final = 12
WIDTH: Final = 384
WIDE: Final = 1536
WORDS: Final = 30_522
PLACES: Final = 512
EPSILON: Final = 1e-12

LINEARS: Final = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention": "attention.output.dense",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
}
SIZES: Final = {  # outputs, inputs
    "query": (WIDTH, WIDTH),
    "key": (WIDTH, WIDTH),
    "value": (WIDTH, WIDTH),
    "attention": (WIDTH, WIDTH),
    "widen": (WIDE, WIDTH),
    "narrow": (WIDTH, WIDE),
}
NORMS: Final = {"attention": "attention.output.LayerNorm", "output": "output.LayerNorm"}


def layer_name(place: int, part: str) -> str:
    """The base's name of a part of block ``place``."""
    return f"encoder.layer.{place}.{part}"


def shapes(rank: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the arrays that tuning at ``rank`` learns."""
    found: dict[str, tuple[int, ...]] = {
        "head.weight": (len(LABELS), WIDTH),
        "head.bias": (len(LABELS),),
    }
    norms = ["embeddings.LayerNorm"]
    for place in range(LAYERS):
        norms += [layer_name(place, part) for part in NORMS.values()]
        for name, part in LINEARS.items():
            outputs, inputs = SIZES[name]
            whole = layer_name(place, part)
            found |= {f"{whole}.up": (outputs, rank), f"{whole}.down": (rank, inputs)}
            found[f"{whole}.bias"] = (outputs,)
    return found | {f"{name}.{part}": (WIDTH,) for name in norms for part in ("weight", "bias")}


def merge(base: Arrays, changes: Arrays) -> dict[str, Array]:
    """The base's weights with the changes of training added, and the head."""
    merged = dict(base)
    for name, change in changes.items():
        if name.endswith(".up"):
            whole = name.removesuffix(".up")
            merged[f"{whole}.weight"] = base[f"{whole}.weight"] + change @ changes[f"{whole}.down"]
        elif not name.endswith(".down"):
            merged[name] = change
    return merged
