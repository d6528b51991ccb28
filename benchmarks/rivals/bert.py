"""A network of BERT-base's size with random weights, on one core: what one text costs.

    python bert.py TEXTS

TEXTS is a JSON list of texts; a text has one token for each 4.5 characters, 512 at most. Twelve
layers, 768 wide, 12 heads, 3,072 inside (Devlin et al. 2018); float32 through ONNX Runtime.
Prints the median milliseconds of one text. Random weights cost what trained ones do; nothing is
said of quality.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

LAYERS, WIDTH, HEADS, INSIDE, LONGEST = 12, 768, 12, 3072, 512
CHARACTERS_PER_TOKEN = 4.5


class Graph:
    """Nodes and weights of a network in the making."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._dice = np.random.default_rng(0)

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        values = self._dice.normal(0, 0.02, shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def constant(self, values: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def dense(self, given: str, size: int, out: int) -> str:
        product = self.add("MatMul", given, self.weight(size, out))
        return self.add("Add", product, self.weight(out))

    def normed(self, given: str) -> str:
        return self.add("LayerNormalization", given, self.weight(WIDTH), self.weight(WIDTH))


def layer(graph: Graph, given: str) -> str:
    """Self-attention, then the two dense layers, each with a residual and a norm."""
    shape = graph.constant(np.array([1, -1, HEADS, WIDTH // HEADS], np.int64))
    heads = []
    for axes in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        split = graph.add("Reshape", graph.dense(given, WIDTH, WIDTH), shape)
        heads.append(graph.add("Transpose", split, perm=axes))
    scale = graph.constant(np.float32((WIDTH // HEADS) ** -0.5))
    looks = graph.add("Mul", graph.add("MatMul", heads[0], heads[1]), scale)
    seen = graph.add("MatMul", graph.add("Softmax", looks, axis=-1), heads[2])
    back = graph.constant(np.array([1, -1, WIDTH], np.int64))
    joined = graph.add("Reshape", graph.add("Transpose", seen, perm=[0, 2, 1, 3]), back)
    middle = graph.normed(graph.add("Add", given, graph.dense(joined, WIDTH, WIDTH)))
    inside = graph.dense(middle, WIDTH, INSIDE)
    half, root = graph.constant(np.float32(0.5)), graph.constant(np.float32(2**-0.5))
    one = graph.constant(np.float32(1))
    curve = graph.add("Add", graph.add("Erf", graph.add("Mul", inside, root)), one)
    active = graph.add("Mul", graph.add("Mul", inside, curve), half)
    return graph.normed(graph.add("Add", middle, graph.dense(active, INSIDE, WIDTH)))


def session() -> onnxruntime.InferenceSession:
    """The network, ready to run on one thread."""
    graph = Graph()
    given = "tokens"
    for _ in range(LAYERS):
        given = layer(graph, given)
    sizes = [1, None, WIDTH]
    made = helper.make_graph(
        graph.nodes,
        "bert",
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, sizes)],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        onnx.ModelProto.SerializeToString(model), options, providers=["CPUExecutionProvider"]
    )


def main() -> None:
    texts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    network, took = session(), []
    for text in texts:
        count = max(2, min(LONGEST, round(len(text) / CHARACTERS_PER_TOKEN)))
        tokens = np.zeros((1, count, WIDTH), np.float32)
        began = time.perf_counter()
        network.run(None, {"tokens": tokens})
        took.append((time.perf_counter() - began) * 1e3)
    print(json.dumps({"ms": round(statistics.median(took), 2)}))


if __name__ == "__main__":
    main()
