"""Draws graphs of some operations on few arrays, so that groups form, share inputs and give buffers on,
through chains of views, and says what their results are, to the bit. The same graph gives the same on
all ways: fused or not, forced at its end or after each step, from one thread or from several, on one
stream or on many, called or compiled.

A graph is a list of nodes, {"array": value} or {"call": name, "of": [nodes], "args": [...], "keep":
whether its result is read}, which JSON holds, so that a part of one is a graph too: see shrink.py.
WEIR_FUZZ_FAULT=name makes the results of one function wrong, for the test of that."""

import ctypes
import hashlib
import os
import sys
import threading

import mlx.core as mx

import draw
import plain
from mlxcalls import BINARY, UNARY
from mlxside import NAMES, to_plain
from plain import Dtype
from weirlib import Handle, WeirError

DTYPES = [mx.float32] * 5 + [mx.float16, mx.bfloat16, mx.float64, mx.int32, mx.uint8, mx.bool_,
                             mx.complex64, mx.int64]
STREAMS = 4
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Handle), Handle)


class Way:
    """How a graph is run. By name: a thread each with an order of its own, streams by turns."""

    def __init__(self, name):
        self.stepwise = name == "stepwise"
        self.threads = 1 if name == "alone" else 3
        self.streams = STREAMS if name == "streams" else 0


class Run:
    """The arrays of a graph, as they are made; None for what was refused."""

    def __init__(self, weir, way):
        self.weir, self.way, self.made, self.fault = weir, way, [], os.environ.get("WEIR_FUZZ_FAULT")
        self.own = weir.stream
        self.streams = [weir.new_stream() for _ in range(way.streams)]

    def call(self, name, *args):
        if self.streams:
            self.weir.stream = self.streams[len(self.made) % STREAMS]
        try:
            [handle] = self.weir.call("mlx_" + name, *args)
            if name == self.fault:
                [handle] = self.weir.call("mlx_logical_not", handle)
        except WeirError:
            return None
        finally:
            self.weir.stream = self.own
        if self.way.stepwise:
            self.weir.check(self.weir.lib.mlx_array_eval(handle))
        return handle

    def node(self, node):
        """Adds one; a node of one that was refused is refused as well. Whether it was not."""
        if "array" in node:
            self.made.append(self.weir.argument(plain.unpacked(node["array"])))
        else:
            of = [self.made[i] for i in node["of"]]
            args = plain.unpacked(node["args"])
            self.made.append(None if None in of else self.call(node["call"], *of, *args))
        return self.made[-1] is not None

    def force(self, handles):
        """From all threads at once, each in an order of its own."""
        orders = [handles[k % len(handles):] + handles[:k % len(handles)] for k in range(self.way.threads)]
        evaluate = lambda order: [self.weir.lib.mlx_array_eval(h) for h in order]
        threads = [threading.Thread(target=evaluate, args=(o,)) for o in orders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def results(self, nodes):
        """Their digest; only the handles of those that are read live until they are forced."""
        kept = [h for h, node in zip(self.made, nodes) if h and node.get("keep")]
        for handle in self.made:
            if handle and handle not in kept:
                self.weir.lib.mlx_array_free(handle)
        if kept:
            self.force(kept)
        digest = hashlib.sha1()
        for handle in kept:
            dtype, extents, bits = self.weir.read(handle)
            digest.update(f"{dtype}{extents}".encode() + bits.tobytes())
            self.weir.lib.mlx_array_free(handle)
        for stream in self.streams:
            self.weir.lib.mlx_stream_free(stream)
        return f"{len(kept)} arrays, {digest.hexdigest()}"


class Compiled(Run):
    """As a compiled function of the graph's arrays, called twice: captured, and then repeated."""

    def results(self, nodes):
        arrays = [h for h, node in zip(self.made, nodes) if "array" in node]
        function = FUNCTION(lambda res, given: self.run(nodes, res, given))
        plain_one, made = self.weir.lib.mlx_closure_new_func(function), Handle()
        given, out = self.vector(arrays), Handle()
        self.weir.check(self.weir.lib.mlx_compile(ctypes.byref(made), plain_one, ctypes.c_bool(False)))
        for _ in range(2):
            self.weir.check(self.weir.lib.mlx_closure_apply(ctypes.byref(out), made, given))
        self.made = self.weir.items(out)
        self.weir.lib.mlx_closure_free(plain_one)
        self.weir.lib.mlx_closure_free(made)
        return super().results([{"keep": True}] * len(self.made))

    def vector(self, handles):
        return self.weir.lib.mlx_vector_array_new_data((Handle * len(handles))(*handles),
                                                       ctypes.c_size_t(len(handles)))

    def run(self, nodes, res, given):
        try:
            arrays = iter(self.weir.items(given))
            self.made = []
            for node in nodes:
                if "array" in node:
                    self.made.append(next(arrays))
                else:
                    super().node(node)
            kept = [h for h, node in zip(self.made, nodes) if h and node.get("keep")]
            return self.weir.lib.mlx_vector_array_set(res, self.vector(kept))
        except Exception as error:  # none may leave it
            print("in a closure:", error, file=sys.stderr)
            return 1


def views(d, shape):
    """Some view of an array of the shape."""
    n = len(shape)
    return d.one([
        ("transpose", []), ("transpose_axes", [[int(x) for x in d.rng.permutation(n)]]),
        ("slice", [[0] * n, shape, [d.one([1, 2]) for _ in shape]]),
        ("slice", [shape, [-m - 1 for m in shape], [d.one([-1, -2]) for _ in shape]]),
        ("slice", [[m // 3 for m in shape], shape, [1] * n]), ("flatten", [0, -1]),
        ("broadcast_to", [[2, *shape]]), ("reshape", [shape[::-1]]), ("expand_dims", [d.axis(n, 0)]),
        ("squeeze", []), ("diagonal", [0, 0, -1]), ("moveaxis", [0, -1])])


def others(d, axis, flag):
    return d.one([("softmax_axis", [axis, flag]), ("sort_axis", [axis]), ("cumsum", [axis, flag, True]),
                  ("cummax", [axis, flag, True]), ("std_axis", [axis, flag, 0]), ("copy", [])])


def step(d, arrays, shape_of):
    """A call of one of the arrays, or of some."""
    a, b = d.one(arrays), d.one(arrays)
    shape, kind, flag = shape_of(a), d.between(0, 16), d.chance(0.5)
    axis = d.axis(len(shape), 0)
    if kind < 4:
        return d.one(UNARY), [a], []
    if kind < 9:
        return d.one(BINARY), [a, b], []
    if kind == 9:
        return "where", [d.one(arrays), a, b], []
    if kind == 10:
        return "astype", [a], [Dtype(NAMES[d.one(DTYPES)])]
    if kind == 11:
        return d.one("sum max min prod mean all any".split()) + "_axis", [a], [axis, flag]
    if kind == 12:
        return d.one("sum max mean".split()), [a], [flag]
    name, args = others(d, axis, flag) if kind == 13 else views(d, shape)
    return name, [a], args


def drawn(weir, seed, number):
    """A graph; what Weir refuses is left out."""
    d, run, nodes = draw.Draw(seed, number), Run(weir, Way("alone")), []
    shape = d.one([(9000,), (130, 70)]) if d.chance(0.15) else d.shape(d.one([1, 2, 2, 3]))
    for _ in range(d.between(1, 3)):
        array = to_plain(d.array(d.one([shape, shape, d.beside(shape, 0), ()]), d.one(DTYPES)))
        nodes.append({"array": plain.packed(array)})
        run.node(nodes[-1])
    for _ in range(d.between(3, 16)):
        name, of, args = step(d, range(len(nodes)), lambda i: weir.shape(run.made[i]))
        node = {"call": name, "of": of, "args": plain.packed(args)}
        if run.node(node):
            nodes.append(node)
        else:
            run.made.pop()
    for node in nodes:
        node["keep"] = d.chance(0.5)
    nodes[-1]["keep"] = True
    for handle in run.made:
        weir.lib.mlx_array_free(handle)
    return nodes


def results(weir, nodes, way):
    if way == "compiled":
        weir.lib.mlx_closure_new_func.restype = Handle
        run = Compiled(weir, Way(way))
        for node in nodes:
            run.made.append(weir.argument(plain.unpacked(node["array"])) if "array" in node else None)
        return run.results(nodes)
    run = Run(weir, Way(way))
    for node in nodes:
        run.node(node)
    return run.results(nodes)

