"""Programs (programs.py) and their transforms beside MLX's: derivatives both ways, batches, compiled,
computed again, with rules of their own, through files, and these in each other.

Where MLX has no rule or says no, nothing is compared. Batches are compared with MLX's function of each
part, stacked. Left out is what MLX gets wrong: tangents of addmm and of irfft, derivatives of complex
cumprod and logcumsumexp, second ones of complex magnitudes and of logcumsumexp; tangents of equal greatest
elements, of which either may be taken; and elements that are no number on either side, since what is 0 times
infinity here may be 0 there."""

import ctypes
import tempfile

import mlx.core as mx
import numpy as np

from mlxside import NAMES, to_plain
from programs import TABLE, drawn, filled, shown, values
from weirlib import Handle, WeirError

FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Handle), Handle)
FOLDER = tempfile.TemporaryDirectory()
PATH = FOLDER.name + "/f.mlxfn"
WAYS = ["vjp", "vjp", "jvp", "vmap", "vmap", "compile", "checkpoint", "custom", "custom"]
FILES = ["there", "from", "to"]
LOOSE, LEAST = 5e-3, 0.2


class Side:
    """MLX's functions of arrays."""

    def function(self, p):
        def run(*inputs):
            arrays = list(inputs)
            for name, args, pick in p.steps:
                found = TABLE[name](*filled(args, arrays))
                arrays.append(found[pick] if isinstance(found, (list, tuple)) else found)
            return [arrays[i] for i in p.keep]
        return run

    def vjp(self, f, cots):
        return lambda *x: list(mx.vjp(f, list(x), cots)[1])

    def jvp(self, f, tangents):
        return lambda *x: list(mx.jvp(f, list(x), tangents)[1])

    def vmap(self, f, ins, outs):
        return lambda *x: list(mx.vmap(f, in_axes=ins, out_axes=outs)(*x))

    def loop(self, f, ins, outs):
        def run(*x):
            n = next(a.shape[ax] for a, ax in zip(x, ins) if ax is not None)
            parts = [f(*[a if ax is None else mx.take(a, k, ax) for a, ax in zip(x, ins)]) for k in range(n)]
            return [mx.stack(list(q), o) for q, o in zip(zip(*parts), outs)]
        return run


class Weirs:
    """Weir's functions of handles, which closures are made of where they are called."""

    def __init__(self, weir):
        self.weir, self.lib = weir, weir.lib
        self.lib.mlx_closure_new_func.restype = Handle
        self.alive, self.held, self.trouble = [], [], None

    def function(self, p):
        def run(*inputs):
            arrays = list(inputs)
            for name, args, pick in p.steps:
                given = [to_plain(a) if not isinstance(a, (Handle, list)) else
                         [x if isinstance(x, Handle) else to_plain(x) for x in a] if isinstance(a, list) else a
                         for a in filled(args, arrays)]
                arrays.append(self.weir.call("mlx_" + name, *given)[pick])
            return [arrays[i] for i in p.keep]
        return run

    def end(self):
        """Closures go before what they call."""
        for _, made in self.alive:
            self.lib.mlx_closure_free(made)

    def closure(self, f):
        def run(res, given):
            try:
                made = f(*self.weir.items(given))
                items = (Handle * len(made))(*made)
                return self.lib.mlx_vector_array_set_data(res, items, ctypes.c_size_t(len(made)))
            except Exception as error:  # none may leave it
                self.trouble = error
                return 1

        held = FUNCTION(run)
        made = self.lib.mlx_closure_new_func(held)
        self.alive.append((held, made))
        return made

    def vector(self, handles):
        return self.lib.mlx_vector_array_new_data((Handle * len(handles))(*handles), ctypes.c_size_t(len(handles)))

    def given(self, arrays):
        return [a if isinstance(a, Handle) else self.weir.array(to_plain(a)) for a in arrays]

    def two(self, name, f, others):
        def run(*x):
            a, b = self.lib.mlx_vector_array_new(), self.lib.mlx_vector_array_new()
            made, v, w = self.closure(f), self.vector(x), self.vector(self.given(others))
            self.weir.check(getattr(self.lib, name)(ctypes.byref(a), ctypes.byref(b), made, v, w))
            return self.weir.items(b)
        return run

    def vjp(self, f, cots):
        return self.two("mlx_vjp", f, cots)

    def jvp(self, f, tangents):
        return self.two("mlx_jvp", f, tangents)

    def vmap(self, f, ins, outs):
        def run(*x):
            s_in, s_out, out = (self.lib.mlx_vector_array_new() for _ in range(3))
            v = self.vector(x)
            axes = (ctypes.c_int * len(ins))(*[-1 if a is None else a for a in ins])
            to = (ctypes.c_int * len(outs))(*outs)
            made = self.closure(f)
            self.weir.check(self.lib.mlx_detail_vmap_trace(ctypes.byref(s_in), ctypes.byref(s_out), made, v, axes, ctypes.c_size_t(len(ins))))
            self.weir.check(self.lib.mlx_detail_vmap_replace(ctypes.byref(out), v, s_in, s_out, axes, ctypes.c_size_t(len(ins)), to, ctypes.c_size_t(len(outs))))
            return self.weir.items(out)
        return run

    def changed(self, change):
        made = []

        def run(*x):
            out = self.lib.mlx_vector_array_new()
            v = self.vector(x)
            if not made:
                made.append(change())
            self.weir.check(self.lib.mlx_closure_apply(ctypes.byref(out), made[0], v))
            return self.weir.items(out)
        return run

    def compile(self, f):
        def change():
            made = Handle()
            self.weir.check(self.lib.mlx_compile(ctypes.byref(made), self.closure(f), ctypes.c_bool(False)))
            return made
        return self.changed(change)

    def custom(self, f, which):
        P, I = ctypes.POINTER(Handle), ctypes.POINTER(ctypes.c_int)
        lib = self.lib
        for n in ("mlx_closure_custom_new_func", "mlx_closure_custom_jvp_new_func", "mlx_closure_custom_vmap_new_func",
                  "mlx_vector_int_new_data"):
            getattr(lib, n).restype = Handle
        inner = self.closure(f)

        def guarded(g):
            def run(*a):
                try:
                    return g(*a)
                except Exception as error:
                    self.trouble = error
                    return 1
            return run

        def back(res, primals, cots, outs):
            v = lib.mlx_vector_array_new()
            return lib.mlx_vjp(ctypes.byref(v), res, inner, primals, cots)

        def on(res, primals, tangents, numbers, n):
            x = self.weir.items(primals)
            given = self.weir.items(tangents)
            t = [self.weir.call("mlx_zeros_like", a)[0] for a in x]
            for k in range(n):
                t[numbers[k]] = given[k]
            v = lib.mlx_vector_array_new()
            return lib.mlx_jvp(ctypes.byref(v), res, inner, primals, self.vector(t))

        def batch(res, axes, inputs, numbers, n):
            x = self.weir.items(inputs)
            ins = [None if numbers[k] < 0 else numbers[k] for k in range(n)]
            s_in, s_out = (lib.mlx_vector_array_new() for _ in range(2))
            at = (ctypes.c_int * n)(*[numbers[k] for k in range(n)])
            if lib.mlx_detail_vmap_trace(ctypes.byref(s_in), ctypes.byref(s_out), inner, inputs, at, ctypes.c_size_t(n)):
                return 1
            m = lib.mlx_vector_array_size(s_out)
            to = (ctypes.c_int * m)(*[0] * m)
            if lib.mlx_detail_vmap_replace(res, inputs, s_in, s_out, at, ctypes.c_size_t(n), to, ctypes.c_size_t(m)):
                return 1
            return lib.mlx_vector_int_set(axes, lib.mlx_vector_int_new_data(to, ctypes.c_size_t(m)))

        kinds = [(ctypes.CFUNCTYPE(ctypes.c_int, P, Handle, Handle, Handle), back, "mlx_closure_custom_new_func"),
                 (ctypes.CFUNCTYPE(ctypes.c_int, P, Handle, Handle, I, ctypes.c_size_t), on, "mlx_closure_custom_jvp_new_func"),
                 (ctypes.CFUNCTYPE(ctypes.c_int, P, P, Handle, I, ctypes.c_size_t), batch, "mlx_closure_custom_vmap_new_func")]

        def change():
            handles = []
            for k, (kind, g, name) in enumerate(kinds):
                if not which >> k & 1:
                    handles.append(Handle())
                    continue
                held = kind(guarded(g))
                handles.append(getattr(lib, name)(held))
                self.held.append(held)
            made = Handle()
            self.weir.check(lib.mlx_custom_function(ctypes.byref(made), inner, *handles))
            return made
        return self.changed(change)

    def exported(self, f, x, shapeless=False):
        self.weir.check(self.lib.mlx_export_function(PATH.encode(), self.closure(f), self.vector(x), ctypes.c_bool(shapeless)))

    def read_back(self, x):
        self.lib.mlx_imported_function_new.restype = Handle
        function, out = self.lib.mlx_imported_function_new(PATH.encode()), self.lib.mlx_vector_array_new()
        self.weir.check(not function.ctx)
        self.weir.check(self.lib.mlx_imported_function_apply(ctypes.byref(out), function, self.vector(x)))
        return self.weir.items(out)

    def there(self, f):
        def run(*x):
            self.exported(f, x)
            return self.read_back(x)
        return run

    def imported(self, f, inputs):
        def run(*x):
            try:
                mx.export_function(PATH, f, *inputs)
            except (ValueError, RuntimeError) as error:
                raise Silent(str(error)) from error
            return self.read_back(x)
        return run

    def to_mlx(self, g, inputs):
        try:
            self.exported(g, self.given(inputs))
        except WeirError as error:
            raise Silent(str(error)) from error
        return lambda *x: list(mx.import_function(PATH)(*x))

    def checkpoint(self, f):
        def change():
            made = Handle()
            self.weir.check(self.lib.mlx_checkpoint(ctypes.byref(made), self.closure(f)))
            return made
        return self.changed(change)


def batched(d, inputs):
    """The inputs with parts along some axes: the axes, the new inputs."""
    n = d.between(1, 3)
    ins = [None if len(inputs) > 1 and d.chance(0.25) else d.between(0, a.ndim) for a in inputs]
    if all(a is None for a in ins):
        ins[0] = 0
    made = []
    for a, axis in zip(inputs, ins):
        x = np.array(a)
        parts = [np.roll(x.ravel(), k).reshape(x.shape) * (1 - 0.25 * k) for k in range(n)]
        made.append(a if axis is None else mx.stack([mx.array(q.astype(x.dtype)) for q in parts], axis))
    return ins, made


class Silent(Exception):
    """MLX says nothing of it."""


def outcome(f, inputs):
    try:
        found = list(f(*inputs))
        mx.eval(found)
        return found
    except (ValueError, RuntimeError, TypeError, IndexError) as error:
        raise Silent(str(error)) from error


def transformed(d, p, names, weirs):
    """MLX's and Weir's functions with the transforms around them, their inputs, and the names in words."""
    side = Side()
    f, g, inputs, text = side.function(p), weirs.function(p), list(p.inputs), []
    for name in names:
        out = outcome(f, inputs)
        if name in ("vjp", "jvp"):
            along = [values(d, a.shape, a.dtype) for a in (out if name == "vjp" else inputs)]
            f, g = (getattr(s, name)(h, along) for s, h in ((side, f), (weirs, g)))
        elif name == "vmap":
            ins, inputs = batched(d, inputs)
            outs = [d.between(0, a.ndim) for a in out]
            outcome(side.vmap(f, tuple(ins), outs), inputs)
            f, g = side.loop(f, ins, outs), weirs.vmap(g, ins, outs)
            name += f"{ins}->{outs}"
        elif name == "from":
            g = weirs.imported(f, inputs)
        elif name == "to":
            f = weirs.to_mlx(g, inputs)
        elif name == "custom":
            which = d.between(1, 7)
            g = weirs.custom(g, which)
            name += str(which)
        else:
            g = getattr(weirs, name)(g)
        text.append(name)
    return f, g, inputs, " ".join(text)


def is_left_out(p, names):
    used, derived = {s[0] for s in p.steps}, [n for n in names if n in ("vjp", "jvp")]
    complexes = any(a.dtype == mx.complex64 for a in p.arrays)
    if "jvp" in names and used & ONE_OF_EQUALS:
        return True
    if complexes and derived and used & {"cumprod", "logcumsumexp"} or len(derived) > 1 and "logcumsumexp" in used:
        return True
    return complexes and len(derived) > 1 or "jvp" in names and bool(used & {"addmm", "fft_irfft"})


ONE_OF_EQUALS = {"max", "max_axis", "max_axes", "min", "min_axis", "min_axes", "linalg_norm"}


def differs(got, want):
    """Half of the digits: values go through many steps, and what cancels has fewer."""
    dtype, shape, bits = got
    if (dtype, tuple(shape)) != (NAMES[want.dtype], tuple(want.shape)):
        return f"{dtype}{shape}, expected {NAMES[want.dtype]}{want.shape}"
    b = np.array(want)
    if not b.size:
        return None
    with np.errstate(all="ignore"):
        if b.dtype.kind in "fc":
            finite = np.isfinite(bits) & np.isfinite(b)
            size = float(np.max(np.abs(b), where=finite, initial=LEAST))
            same = np.isclose(bits, b, LOOSE, LOOSE * size) | np.isnan(b) | np.isnan(bits) | (bits == b)
        else:
            same = bits == b
    if np.all(same):
        return None
    at = tuple(map(int, np.argwhere(~same)[0]))
    return f"element {at}: {bits[at]}, expected {b[at]}"


def difference(weir, weirs, g, inputs, want):
    try:
        got = [weir.read(h) for h in g(*weirs.given(inputs))]
    except WeirError as error:
        return f"refused: {error} ({weirs.trouble})"
    if len(got) != len(want):
        return f"{len(got)} results, expected {len(want)}"
    found = [differs(*pair) for pair in zip(got, want)]
    return next((f"result {k}: {text}" for k, text in enumerate(found) if text), None)


def names_of(d):
    names = [d.one(WAYS) for _ in range(d.one([0, 1, 1, 2, 2, 3, 3]))]
    return names + [d.one(FILES)] * d.chance(0.2)


def judged(weir, d, before_weir):
    """"ok", or what differs; before_weir is called when MLX is done."""
    p, weirs, names = drawn(d), Weirs(weir), names_of(d)
    if p is None or is_left_out(p, names):
        return "ok"
    try:
        f, g, inputs, text = transformed(d, p, names, weirs)
        want = outcome(f, inputs)
        before_weir()
        for _ in range(2 if "compile" in names else 1):
            found = difference(weir, weirs, g, inputs, want)
            if found:
                return f"[{text}] {found}; " + "; ".join(shown(p))
    except Silent:
        pass
    finally:
        weirs.end()
    return "ok"
