"""Draws graphs of some operations on few arrays, so that groups form, share inputs and give buffers
on, and says what their results are, to the bit. The same graph gives the same, fused or not, forced
at its end or after each step, from one thread or from several."""

import ctypes
import hashlib
import threading

import mlx.core as mx

import draw
from mlxcalls import BINARY, UNARY
from mlxside import NAMES, to_plain
from plain import Dtype
from weirlib import WeirError

DTYPES = [mx.float32] * 5 + [mx.float16, mx.bfloat16, mx.float64, mx.int32, mx.uint8, mx.bool_,
                             mx.complex64, mx.int64]


class Graph:
    def __init__(self, weir, d, stepwise):
        self.weir, self.d, self.stepwise, self.made = weir, d, stepwise, []

    def add(self, name, *args):
        """Records a call; one that is refused adds nothing, on every way the same."""
        try:
            handles = self.weir.call("mlx_" + name, *args)
        except WeirError:
            return
        if self.stepwise:
            for handle in handles:
                self.weir.check(self.weir.lib.mlx_array_eval(handle))
        self.made += handles

    def shape(self, handle):
        dim, ndim = self.weir.lib.mlx_array_dim, self.weir.lib.mlx_array_ndim(handle)
        return [dim(handle, ctypes.c_int(i)) for i in range(ndim)]

    def step(self):
        d, a, b = self.d, self.d.one(self.made), self.d.one(self.made)
        shape = self.shape(a)
        kind, flag = d.between(0, 15), d.chance(0.5)
        axis = d.axis(len(shape), 0)
        if kind < 4:
            self.add(d.one(UNARY), a)
        elif kind < 9:
            self.add(d.one(BINARY), a, b)
        elif kind == 9:
            self.add("where", d.one(self.made), a, b)
        elif kind == 10:
            self.add("astype", a, Dtype(NAMES[d.one(DTYPES)]))
        elif kind == 11:
            self.add(d.one("sum max min prod mean all any".split()) + "_axis", a, axis, flag)
        elif kind == 12:
            self.add(d.one("sum max mean".split()), a, flag)
        elif kind == 13:
            self.add(d.one(["transpose", "copy"]), a)
        elif kind == 14:
            self.add("slice", a, [0] * len(shape), shape, [d.one([1, 2]) for _ in shape])
        else:
            name, args = d.one([("softmax_axis", [axis, flag]), ("sort_axis", [axis]),
                                ("cumsum", [axis, flag, True]), ("cummax", [axis, flag, True]), ("flatten", [0, -1]),
                                ("expand_dims", [axis]), ("std_axis", [axis, flag, 0])])
            self.add(name, a, *args)

    def forget(self, handles):
        for handle in handles:
            self.weir.lib.mlx_array_free(handle)

    def force(self, handles):
        """From three threads at once, each in an order of its own."""
        orders = [[handles[i] for i in self.d.rng.permutation(len(handles))] for _ in range(3)]
        evaluate = lambda order: [self.weir.lib.mlx_array_eval(h) for h in order]
        threads = [threading.Thread(target=evaluate, args=(o,)) for o in orders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def digest(weir, seed, number, stepwise):
    d = draw.Draw(seed, number)
    graph = Graph(weir, d, stepwise)
    shape = d.one([(9000,), (130, 70)]) if d.chance(0.15) else d.shape(d.one([1, 2, 2, 3]))
    for _ in range(d.between(1, 3)):
        dtype = d.one(DTYPES)
        source = d.array(d.one([shape, shape, d.beside(shape, 0), ()]), dtype)
        graph.made.append(weir.argument(to_plain(source)))
    for _ in range(d.between(3, 14)):
        graph.step()
    kept = [h for h in graph.made if d.chance(0.5)] or graph.made[-1:]
    graph.forget(h for h in graph.made if h not in kept)
    graph.force(kept)
    sum_ = hashlib.sha1()
    for handle in kept:
        dtype, extents, bits = weir.read(handle)
        sum_.update(f"{dtype}{extents}".encode() + bits.tobytes())
    graph.forget(kept)
    return f"{len(graph.made)} arrays, {sum_.hexdigest()}"
