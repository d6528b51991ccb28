"""The encoder as a trainable network: MiniLM's blocks with low-rank changes (needs torch).

Only small things learn: two thin matrices beside each linear layer (LoRA, Hu et al. 2021), the
gains and biases of the layer norms, and the head. They are kept under the names of the artifact,
so that ``changes`` hands over what ``weights.merge`` adds to the base.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from classifier.semantic.weights import (
    EPSILON,
    HEADS,
    LAYERS,
    LINEARS,
    NORMS,
    WIDTH,
    layer_name,
    shapes,
)

if TYPE_CHECKING:
    from classifier.semantic.weights import Array, Arrays

_HEAD_SPREAD = 0.02


class Network:
    """Tokens in, margins (log-odds) of the eight labels out; ``learnt`` is what tuning changes."""

    def __init__(self, base: Arrays, rank: int, seed: int) -> None:
        import torch
        from torch.nn import functional

        self._functional = functional
        self._base = {name: torch.from_numpy(array.copy()) for name, array in base.items()}
        draw = np.random.default_rng(seed)
        self.learnt: dict[str, Any] = {
            name: torch.from_numpy(_start(name, shape, base, draw)).requires_grad_()
            for name, shape in shapes(rank).items()
        }

    def margins(self, ids: Any, mask: Any) -> Any:
        """Margins (n, 8) of padded tokens (n, length); ``mask`` is true at real ones."""
        pooled = self.pooled(ids, mask).float()
        return self._functional.linear(pooled, self.learnt["head.weight"], self.learnt["head.bias"])

    def pooled(self, ids: Any, mask: Any) -> Any:
        """Mean of the last hidden states over the real tokens, (n, WIDTH)."""
        words = self._functional.embedding(ids, self._base["embeddings.word_embeddings.weight"])
        places = self._base["embeddings.position_embeddings.weight"][: ids.shape[1]]
        kind = self._base["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(words + places + kind, "embeddings.LayerNorm")
        for place in range(LAYERS):
            x = self._block(x, mask[:, None, None, :], place)
        share = mask.to(x.dtype)[:, :, None]
        return (x * share).sum(1) / share.sum(1)

    def _block(self, x: Any, mask: Any, place: int) -> Any:
        """One transformer block: attention and feed-forward, each with its layer norm after it."""
        linear = {name: layer_name(place, part) for name, part in LINEARS.items()}
        norm = {name: layer_name(place, part) for name, part in NORMS.items()}
        heads = [_split(self._linear(x, linear[name])) for name in ("query", "key", "value")]
        mixed = self._functional.scaled_dot_product_attention(*heads, attn_mask=mask)
        joined = mixed.transpose(1, 2).reshape(x.shape)
        x = self._norm(x + self._linear(joined, linear["attention"]), norm["attention"])
        wide = self._functional.gelu(self._linear(x, linear["widen"]))
        return self._norm(x + self._linear(wide, linear["narrow"]), norm["output"])

    def _linear(self, x: Any, name: str) -> Any:
        linear, learnt = self._functional.linear, self.learnt
        change = linear(linear(x, learnt[f"{name}.down"]), learnt[f"{name}.up"])
        return linear(x, self._base[f"{name}.weight"], learnt[f"{name}.bias"]) + change

    def _norm(self, x: Any, name: str) -> Any:
        gains = self.learnt[f"{name}.weight"], self.learnt[f"{name}.bias"]
        return self._functional.layer_norm(x, (WIDTH,), *gains, eps=EPSILON)

    def changes(self) -> dict[str, Array]:
        """What was learnt so far, as float32 arrays."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self.learnt.items()}


def _start(name: str, shape: tuple[int, ...], base: Arrays, draw: np.random.Generator) -> Array:
    """What an array is before tuning: the base's own, or a change that changes nothing."""
    if name in base:
        return base[name].copy()
    if name == "head.weight":
        return draw.normal(0, _HEAD_SPREAD, shape).astype(np.float32)
    if name.endswith(".down"):
        return draw.normal(0, 1 / math.sqrt(shape[1]), shape).astype(np.float32)
    return np.zeros(shape, np.float32)


def _split(x: Any) -> Any:
    """(n, length, WIDTH) to (n, HEADS, length, WIDTH / HEADS)."""
    return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)
