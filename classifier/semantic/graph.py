"""The encoder as an ONNX graph with int8 weights, written by hand (needs onnx).

Input ``ids`` (1, length) int64 token numbers, output ``margins`` (1, 8). Weights of linear layers
are int8 with one scale an output channel, those of words with one scale a word (one scale for a
whole matrix loses accuracy); what flows between layers is quantised as it comes. The fused
operators of ONNX Runtime keep the graph short.

One passage at a time: a batch is no faster on one core, and its rows would share the scales of
what flows, so that a comment's score would depend on its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from classifier.labels import LABELS
from classifier.semantic.weights import EPSILON, HEADS, LAYERS, LINEARS, NORMS, layer_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from classifier.semantic.weights import Array, Arrays

OPSET: Final = 17
_FLOAT: Final = 1  # onnx.TensorProto.FLOAT
_IR_VERSION: Final = 8
_FUSED: Final = "com.microsoft"
# Weights use 7 of 8 bits: processors without VNNI add pairs of products in 16 bits, which
# would saturate at full range and give other scores than elsewhere.
_STEPS: Final = 63


def encode(merged: Arrays) -> bytes:
    """The graph of the merged weights, serialised."""
    from onnx import TensorProto, helper

    writer = _Writer(merged)
    writer.embed()
    for place in range(LAYERS):
        writer.block(place)
    writer.head()
    made = helper.make_graph(
        writer.nodes,
        "winnow-semantic",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "length"])],
        [helper.make_tensor_value_info("margins", TensorProto.FLOAT, [1, len(LABELS)])],
        initializer=writer.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_FUSED, 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=_IR_VERSION)
    raw: bytes = model.SerializeToString(deterministic=True)
    return raw


def quantised(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """``weight`` (outputs, inputs) as whole numbers with one scale an output, symmetric."""
    scale = np.maximum(np.abs(weight).max(1), 1e-9) / np.float32(_STEPS)
    whole = np.rint(weight / scale[:, None]).astype(np.int8)
    return whole, scale.astype(np.float32)


class _Writer:
    """Nodes and constants of one graph, appended in the order data flows."""

    def __init__(self, merged: Arrays) -> None:
        self.merged = merged
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def embed(self) -> None:
        """Words and places to the first hidden states ``x0``."""
        whole, scale = quantised(self.merged["embeddings.word_embeddings.weight"])
        words, scales = self.constant("words", whole), self.constant("word_scale", scale[:, None])
        kinds = self.merged["embeddings.token_type_embeddings.weight"][0]
        places = self.merged["embeddings.position_embeddings.weight"] + kinds
        self.node("Gather", [words, "ids"], "word_whole")
        self.node("Cast", ["word_whole"], "word_float", to=_FLOAT)
        self.node("Gather", [scales, "ids"], "word_scales")
        self.node("Mul", ["word_float", "word_scales"], "word")
        self.node("Shape", ["ids"], "length", start=1, end=2)
        zero = self.constant("zero", np.array([0], np.int64))
        self.node("Slice", [self.constant("places", places), zero, "length"], "place")
        self.node("Add", ["word", "place"], "summed")
        gains = self.norm("embeddings.LayerNorm")
        self.node("LayerNormalization", ["summed", *gains], "x0", epsilon=EPSILON)

    def block(self, place: int) -> None:
        """Attention and feed-forward, each added to its input and normalised."""
        x, b = f"x{place}", f"b{place}"
        names = [layer_name(place, LINEARS[name]) for name in ("query", "key", "value")]
        parts = [self.linear(x, f"{b}.{i}", name) for i, name in enumerate(names)]
        self.node("MultiHeadAttention", parts, f"{b}.mixed", domain=_FUSED, num_heads=HEADS)
        out = self.linear(f"{b}.mixed", f"{b}.out", layer_name(place, LINEARS["attention"]))
        middle = self.skip_norm(out, x, f"{b}.middle", layer_name(place, NORMS["attention"]))
        wide = self.linear(middle, f"{b}.wide", layer_name(place, LINEARS["widen"]))
        self.node("Gelu", [wide], f"{b}.gelu", domain=_FUSED)
        narrow = self.linear(f"{b}.gelu", f"{b}.narrow", layer_name(place, LINEARS["narrow"]))
        self.skip_norm(narrow, middle, f"x{place + 1}", layer_name(place, NORMS["output"]))

    def head(self) -> None:
        """Mean of the hidden states, then the linear head."""
        self.node("ReduceMean", [f"x{LAYERS}"], "mean", axes=[1], keepdims=0)
        weight = self.constant("head.weight", self.merged["head.weight"])
        bias = self.constant("head.bias", self.merged["head.bias"])
        self.node("Gemm", ["mean", weight, bias], "margins", transB=1)

    def linear(self, x: str, out: str, name: str) -> str:
        """A linear layer in whole numbers; its output's name."""
        whole, scale = quantised(self.merged[f"{name}.weight"])
        weight = self.constant(f"{name}.weight", np.ascontiguousarray(whole.T))
        scales = self.constant(f"{name}.scale", scale)
        bias = self.constant(f"{name}.bias", self.merged[f"{name}.bias"])
        return self.node("DynamicQuantizeMatMul", [x, weight, scales, "", bias], out, domain=_FUSED)

    def skip_norm(self, x: str, skip: str, out: str, name: str) -> str:
        """Layer norm of a sum; its output's name."""
        gains = self.norm(name)
        return self.node(
            "SkipLayerNormalization", [x, skip, *gains], out, domain=_FUSED, epsilon=EPSILON
        )

    def norm(self, name: str) -> list[str]:
        """Names of the gains and biases of a layer norm."""
        return [
            self.constant(f"{name}.{p}", self.merged[f"{name}.{p}"]) for p in ("weight", "bias")
        ]

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """A constant; its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: list[str], out: str, **settings: Any) -> str:
        """A node with one output; its name."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [out], name=out, **settings))
        return out
