"""Single operations on one GPU, one row each: Weir beside PyTorch, CuPy and MLX, whichever is there, in one run.

Rows are measured as those of models_gpu.py: calls are recorded first and waited for together. A last
table has the rows in which a peer is faster.

Usage: ops_gpu.py LIBRARY [ROW...], names of rows or how they begin. With `--warm I OF` before it every
OF-th row from I on is called once and not measured, so that several processes fill the caches of kernels.
Exits 77 without PyTorch or a GPU.
"""

import sys

import torch
from models_gpu import Peers, random, timed
from weirlib import WeirError

try:
    import cupy
    import cupyx.scipy.special as special
except ImportError:
    cupy = special = None
try:
    from mlx_side import Mlx
except ImportError:
    Mlx = None

N, SIDE = 1 << 24, 4096
COUNT = 8
I32, F16, BF16, F64 = torch.int32, torch.float16, torch.bfloat16, torch.float64

# Names in MLX, PyTorch and CuPy.
UNARY = [name.split() for name in """
abs abs abs|negative neg negative|square square square|sqrt sqrt sqrt|rsqrt rsqrt -|reciprocal reciprocal reciprocal
exp exp exp|expm1 expm1 expm1|log log log|log2 log2 log2|log10 log10 log10|log1p log1p log1p|sin sin sin|cos cos cos
tan tan tan|sinh sinh sinh|cosh cosh cosh|tanh tanh tanh|arcsin asin arcsin|arccos acos arccos|arctan atan arctan
arcsinh asinh arcsinh|arctanh atanh arctanh|sigmoid sigmoid -|erf erf special.erf|erfinv erfinv special.erfinv
floor floor floor|sign sign sign|isnan isnan isnan|logical_not logical_not logical_not
""".replace("\n", "|").strip("|").split("|")]
BINARY = [name.split() for name in """
add add add|subtract sub subtract|multiply mul multiply|divide div divide|power pow power|maximum maximum maximum
logaddexp logaddexp logaddexp|remainder remainder remainder|floor_divide floor_divide floor_divide
arctan2 atan2 arctan2|less less less|equal eq equal
""".replace("\n", "|").strip("|").split("|")]


def of_cupy(name):
    if not cupy or name == "-":
        return None
    return getattr(special, name[len("special."):]) if name.startswith("special.") else getattr(cupy, name)


class Table(Peers):
    def __init__(self, path, wanted, warm):
        super().__init__(path, wanted)
        self.warm, self.rows, self.behind = warm, 0, []
        self.called = self.weir.call
        self.mlx = Mlx and Mlx()

    def given(self, t):
        """The same values for each side."""
        made = self.array(t)
        if self.mlx:
            self.mlx.know(made, t)
        return made, t, cupy.from_dlpack(t) if cupy else None

    def scalar(self, value, dtype=torch.float32):
        """A number of the host's, as programs give it."""
        one = torch.tensor([value], dtype=dtype)
        made = self.of(one.numpy().ctypes.data, (), dtype)
        if self.mlx:
            self.mlx.know(made, one[0])
        return made

    def kept(self, name, *args):
        """A result that is there before anything is measured."""
        result = self.called(name, *args)[0]
        self.weir.check(self.weir.lib.mlx_array_eval(result))
        if self.mlx:
            self.mlx.know_call(result, (name.removeprefix("mlx_"), *args))
        return result

    def op(self, name, call, peer, other=None, count=COUNT):
        """call: a function's name and its arguments."""
        self.rows += 1
        if self.wanted and not any(name.startswith(w) for w in self.wanted):
            return
        if self.warm and self.rows % self.warm[1] != self.warm[0]:
            return
        sides = [("PyTorch", peer), ("CuPy", other if cupy else None)]
        try:
            if self.warm:
                self.once(call, sides)
            else:
                self.compare(name, call, sides, count)
        except (RuntimeError, TypeError, ValueError, WeirError) as error:
            print(f"{name:38} {error!r}", flush=True)  # that a side lacks it, say

    def once(self, call, sides):
        self.kept("mlx_" + call[0], *call[1:])
        for _, side in sides:
            if side:
                side()
        torch.cuda.synchronize()

    def seconds_of(self, run, count):
        def all_of_it():
            for _ in range(count):
                run()

        return run and timed(all_of_it, torch.cuda.synchronize) / count

    def seconds_of_mlx(self, call, count):
        run = self.mlx and self.mlx.all_of(call, count)
        try:
            return run and timed(run, torch.cuda.synchronize) / count
        except (RuntimeError, TypeError, ValueError):
            return None  # not on GPUs, say

    def compare(self, name, call, sides, count):
        weir = self.seconds_of_weir(lambda i: self.called("mlx_" + call[0], *call[1:])[0], count)
        line, best = f"{name:38} {weir * 1e6:9.1f} us", None
        peers = [(side, self.seconds_of(run, count)) for side, run in sides]
        for side, taken in [*peers, ("MLX", self.seconds_of_mlx(call, count))]:
            if not taken:
                continue
            line += f"  {side} {taken / weir:6.2f}"
            best = taken if best is None else min(best, taken)
        if best and best < weir:
            self.behind.append((best / weir, name))
        print(line, flush=True)

    def end(self):
        if self.warm:
            return
        print(f"\n{self.rows} rows, {len(self.behind)} of them below 1:")
        for ratio, name in sorted(self.behind):
            print(f"{ratio:6.2f} {name}")


def elementwise(t):
    x, y = t.given(random(N) * 0.4 + 0.5), t.given(random(N) * 0.4 + 0.5)
    for weir, peer, other in UNARY:
        f, g = getattr(torch, peer), of_cupy(other)
        t.op(weir, (weir, x[0]), lambda: f(x[1]), g and (lambda: g(x[2])))
    t.op("round", ("round", x[0], 0), lambda: x[1].round(), lambda: cupy.rint(x[2]))
    for weir, peer, other in BINARY:
        f, g = getattr(torch, peer), of_cupy(other)
        t.op(weir, (weir, x[0], y[0]), lambda: f(x[1], y[1]), g and (lambda: g(x[2], y[2])))
    c = t.given(random(N) > 0)
    t.op("where", ("where", c[0], x[0], y[0]), lambda: torch.where(c[1], x[1], y[1]),
         lambda: cupy.where(c[2], x[2], y[2]))
    for dtype, other in ((F16, "float16"), (BF16, None), (I32, "int32"), (F64, "float64"), (torch.bool, "bool")):
        name = str(dtype).replace("torch.", "")
        t.op(f"float32 to {name}", ("astype", x[0], name), lambda: x[1].to(dtype),
             (lambda: x[2].astype(other)) if other else None)
    for dtype in (F16, BF16):
        name = str(dtype).replace("torch.", "")
        a, b = random(N).to(dtype), random(N).to(dtype)
        ha, hb = t.array(a), t.array(b)
        t.op(f"{name} to float32", ("astype", ha, "float32"), lambda: a.to(torch.float32))
        t.op(f"add {name}", ("add", ha, hb), lambda: a + b)
        t.op(f"exp {name}", ("exp", ha), lambda: a.exp())
        t.op(f"sum {name}", ("sum", ha, False), lambda: a.sum())
    i, j = t.given(torch.randint(1, 1000, (N,), device="cuda", dtype=I32)), t.given(
        torch.randint(1, 1000, (N,), device="cuda", dtype=I32))
    t.op("add int32", ("add", i[0], j[0]), lambda: i[1] + j[1], lambda: i[2] + j[2])
    t.op("floor_divide int32", ("floor_divide", i[0], j[0]), lambda: i[1] // j[1], lambda: i[2] // j[2])
    t.op("sum int32", ("sum", i[0], False), lambda: i[1].sum(), lambda: i[2].sum())
    t.op("sort int32 of 16M", ("sort_axis", i[0], 0), lambda: i[1].sort()[0], lambda: cupy.sort(i[2]))


def copies(t):
    m, cube = t.given(random(SIDE, SIDE)), t.given(random(256, 256, 256))
    row, column = t.given(random(SIDE)), t.given(random(SIDE, 1))
    t.op("add of a row", ("add", m[0], row[0]), lambda: m[1] + row[1], lambda: m[2] + row[2])
    t.op("add of a column", ("add", m[0], column[0]), lambda: m[1] + column[1], lambda: m[2] + column[2])
    turned = t.kept("mlx_transpose", m[0])
    t.op("copy, transposed", ("contiguous", turned, False), lambda: m[1].t().contiguous(),
         lambda: cupy.ascontiguousarray(m[2].T))
    t.op("add of the transpose", ("add", m[0], turned), lambda: m[1] + m[1].t(), lambda: m[2] + m[2].T)
    for axes in ((2, 1, 0), (1, 0, 2), (0, 2, 1)):
        view = t.kept("mlx_transpose_axes", cube[0], list(axes))
        t.op(f"copy, axes {axes}", ("contiguous", view, False), lambda: cube[1].permute(axes).contiguous(),
             lambda: cupy.ascontiguousarray(cube[2].transpose(axes)))
    half = t.kept("mlx_slice", m[0], [0, 0], [SIDE, SIDE], [1, 2])
    t.op("copy of every other column", ("contiguous", half, False), lambda: m[1][:, ::2].contiguous(),
         lambda: cupy.ascontiguousarray(m[2][:, ::2]))
    t.op("concatenate rows", ("concatenate_axis", [m[0], m[0]], 0), lambda: torch.cat([m[1], m[1]], 0),
         lambda: cupy.concatenate([m[2], m[2]], 0))
    t.op("concatenate columns", ("concatenate_axis", [m[0], m[0]], 1), lambda: torch.cat([m[1], m[1]], 1),
         lambda: cupy.concatenate([m[2], m[2]], 1))
    t.op("repeat columns", ("repeat_axis", m[0], 2, 1), lambda: m[1].repeat_interleave(2, 1),
         lambda: cupy.repeat(m[2], 2, 1))
    t.op("tile", ("tile", m[0], [2, 2]), lambda: m[1].tile((2, 2)), lambda: cupy.tile(m[2], (2, 2)))
    t.op("roll columns", ("roll_axis", m[0], [5], 1), lambda: m[1].roll(5, 1), lambda: cupy.roll(m[2], 5, 1))
    t.op("pad", ("pad", m[0], [0, 1], [1, 1], [1, 1], t.scalar(0), "constant"),
         lambda: torch.nn.functional.pad(m[1], (1, 1, 1, 1)), lambda: cupy.pad(m[2], 1))
    t.op("tril", ("tril", m[0], 0), lambda: m[1].tril(), lambda: cupy.tril(m[2]))


def reductions(t):
    x, m = t.given(random(N)), t.given(random(SIDE, SIDE))
    cube, short = t.given(random(256, 256, 256)), t.given(random(1 << 20, 16))
    b = t.given(torch.ones(SIDE, SIDE, device="cuda", dtype=torch.bool))
    plain = (("sum", "sum", cupy and cupy.sum), ("max", "amax", cupy and cupy.max), ("argmax", "argmax", cupy and cupy.argmax))
    for weir, peer, other in plain:
        f = getattr(torch, peer)
        t.op(f"{weir} of 16M", (weir, x[0], False), lambda: f(x[1]), lambda: other(x[2]))
        t.op(f"{weir} over rows", (weir + "_axis", m[0], 1, False), lambda: f(m[1], 1), lambda: other(m[2], 1))
        t.op(f"{weir} over columns", (weir + "_axis", m[0], 0, False), lambda: f(m[1], 0), lambda: other(m[2], 0))
        t.op(f"{weir} over the middle of 256^3", (weir + "_axis", cube[0], 1, False), lambda: f(cube[1], 1),
             lambda: other(cube[2], 1))
        t.op(f"{weir} of 1M times 16", (weir + "_axis", short[0], 1, False), lambda: f(short[1], 1),
             lambda: other(short[2], 1))
    odd = t.given(random(SIDE, SIDE - 1))
    for weir, peer, other in plain[:2]:
        f = getattr(torch, peer)
        t.op(f"{weir} over 4095 columns", (weir + "_axis", odd[0], 0, False), lambda: f(odd[1], 0), lambda: other(odd[2], 0))
    t.op("prod of 16M", ("prod", x[0], False), lambda: x[1].prod(), lambda: x[2].prod())
    t.op("mean over rows", ("mean_axis", m[0], 1, False), lambda: m[1].mean(1), lambda: m[2].mean(1))
    t.op("var over rows", ("var_axis", m[0], 1, False, 0), lambda: m[1].var(1, correction=0), lambda: m[2].var(1))
    t.op("std of 16M", ("std", x[0], False, 0), lambda: x[1].std(correction=0), lambda: x[2].std())
    t.op("all of 16M", ("all", b[0], False), lambda: b[1].all(), lambda: b[2].all())
    t.op("any over columns", ("any_axis", b[0], 0, False), lambda: b[1].any(0), lambda: b[2].any(0))
    t.op("logsumexp over rows", ("logsumexp_axis", m[0], 1, False), lambda: m[1].logsumexp(1),
         special and (lambda: special.logsumexp(m[2], 1)))
    t.op("softmax over rows", ("softmax_axis", m[0], 1, False), lambda: m[1].softmax(1),
         special and (lambda: special.softmax(m[2], 1)))
    t.op("softmax over columns", ("softmax_axis", m[0], 0, False), lambda: m[1].softmax(0),
         special and (lambda: special.softmax(m[2], 0)))
    t.op("softmax of 1M times 16", ("softmax_axis", short[0], 1, False), lambda: short[1].softmax(1))
    for weir, peer, other in (("cumsum", "cumsum", cupy and cupy.cumsum), ("cumprod", "cumprod", cupy and cupy.cumprod),
                              ("cummax", "cummax", None), ("logcumsumexp", "logcumsumexp", None)):
        f = getattr(torch, peer)
        t.op(f"{weir} of 16M", (weir, x[0], 0, False, True), lambda: f(x[1], 0), other and (lambda: other(x[2])))
        t.op(f"{weir} over rows", (weir, m[0], 1, False, True), lambda: f(m[1], 1), other and (lambda: other(m[2], 1)))
        t.op(f"{weir} over columns", (weir, m[0], 0, False, True), lambda: f(m[1], 0), other and (lambda: other(m[2], 0)))


def places(t):
    x, m = t.given(random(N)), t.given(random(SIDE, SIDE))
    t.op("sort of 16M", ("sort_axis", x[0], 0), lambda: x[1].sort()[0], lambda: cupy.sort(x[2]))
    t.op("argsort of 16M", ("argsort_axis", x[0], 0), lambda: x[1].argsort(), lambda: cupy.argsort(x[2]))
    t.op("sort of rows", ("sort_axis", m[0], 1), lambda: m[1].sort(1)[0], lambda: cupy.sort(m[2], 1))
    t.op("sort of columns", ("sort_axis", m[0], 0), lambda: m[1].sort(0)[0], lambda: cupy.sort(m[2], 0))
    t.op("argsort of rows", ("argsort_axis", m[0], 1), lambda: m[1].argsort(1), lambda: cupy.argsort(m[2], 1))
    t.op("partition of rows", ("partition_axis", m[0], 10, 1), None, lambda: cupy.partition(m[2], 10, 1))
    for k in (10, 1000):
        t.op(f"topk {k} of rows", ("topk_axis", m[0], k, 1), lambda: m[1].topk(k, 1)[0])
    t.op("topk 10 of 16M", ("topk_axis", x[0], 10, 0), lambda: x[1].topk(10)[0])
    t.op("median of 16M", ("median", x[0], [0], False), lambda: x[1].median(), lambda: cupy.median(x[2]))
    at = t.given(torch.randint(0, N, (N,), device="cuda", dtype=I32))
    wide = at[1].long()
    t.op("take of 16M at random", ("take", x[0], at[0]), lambda: x[1][at[1]], lambda: cupy.take(x[2], at[2]))
    rows = t.given(torch.randint(0, SIDE, (2 * SIDE,), device="cuda", dtype=I32))
    t.op("take of 8192 rows", ("take_axis", m[0], rows[0], 0), lambda: m[1][rows[1]], lambda: cupy.take(m[2], rows[2], 0))
    columns = t.given(torch.randint(0, SIDE, (SIDE,), device="cuda", dtype=I32))
    t.op("take of 4096 columns", ("take_axis", m[0], columns[0], 1), lambda: m[1][:, columns[1]],
         lambda: cupy.take(m[2], columns[2], 1))
    along = t.given(torch.randint(0, SIDE, (SIDE, SIDE), device="cuda", dtype=I32))
    along_wide = along[1].long()
    t.op("take_along_axis, rows", ("take_along_axis", m[0], along[0], 1), lambda: m[1].gather(1, along_wide),
         lambda: cupy.take_along_axis(m[2], along[2], 1))
    t.op("put_along_axis, rows", ("put_along_axis", m[0], along[0], m[0], 1), lambda: m[1].scatter(1, along_wide, m[1]))
    t.op("scatter_add_axis, rows", ("scatter_add_axis", m[0], along[0], m[0], 1),
         lambda: m[1].scatter_add(1, along_wide, m[1]))
    t.op("scatter_add_axis of 16M", ("scatter_add_axis", x[0], at[0], x[0], 0), lambda: x[1].scatter_add(0, wide, x[1]))


def drawn(t):
    low, high, half = (t.scalar(v) for v in (0, 1, 0.5))
    ilow, ihigh = (t.scalar(v, I32) for v in (0, 1000))
    new = torch.empty(N, device="cuda")
    bits = torch.empty(N, device="cuda", dtype=I32)
    t.op("random uniform", ("random_uniform", low, high, [N], "float32", None), lambda: torch.rand(N, device="cuda"),
         lambda: cupy.random.random(N, dtype="float32"))
    t.op("random normal", ("random_normal", [N], "float32", 0.0, 1.0, None), lambda: torch.randn(N, device="cuda"),
         lambda: cupy.random.standard_normal(N, dtype="float32"))
    t.op("random bits", ("random_bits", [N], 4, None), lambda: bits.random_())
    t.op("random randint", ("random_randint", ilow, ihigh, [N], "int32", None),
         lambda: torch.randint(0, 1000, (N,), device="cuda", dtype=I32), lambda: cupy.random.randint(0, 1000, N, "int32"))
    t.op("random bernoulli", ("random_bernoulli", half, [N], None), lambda: new.bernoulli_(0.5))
    t.op("random permutation of 1M", ("random_permutation_arange", 1 << 20, None),
         lambda: torch.randperm(1 << 20, device="cuda"), lambda: cupy.random.permutation(1 << 20))
    t.op("arange of 16M", ("arange", 0.0, float(N), 1.0, "float32"),
         lambda: torch.arange(0, N, device="cuda", dtype=torch.float32), lambda: cupy.arange(N, dtype="float32"))


def products(t):
    for name, dtype in (("float32 as TF32", torch.float32), ("float32", torch.float32), ("bfloat16", BF16),
                        ("float16", F16), ("float64", F64), ("complex64", torch.complex64)):
        tf32 = "TF32" in name
        t.weir.check(t.weir.lib.weir_set_matmul_precision(1 if tf32 else 0))
        torch.backends.cuda.matmul.allow_tf32 = tf32
        side = 1024 if dtype == torch.complex64 else SIDE // 2 if dtype == F64 else SIDE
        for shapes in (((side, side), (side, side)), ((64, 512, 512), (64, 512, 512)), ((1, side), (side, side)),
                       ((65536, 128), (128, 128))):
            if dtype in (F64, torch.complex64) and len(shapes[0]) > 2:
                continue
            a, b = (torch.randn(s, device="cuda").to(dtype) for s in shapes)
            ha, hb = t.array(a), t.array(b)
            ca, cb = (cupy.from_dlpack(v) for v in (a, b)) if cupy and dtype != BF16 and not tf32 else (None, None)
            text = " by ".join(" x ".join(str(v) for v in s) for s in shapes)
            t.op(f"{name}: {text}", ("matmul", ha, hb), lambda: a @ b, ca is not None and (lambda: ca @ cb), count=4)
            for h in (ha, hb):
                t.weir.lib.mlx_array_free(h)


def main():
    torch.set_grad_enabled(False)
    args, warm = sys.argv[1:], None
    if args[0] == "--warm":
        warm, args = (int(args[1]), int(args[2])), args[3:]
    table = Table(args[0], args[1:], warm)
    for family in (elementwise, copies, reductions, places, drawn, products):
        family(table)
        torch.cuda.empty_cache()
    table.end()


main()
