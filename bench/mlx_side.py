"""MLX's own side of ops_gpu.py, where its Python module can be opened: the calls that Weir is given, by name."""

import mlx.core as mx
import torch


def dtype(name):
    return mx.bool_ if name == "bool" else getattr(mx, name)


def reduced(f):
    return lambda x, keepdims: f(x, None, keepdims)


def reduced_axis(f):
    return lambda x, axis, keepdims: f(x, axis, keepdims)


# Functions whose arguments are others than those of MLX's C functions.
CALLS = {
    "astype": lambda x, name: x.astype(dtype(name)),
    "var_axis": lambda x, axis, keepdims, ddof: mx.var(x, axis, keepdims, ddof),
    "std": lambda x, keepdims, ddof: mx.std(x, None, keepdims, ddof),
    "softmax_axis": lambda x, axis, precise: mx.softmax(x, axis, precise=precise),
    "sort_axis": mx.sort,
    "argsort_axis": mx.argsort,
    "partition_axis": mx.partition,
    "topk_axis": mx.topk,
    "take_axis": mx.take,
    "concatenate_axis": mx.concatenate,
    "repeat_axis": mx.repeat,
    "roll_axis": mx.roll,
    "transpose_axes": mx.transpose,
    "pad": lambda x, axes, low, high, value, mode: mx.pad(x, [(0, 0)] * (x.ndim - len(axes)) + list(zip(low, high)), mode, value),
    "slice": lambda x, start, stop, step: x[tuple(map(slice, start, stop, step))],
    "random_uniform": lambda low, high, shape, name, key: mx.random.uniform(low, high, shape, dtype(name)),
    "random_normal": lambda shape, name, loc, scale, key: mx.random.normal(shape, dtype(name), loc, scale),
    "random_randint": lambda low, high, shape, name, key: mx.random.randint(low, high, shape, dtype(name)),
    "random_bernoulli": lambda p, shape, key: mx.random.bernoulli(p, shape),
    "random_permutation_arange": lambda n, key: mx.random.permutation(n),
    "arange": lambda start, stop, step, name: mx.arange(start, stop, step, dtype(name)),
}
for name in "all any sum prod max min mean argmax argmin logsumexp".split():
    CALLS[name] = reduced(getattr(mx, name))
    CALLS[name + "_axis"] = reduced_axis(getattr(mx, name))
for name in "cumsum cumprod cummax cummin logcumsumexp".split():
    CALLS[name] = lambda x, axis, reverse, inclusive, f=getattr(mx, name): f(x, axis, reverse=reverse, inclusive=inclusive)


class Mlx:
    def __init__(self):
        self.arrays = {}  # by the address that Weir's handle has

    def know(self, handle, t):
        host = t.detach().cpu()
        wide = host.float() if host.dtype == torch.bfloat16 else host
        self.arrays[handle.ctx] = mx.array(wide.numpy()).astype(dtype(str(t.dtype).replace("torch.", "")))

    def know_call(self, handle, call):
        made = self.runs(call)
        if made:
            self.arrays[handle.ctx] = made()

    def value(self, x):
        if isinstance(x, list):
            return [self.value(i) for i in x]
        return self.arrays[x.ctx] if hasattr(x, "ctx") else x

    def runs(self, call):
        """What makes the call's result, lazily; None where MLX's module has no such function or array."""
        f = CALLS.get(call[0]) or getattr(mx, call[0], None)
        try:
            args = [self.value(x) for x in call[1:]]
        except KeyError:
            return None
        return f and (lambda: f(*args))

    def all_of(self, call, count):
        """A call that computes so many results and waits for them, or None."""
        run = self.runs(call)

        def all_of_it():
            mx.eval([run() for _ in range(count)])
            mx.synchronize()

        return run and all_of_it
