"""Shrinks a graph (graphs.py) that fails to the smallest that does: nodes that nobody needs go, a node
gives its place to one of its inputs, fewer results are read, arrays become smaller."""

import copy

import numpy as np

import plain


def without(nodes, gone, instead=None):
    """The graph without a node, whose users get another one instead, or go too."""
    lost, places, left = {gone}, {}, []
    for i, node in enumerate(nodes):
        of = [instead if k == gone and instead is not None else k for k in node.get("of", [])]
        if i in lost or any(k in lost for k in of):
            lost.add(i)
            continue
        places[i] = len(left)
        left.append({**node, "of": [places[k] for k in of]} if "of" in node else node)
    return left


def read_less(nodes, i):
    found = copy.deepcopy(nodes)
    found[i]["keep"] = False
    return found


def plainer(nodes, i):
    """An array instead of a view, and its first elements along an axis."""
    value = plain.unpacked(nodes[i]["array"])
    if not isinstance(value, plain.Array):
        if isinstance(value, plain.View):
            where = tuple(slice(*w) for w in zip(value.start, value.stop, value.step))
            yield plain.Array(value.dtype, np.ascontiguousarray(value.base.bits[where].transpose(value.axes)))
        return
    for axis, n in enumerate(value.shape):
        for size in sorted({1, n // 2}):
            if 0 < size < n:
                yield plain.Array(value.dtype, value.bits.take(range(size), axis))


def smaller(nodes):
    """Graphs that are a step smaller."""
    for i in reversed(range(len(nodes))):
        yield without(nodes, i)
        for k in set(nodes[i].get("of", [])):
            found = without(nodes, i, k)
            if nodes[i].get("keep") and found:
                found[k] = {**found[k], "keep": True}
            yield found
    for i, node in enumerate(nodes):
        if node.get("keep"):
            yield read_less(nodes, i)
    for i, node in enumerate(nodes):
        if "array" in node:
            for value in plainer(nodes, i):
                yield [*nodes[:i], {**node, "array": plain.packed(value)}, *nodes[i + 1:]]


def shrunk(nodes, fails):
    """The smallest that fails and of which no step smaller one does."""
    while True:
        found = next((g for g in smaller(nodes) if g and fails(g)), None)
        if found is None:
            return nodes
        nodes = found


def lines(nodes):
    """In words."""
    for i, node in enumerate(nodes):
        if "array" in node:
            yield f"%{i} = {plain.show(plain.unpacked(node['array']))}"
        else:
            args = [f"%{k}" for k in node["of"]] + [plain.show(a) for a in plain.unpacked(node["args"])]
            yield f"%{i} = {node['call']}({', '.join(args)})" + ("  (read)" if node.get("keep") else "")
