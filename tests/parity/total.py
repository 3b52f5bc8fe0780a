"""The cases that every function has: each type, each class of arrays, axes in and out of range. They
come from the prototypes: FORMS says for the names of a function's parameters what it is given beside
its array, mlxcalls.py what MLX gives for that. Not made here, and by hand in the other tables:

- What MLX answers by a crash, by reading what is not its own or by never returning, as sums of
  nothing and indices outside.
- Draws, partitions, windows, ranges: what they are given is no array, or what they give no order.
"""

import itertools

import mlx.core as mx
import numpy as np

import tables
from mlxcalls import CALLS
from mlxside import DTYPES, View, Wide
from table import EMPTY, FLOATS, UNSIGNED, reference, sample

INTEGERS = DTYPES[1:9]


def classes(dtype, seed=0, positive=False):
    """An array of each class."""
    s = lambda *shape: sample(shape, dtype, seed, positive=positive)
    base = s(7, 5, 6)
    yield "scalar", s()
    yield "empty", s(3, 0, 2)
    yield "one", s(1)
    yield "line", s(13)
    yield "special", s(11) if positive else special(dtype)
    yield "prime", s(5, 3, 7)
    yield "wide", Wide(s(3, 1, 2), (3, 5, 2))
    yield "offset", View(base, (2, 1, 3), (7, 5, 6), (1, 1, 1), (0, 1, 2))
    yield "turned", View(base, (0, 0, 0), (7, 5, 6), (1, 1, 1), (2, 0, 1))
    yield "strided", View(base, (0, 1, 0), (7, 5, 6), (2, 3, 2), (1, 0, 2))
    yield "reversed", View(base, (6, 4, 4), (-8, 5, 0), (-1, 1, -2), (0, 2, 1))


def mlx(a):
    if isinstance(a, list):
        return [mlx(x) for x in a]
    return a.mlx() if isinstance(a, (View, Wide)) else a


def special(dtype):
    """A line of what is at the ends of a type."""
    if dtype == mx.bool_:
        return sample((11,), dtype)
    if dtype in INTEGERS:
        info = mx.iinfo(dtype)
        values = [info.min, info.max, info.max - 1, info.min + 1, 0, 1, 3, 2, 64, 32, 8]
        return mx.array(np.array(values, str(dtype).removeprefix("mlx.core.")))
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 65504.0, 3e38, -2.5, 0.5, 1.0]
    if dtype == mx.complex64:
        pairs = [complex(x, y) for x in (0.0, -2.0, np.inf) for y in (0.0, 3.0, np.inf)]
        return mx.array(np.array([*pairs, -1j, 0.5], np.complex64))
    return mx.array(np.array(values, np.float32)).astype(dtype, stream=mx.cpu)


# ---- what is given beside the array ----


def axes_of(a):
    n = len(a.shape)
    return sorted({0, n - 1, -1, -n, n, -n - 1})


def lists_of(a):
    n = len(a.shape)
    return [[], [0], [-1], list(range(n)), [n - 1, 0], [0, 0], [n]]


def like(a, dtype, seed=1, positive=False):
    """Another of the same class."""
    same = zip(classes(dtype), classes(dtype, seed, positive))
    return next((y for (_, x), (_, y) in same if x.shape == a.shape),
                sample(a.shape, dtype, seed, positive=positive))


def beside(name):
    """Types and shapes that the second of two arrays may have."""
    # Divisors and powers that are 0 or below can end the process in MLX.
    positive = name in ("power", "remainder", "divide", "floor_divide", "divmod") or "shift" in name

    def arrays(a, dtype):
        yield (like(a, dtype, 1, positive),)
        yield (sample((), dtype, 2, positive=positive),)
        if a.shape:
            yield (sample(a.shape[-1:], dtype, 3, positive=positive),)
            yield (sample((a.shape[-1] + 2,), dtype, 4, positive=positive),)
    return arrays


def with_axes(*rest):
    return lambda a, d: itertools.product(axes_of(a), *rest)


def with_lists(*rest):
    return lambda a, d: itertools.product(lists_of(a), *rest)


def plain(*given):
    return lambda a, d: given


def pairs_of_axes(a, d):
    n = len(a.shape)
    return [(0, n - 1), (-1, 0), (n, 0), (0, -n - 1), (0, 0)]


def middle(a):
    return [n // 2 for n in a.shape]


def index(a, axis, kind=mx.int32):
    """Indices along an axis, some from its end, no two the same."""
    n = a.shape[axis]
    shape = [1] * len(a.shape)
    shape[axis] = -1
    at = np.array([n - 1, -n], np.int64)[: min(n, 2)]
    return mx.array(at.reshape(shape)).astype(kind), mx.array(at).astype(kind)


def taken(a, d):
    for axis in axes_of(a):
        if -len(a.shape) <= axis < len(a.shape) and a.shape[axis]:
            yield index(a, axis)[1], axis
            yield index(a, axis)[1][:0], axis


def taken_along(a, d):
    for axis in axes_of(a):
        if -len(a.shape) <= axis < len(a.shape) and a.shape[axis]:
            yield mx.broadcast_to(index(a, axis, mx.int64)[0], [
                2 if k == axis % len(a.shape) and n > 1 else n for k, n in enumerate(a.shape)]), axis


def written_along(a, d):
    for at, axis in taken_along(a, d):
        yield at, sample(at.shape, d, 6), axis


def scattered(single):
    def given(a, d):
        if not a.shape or 0 in a.shape:
            return
        axis, (_, at) = len(a.shape) - 1, index(a, -1)
        shape = [1 if k == axis else n for k, n in enumerate(a.shape)]
        updates = sample((*at.shape, *shape), d, 6)
        yield (at, updates, axis) if single else ([at], updates, [axis])
    return given


def gathered(single):
    def given(a, d):
        for at, _, axis in (x if single else (x[0][0], x[1], x[2][0])
                            for x in scattered(single)(a, d)):
            sizes = [1 if k == axis else max(n - 1, 1) for k, n in enumerate(a.shape)]
            yield (at, axis, sizes) if single else ([at], [axis], sizes)
    return given


def ranges(a, d):
    n = len(a.shape)
    yield [0] * n, list(a.shape), [1] * n
    yield [1] * n, list(a.shape), [2] * n
    yield list(a.shape), [-m - 1 for m in a.shape], [-1] * n
    yield [0] * (n + 1), [1] * (n + 1), [1] * (n + 1)


def updated(a, d):
    for start, stop, step in itertools.islice(ranges(a, d), 3):
        part = mx.zeros(a.shape)[tuple(slice(*w) for w in zip(start, stop, step))].shape
        yield sample(part, d, 7), start, stop, step
        yield sample((), d, 8), start, stop, step


def dynamic(a, d):
    n = len(a.shape)
    if n and 0 not in a.shape:
        size = [max(m // 2, 1) for m in a.shape]
        yield mx.array([m - s for m, s in zip(a.shape, size)]), list(range(n)), size
        yield mx.array([0]), [n], size
        yield mx.array([0]), [0], [m + 1 for m in a.shape]


def updated_dynamically(a, d):
    for start, axes, size in dynamic(a, d):
        yield sample(size, d, 7), start, axes


def reshaped(a, d):
    size = int(np.prod(a.shape))
    return [([-1],), ([size],), (list(a.shape)[::-1],), ([size + 1],), ([1, size, 1],), ([-1, -1],)]


def broadcast(a, d):
    return [([2, *a.shape],), (list(a.shape),), (list(a.shape[1:]),), ([n + 1 for n in a.shape],)]


def joined(a, d):
    other = like(a, d)
    return [([a, other],), ([a, sample((4, 3), d)],), ([a],)]


def joined_along(a, d):
    return [(arrays, x) for (arrays,) in joined(a, d)[:2] for x in axes_of(a)]


def unflattened(a, d):
    # Of an axis of 0 with a 0 beside it MLX divides by it.
    return [(x, shape) for x in axes_of(a) for shape in ([-1, 1], [2, 2], [1, 1, -1])
            if 0 not in a.shape]


def padded(a, d):
    n, value = len(a.shape), sample((), d, 5)
    for mode in ("constant", "edge", "up"):
        if mode != "edge" or 0 not in a.shape:  # MLX reads what is not there
            yield list(range(n)), [1] * n, list(range(n)), value, mode
    yield [n], [1], [1], value, "constant"


def padded_round(a, d):
    return [(w, v, m) for *_, v, m in itertools.islice(padded(a, d), 3) for w in (0, 2)]


def chosen(a, d):
    other = like(a, d)
    yield other, sample((), d, 2)
    yield sample(a.shape[-1:], d, 3), other


def products(a, d):
    n = len(a.shape)
    other = like(a, d)
    yield (other,)
    if n > 1:
        yield (mx.swapaxes(mlx(other), -1, -2),)
        yield (sample(a.shape[-1:], d, 2),)
    yield (sample((4, 9), d, 3),)


def added(a, d):
    """addmm's addend is the array; sums of nothing read what is not there in MLX."""
    if len(a.shape) > 1 and 0 not in a.shape:
        left, right = sample((*a.shape[:-1], 3), d, 2), sample((3, a.shape[-1]), d, 3)
        yield left, right, 0.5, 2.0
        yield right, right, 1.0, 1.0


def contracted(a, d):
    n = len(a.shape)
    other = like(a, d)
    for axes in ([], [0], [-1], list(range(n))):
        if len(axes) <= n:
            yield other, axes, axes
    yield other, [0, 0][:n], [0][:n]


def marked(a, d):
    mask = sample(a.shape, mx.bool_, 4)
    count = int(np.sum(np.array(mask)))
    if count:
        yield mask, sample((count,), d, 5)
    if a.shape:
        yield sample((a.shape[0] + 1,), mx.bool_), sample((99,), d)


FORMS = {
    "a": plain(()), "x": plain(()), "arr": plain(()), "a b rtol atol equal_nan": lambda a, d: [
        (*b, 0.1, 0.01, k) for k in (False, True) for b in beside("isclose")(a, d)],
    "a b equal_nan": lambda a, d: [(a, False), *((*b, True) for b in beside("equal")(a, d))],
    "a axis keepdims": with_axes((False, True)), "a keepdims": plain((False,), (True,)),
    "a axes keepdims": with_lists((False, True)), "a axis reverse inclusive": lambda a, d: [
        (x, k % 2 == 0, k % 3 == 0) for k, x in enumerate(axes_of(a) * 2)],
    "a axis": with_axes(), "a axes": with_lists(), "a axis precise": with_axes((False, True)),
    "a precise": plain((False,), (True,)), "a axes precise": with_lists((False, True)),
    "a keepdims ddof": plain((False, 0), (True, 1)), "a axis keepdims ddof": with_axes((True,), (0,)),
    "a axes keepdims ddof": with_lists((False,), (0,)),
    "a dtype": lambda a, d: [(DTYPES[(DTYPES.index(d) + k) % 14],) for k in (0, 1, 5)],
    "x k": plain((0,), (1,), (-2,), (9,)), "a shape": None, "a decimals": plain((0,), (1,), (-1,)),
    "a k axis": lambda a, d: [(k, x) for x in axes_of(a) for k in (1, 2, 99)], "arrays": joined,
    "arrays axis": joined_along, "a indices": lambda a, d: [
        (index(a, 0)[1],)] if a.shape and 0 not in a.shape else [], "a indices axis": taken,
    "a indices values axis": written_along, "a indices updates axis": scattered(True),
    "a indices updates axes": scattered(False), "a indices axis slice_sizes": gathered(True),
    "a indices axes slice_sizes": gathered(False), "a start stop strides": ranges,
    "src update start stop strides": updated, "a start axes slice_size": dynamic,
    "src update start axes": updated_dynamically, "a axis1 axis2": pairs_of_axes,
    "a source destination": pairs_of_axes, "a start_axis end_axis": pairs_of_axes,
    "a offset axis1 axis2": lambda a, d: [(k, *x) for x in pairs_of_axes(a, d) for k in (0, 1, -9)],
    "a offset axis1 axis2 dtype": lambda a, d: [(k, *x, d) for x in pairs_of_axes(a, d) for k in (0, 1)],
    "arr repeats": plain((1,), (3,)), "arr repeats axis": lambda a, d: [(2, x) for x in axes_of(a)],
    "arr reps": plain(([2],), ([],), ([1, 2, 1, 2],)), "a shift": plain(([3],), ([2, -5],)),
    "a shift axis": lambda a, d: [([k], x) for x in axes_of(a) for k in (1, -9)],
    "a shift axes": lambda a, d: [([1] * len(w), w) for w in lists_of(a)[1:]] + [([1], [0, 0])],
    "a axes low_pad_size high_pad_size pad_value mode": padded,
    "a pad_width pad_value mode": padded_round, "a axis shape": unflattened,
    "a num_splits axis": lambda a, d: [(k, x) for x in axes_of(a) for k in (1, 2, 7)],
    "a indices axis sections": lambda a, d: [(c, x) for x in axes_of(a) for c in ([], [1], [2, 1], [-1])],
    "a allow_col_major": plain((False,), (True,)), "condition x y": chosen,
    "a a_min a_max": lambda a, d: [(x, y) for x, y in chosen(a, d)] + [(None, x) for x, _ in chosen(a, d)],
    "a nan posinf neginf": plain((0.0, None, None), (1.0, 2.0, -3.0)), "a vals dtype": lambda a, d: [
        (sample((), d, 2), e) for e in (d, mx.float32)], "c a b alpha beta": added,
    "a b axes_a axes_b": contracted, "a b axis": lambda a, d: [
        (x[0], k) for x in contracted(a, d) for k in (0, 1, 2)][:3], "a mask src": marked,
    "inputs": lambda a, d: [(x,) for (x,) in joined(a, d)],
    "arrays sparse indexing": lambda a, d: [([a, a], s, i) for s in (False, True) for i in ("ij", "xy")],
    "inputs dependencies": lambda a, d: [([a], [a])],
}
OWN = {"broadcast_to": broadcast, "reshape": reshaped, "diag": FORMS["x k"],
       "topk": plain((1,), (2,), (99,)), "split_sections": FORMS["a indices axis sections"],
       "take_along_axis": taken_along, "matmul": products, "inner": products, "outer": products,
       "kron": lambda a, d: products(a, d) if 0 not in a.shape else []}
PUBLIC = {f.name.removeprefix("mlx_"): " ".join(
    p.name for p in f.parameters if p.name not in ("res", "s") and not p.name.endswith("_num"))
    for f in tables.functions()}


def given_to(name):
    """What a function is given beside an array, as a function of it and its type; None: nothing."""
    if name in OWN:
        return OWN[name]
    if PUBLIC[name] == "a b":
        return beside(name)
    return FORMS.get(PUBLIC[name])


# ---- the cases ----

REDUCTIONS = set(tables.with_parameters("res", "a", "keepdims", "s")) | {"var", "std"}


def root(name):
    return name.removesuffix("_axis").removesuffix("_axes")


# Of values at the ends of their types, where MLX is another: products of complex infinities, running
# products that leave float32, the larger of a NaN and what comes after it, numbers beyond uint32.
PRODUCTS = set("""multiply power logaddexp logcumsumexp outer inner kron mean cumprod degrees radians tensordot
    scatter_prod scatter_prod_single slice_update_prod matmul""".split())
ENDS = set("""cumprod astype scatter_max scatter_min scatter_max_single scatter_min_single""".split())


def asks_mlx(name, kind, a, dtype):
    """Where it has an answer, and comes back."""
    of = root(name)
    if kind == "special" and (of in PRODUCTS and dtype == mx.complex64 or
                              of in ENDS and dtype not in INTEGERS):
        return False
    if of in REDUCTIONS | {"softmax", "median", "trace"} and 0 in a.shape and of not in EMPTY:
        return False
    if of.startswith("arg") and not a.shape:
        return False
    if of in ("logsumexp", "softmax", "logcumsumexp") and dtype in UNSIGNED:
        return False
    return not (of == "floor_divide" and dtype == mx.complex64)


def answer(name, a, rest):
    if root(name) in EMPTY and 0 in a.shape:
        f, (*axes, keep) = reference(root(name), mlx(a)), rest
        axis = tuple(axes[0]) if axes and isinstance(axes[0], list) else axes[0] if axes else None
        return lambda: f(axis, keep)
    return lambda: CALLS["mlx_" + name](mlx(a), *map(mlx, rest))


def arguments(name, a, rest):
    """With the array where the prototype has it."""
    return rest if PUBLIC[name].split()[0] in ("arrays", "inputs") else (a, *rest)


def total():
    for name in sorted(PUBLIC):
        given = given_to(name)
        if not given or "mlx_" + name not in CALLS:
            continue
        for dtype in DTYPES:
            for kind, a in classes(dtype):
                if not asks_mlx(name, kind, a, dtype):
                    continue
                for rest in given(a, dtype):
                    if root(name) in EMPTY and 0 in a.shape and rest[0] == []:
                        continue  # a sum of nothing to MLX
                    args = arguments(name, a, rest)
                    call = answer(name, a, rest) if args[0] is a else (
                        lambda n=name, r=rest: CALLS["mlx_" + n](*map(mlx, r)))
                    yield "total", "mlx_" + name, args, call


TOTAL = (total,)
