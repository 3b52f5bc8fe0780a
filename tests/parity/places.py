"""Cases of other tables with the same values at other places in memory: inside larger arrays, every
second element, backwards. What MLX gives is what it gives for the values. For the functions whose
arrays total.py does not make."""

import mlx.core as mx
import numpy as np

import total
from arrays import ARRAYS
from conv import CONV
from fast import FAST
from layouts import LAYOUTS
from linalg import LINALG
from mlxcalls import CALLS
from mlxside import DTYPES, NAMES, View, to_plain
from own import OWN
from products import PRODUCTS
from quantized import QUANTIZED
from table import FAMILIES

MOST = 24  # cases of a function
MOST_OF_TYPE = 3
LARGEST = 4096


def mlx_of(dtype, bits):
    """An array of bits as plain.Array has them."""
    if dtype == "bfloat16":
        return mx.array(bits).view(mx.bfloat16)
    return mx.array(bits, dtype=DTYPES[list(NAMES.values()).index(dtype)])


def inside(bits, junk):
    base = np.full([n + 2 for n in bits.shape], junk, bits.dtype)
    base[tuple(slice(1, n + 1) for n in bits.shape)] = bits
    return base, [1] * bits.ndim, [n + 1 for n in bits.shape], 1


def every_second(bits, junk):
    base = np.full([2 * n for n in bits.shape], junk, bits.dtype)
    base[(slice(None, None, 2),) * bits.ndim] = bits
    return base, [0] * bits.ndim, list(base.shape), 2


def backwards(bits, _):
    return bits[(slice(None, None, -1),) * bits.ndim], [n - 1 for n in bits.shape], [-n - 1 for n in bits.shape], -1


WAYS = (inside, every_second, backwards)


def moved(a, way):
    """A view of the same values; of what has no axes or no elements there is none."""
    if isinstance(a, (list, tuple)):
        return [moved(x, way) for x in a]
    if not isinstance(a, mx.array) or a.ndim == 0 or a.size == 0:
        return a
    given = to_plain(a)
    base, start, stop, step = way(given.bits, given.bits.flat[0])
    base = mlx_of(given.dtype, base.copy())
    return View(base, tuple(start), tuple(stop), (step,) * a.ndim, tuple(range(a.ndim)))


def arrays_in(args):
    for a in args:
        if isinstance(a, (list, tuple)):
            yield from arrays_in(a)
        elif isinstance(a, mx.array):
            yield a


class Chosen:
    """The first cases of each type that a function has."""

    def __init__(self):
        self.count = {}

    def takes(self, name, args):
        given = list(arrays_in(args))
        if name in CALLS and total.given_to(name.removeprefix("mlx_")) or not any(a.ndim and a.size for a in given):
            return False
        if any(a.size > LARGEST or a.ndim > 6 for a in given) or name.startswith("mlx_random") and any(a is None for a in args):
            return False  # a sequence of keys is the thread's
        first = given[0].ndim and given[0].size  # which is moved, and not only others
        for key, most in (((name, given[0].dtype, given[0].ndim), MOST_OF_TYPE), ((name, bool(first)), MOST)):
            self.count[key] = self.count.get(key, 0) + 1
            if self.count[key] > most:
                return False
        return True


def places():
    chosen = Chosen()
    for family in FAMILIES + ARRAYS + LAYOUTS + PRODUCTS + FAST + CONV + LINALG + QUANTIZED + OWN:
        for _, name, args, call in family():
            if chosen.takes(name, args):
                for way in WAYS:
                    yield "places", name, tuple(moved(a, way) for a in args), call


places.moves = True
PLACES = (places,)
