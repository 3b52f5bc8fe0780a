"""The model of examples/serve as an ONNX file, made from its safetensors: with the operations that ONNX
Runtime has for such models (attention, norms of sums, GELU with its bias), which its own optimizer would
put in the place of plain ones. Texts in a batch are padded, and masked. Usage: serve_onnx.py FOLDER FILE"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

LAYERS, HEADS, EPSILON = 6, 12, 1e-12
MS = "com.microsoft"


class Graph:
    def __init__(self, weights):
        self.weights, self.nodes, self.constants, self.count = weights, [], [], 0

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def weight(self, name):
        return self.constant(self.weights[name])

    def add(self, kind, *inputs, domain="", outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return names[0]

    def product(self, x, name):
        return self.add("MatMul", x, self.constant(self.weights[name + ".weight"].T))

    def skip_norm(self, x, more, norm, bias):
        return self.add("SkipLayerNormalization", x, more, self.weight(norm + ".weight"), self.weight(norm + ".bias"),
                        self.weight(bias), domain=MS, epsilon=EPSILON)


def layer(graph, x, mask, prefix):
    names = [f"{prefix}attention.self.{which}" for which in ("query", "key", "value")]
    qkv = np.concatenate([graph.weights[name + ".weight"].T for name in names], axis=1)
    bias = np.concatenate([graph.weights[name + ".bias"] for name in names])
    seen = graph.add("Attention", x, graph.constant(qkv), graph.constant(bias), mask, domain=MS, num_heads=HEADS)
    out = f"{prefix}attention.output."
    x = graph.skip_norm(x, graph.product(seen, out + "dense"), out + "LayerNorm", out + "dense.bias")
    up = f"{prefix}intermediate.dense"
    wide = graph.add("BiasGelu", graph.product(x, up), graph.weight(up + ".bias"), domain=MS)
    down = f"{prefix}output."
    return graph.skip_norm(x, graph.product(wide, down + "dense"), down + "LayerNorm", down + "dense.bias")


def embed(graph):
    """ids and mask: [texts, tokens], of which the mask has ones, then zeros."""
    length = graph.add("Slice", graph.add("Shape", "ids"), graph.constant([1], np.int64), graph.constant([2], np.int64))
    places = graph.constant(graph.weights["embeddings.position_embeddings.weight"]
                            + graph.weights["embeddings.token_type_embeddings.weight"][0])
    places = graph.add("Slice", places, graph.constant([0], np.int64), length, graph.constant([0], np.int64))
    words = graph.add("Gather", graph.weight("embeddings.word_embeddings.weight"), "ids")
    norm = "embeddings.LayerNorm."
    x = graph.add("LayerNormalization", graph.add("Add", words, places), graph.weight(norm + "weight"),
                  graph.weight(norm + "bias"), axis=-1, epsilon=EPSILON)
    mask = graph.add("Cast", "mask", to=TensorProto.INT32)
    for number in range(LAYERS):
        x = layer(graph, x, mask, f"encoder.layer.{number}.")
    return x


def pool(graph, x):
    seen = graph.add("Unsqueeze", graph.add("Cast", "mask", to=TensorProto.FLOAT), graph.constant([2], np.int64))
    rows = graph.add("ReduceSum", graph.add("Mul", x, seen), graph.constant([1], np.int64), keepdims=0)
    graph.nodes.append(helper.make_node("LpNormalization", [rows], ["rows"], axis=-1, p=2))


def main():
    graph = Graph(load_file(f"{sys.argv[1]}/model.safetensors"))
    pool(graph, embed(graph))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in ("ids", "mask")]
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["texts", 384])
    model = helper.make_model(helper.make_graph(graph.nodes, "minilm", inputs, [rows], graph.constants), ir_version=9,
                              opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)])
    onnx.save(model, sys.argv[2])


main()
