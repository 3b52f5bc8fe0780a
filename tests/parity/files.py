"""Files between Weir and MLX: what one writes the other reads, bit for bit, and where one array
decides a file they are the same byte for byte. Usage: files.py LIBRARY"""

import ctypes as c
import pathlib
import struct
import sys
import tempfile

import mlx.core as mx
import numpy as np

from weirlib import Handle, Weir

SHAPES = ((), (1,), (7,), (3, 5), (1, 4), (4, 1), (2, 3, 4), (1, 1, 1, 2))
TYPES = {"bool": mx.bool_, "uint8": mx.uint8, "uint16": mx.uint16, "uint32": mx.uint32,
         "uint64": mx.uint64, "int8": mx.int8, "int16": mx.int16, "int32": mx.int32,
         "int64": mx.int64, "float16": mx.float16, "float32": mx.float32, "float64": mx.float64,
         "bfloat16": mx.bfloat16, "complex64": mx.complex64}
NAMES = list(TYPES)
# Elements and bytes of a block of gguf, and which of its bytes are parts of a float16.
BLOCKS = {2: (32, 18, (0,)), 3: (32, 20, (0, 2)), 8: (32, 34, (0,)), 10: (256, 84, (80, 82)),
          12: (256, 144, (0, 2)), 14: (256, 210, (208,)), 30: (1, 2, ())}


class Reader(c.Structure):
    _fields_ = [("ctx", c.c_void_p), ("map", c.c_void_p)]


class Files:
    """The functions of mlx/c/io.h, in Python's terms: arrays are (type, shape, bytes)."""

    def __init__(self, library):
        self.weir = Weir(library)
        self.lib = self.weir.lib
        for name in ("mlx_map_string_to_array_new", "mlx_map_string_to_string_new",
                     "mlx_io_gguf_new", "mlx_vector_string_new"):
            getattr(self.lib, name).restype = Handle
        self.lib.mlx_map_string_to_array_iterator_new.restype = Reader
        self.lib.mlx_map_string_to_string_iterator_new.restype = Reader
        self.lib.mlx_vector_string_size.restype = c.c_size_t
        for name in ("mlx_array_shape", "mlx_array_data_uint8"):
            getattr(self.lib, name).restype = c.c_void_p
        self.lib.mlx_array_nbytes.restype = c.c_size_t

    def check(self, rc):
        self.weir.check(rc)

    def value(self, handle):
        lib, out = self.lib, Handle()
        self.check(lib.mlx_contiguous(c.byref(out), handle, c.c_bool(False), self.weir.stream))
        self.check(lib.mlx_array_eval(out))
        ndim, size = lib.mlx_array_ndim(out), lib.mlx_array_nbytes(out)
        shape = tuple((c.c_int * ndim).from_address(lib.mlx_array_shape(out))) if ndim else ()
        data = c.string_at(lib.mlx_array_data_uint8(out), size) if size else b""
        result = (NAMES[lib.mlx_array_dtype(out)], shape, data)
        lib.mlx_array_free(out)
        return result

    def handle(self, value):
        dtype, shape, data = value
        dims = (c.c_int * len(shape))(*shape)
        return self.lib.mlx_array_new_data(c.c_char_p(data), dims, c.c_int(len(shape)),
                                           c.c_int(NAMES.index(dtype)))

    def save_npy(self, path, value, transposed=False):
        a = self.handle(value)
        if transposed:
            self.check(self.lib.mlx_transpose(c.byref(a), a, self.weir.stream))
        self.check(self.lib.mlx_save(str(path).encode(), a))
        self.lib.mlx_array_free(a)

    def load_npy(self, path):
        a = Handle()
        self.check(self.lib.mlx_load(c.byref(a), str(path).encode(), self.weir.stream))
        value = self.value(a)
        self.lib.mlx_array_free(a)
        return value

    def map(self, values):
        made = self.lib.mlx_map_string_to_array_new()
        for key, value in values.items():
            a = self.handle(value)
            self.check(self.lib.mlx_map_string_to_array_insert(made, key.encode(), a))
            self.lib.mlx_array_free(a)
        return made

    def save_safetensors(self, path, values, notes):
        arrays, texts = self.map(values), self.lib.mlx_map_string_to_string_new()
        for key, text in notes.items():
            self.check(self.lib.mlx_map_string_to_string_insert(texts, key.encode(), text.encode()))
        self.check(self.lib.mlx_save_safetensors(str(path).encode(), arrays, texts))
        self.lib.mlx_map_string_to_array_free(arrays)
        self.lib.mlx_map_string_to_string_free(texts)

    def load_safetensors(self, path):
        arrays, texts = Handle(), Handle()
        self.check(self.lib.mlx_load_safetensors(c.byref(arrays), c.byref(texts),
                                                 str(path).encode(), self.weir.stream))
        values, notes, key, a, text = {}, {}, c.c_char_p(), Handle(), c.c_char_p()
        it = self.lib.mlx_map_string_to_array_iterator_new(arrays)
        while self.lib.mlx_map_string_to_array_iterator_next(c.byref(key), c.byref(a), it) == 0:
            values[key.value.decode()] = self.value(a)
        it = self.lib.mlx_map_string_to_string_iterator_new(texts)
        while self.lib.mlx_map_string_to_string_iterator_next(c.byref(key), c.byref(text), it) == 0:
            notes[key.value.decode()] = text.value.decode()
        return values, notes

    def save_gguf(self, path, values, notes):
        gguf = self.lib.mlx_io_gguf_new()
        for key, value in values.items():
            self.check(self.lib.mlx_io_gguf_set_array(gguf, key.encode(), self.handle(value)))
        for key, note in notes.items():
            k = key.encode()
            if isinstance(note, str):
                rc = self.lib.mlx_io_gguf_set_metadata_string(gguf, k, note.encode())
            elif isinstance(note, list):
                texts = self.lib.mlx_vector_string_new()
                for text in note:
                    self.check(self.lib.mlx_vector_string_append_value(texts, text.encode()))
                rc = self.lib.mlx_io_gguf_set_metadata_vector_string(gguf, k, texts)
            else:
                rc = self.lib.mlx_io_gguf_set_metadata_array(gguf, k, self.handle(note))
            self.check(rc)
        self.check(self.lib.mlx_save_gguf(str(path).encode(), gguf))
        self.lib.mlx_io_gguf_free(gguf)

    def load_gguf(self, path, asked):
        gguf, keys, a = Handle(), Handle(), Handle()
        text, texts, item = Handle(), Handle(), c.c_char_p()
        self.check(self.lib.mlx_load_gguf(c.byref(gguf), str(path).encode(), self.weir.stream))
        self.check(self.lib.mlx_io_gguf_get_keys(c.byref(keys), gguf))
        values, notes = {}, {}
        for i in range(self.lib.mlx_vector_string_size(keys)):
            self.check(self.lib.mlx_vector_string_get(c.byref(item), keys, c.c_size_t(i)))
            name = item.value
            self.check(self.lib.mlx_io_gguf_get_array(c.byref(a), gguf, name))
            values[name.decode()] = self.value(a)
        for key in asked:
            k = key.encode()
            if self.lib.mlx_io_gguf_get_metadata_string(c.byref(text), gguf, k) == 0:
                notes[key] = self.lib.mlx_string_data(text).decode()
            elif self.lib.mlx_io_gguf_get_metadata_vector_string(c.byref(texts), gguf, k) == 0:
                notes[key] = []
                for i in range(self.lib.mlx_vector_string_size(texts)):
                    self.check(self.lib.mlx_vector_string_get(c.byref(item), texts, c.c_size_t(i)))
                    notes[key].append(item.value.decode())
            else:
                self.check(self.lib.mlx_io_gguf_get_metadata_array(c.byref(a), gguf, k))
                notes[key] = self.value(a)
        return values, notes


# ---- MLX's side ----

def plain(a):
    """(type, shape, bytes) of an array of MLX's."""
    name = next(n for n, t in TYPES.items() if t == a.dtype)
    with mx.stream(mx.cpu):
        a = mx.contiguous(a)
        bits = a.view(mx.uint16) if name == "bfloat16" else a
    return name, tuple(a.shape), np.array(bits).tobytes()


def sample(rng, name, shape):
    """Any bits of the type; as MLX's and as (type, shape, bytes)."""
    with mx.stream(mx.cpu):
        n = int(np.prod(shape))
        if name == "bool":
            a = mx.array(rng.integers(0, 2, n, dtype=np.uint8)).astype(mx.bool_)
        else:
            a = mx.array(rng.integers(0, 100, n)).astype(TYPES[name])
        a = a.reshape(shape)
    return a, plain(a)


class Compared:
    def __init__(self):
        self.count = self.wrong = 0

    def same(self, what, a, b):
        self.count += 1
        if a != b:
            self.wrong += 1
            print(f"files: {what}: {str(a)[:300]} is not {str(b)[:300]}")


def npy(files, rng, folder, compared):
    ours, theirs = folder / "ours.npy", folder / "theirs.npy"
    for name in TYPES:
        for shape in SHAPES:
            a, value = sample(rng, name, shape)
            for transposed in (False, True):
                with mx.stream(mx.cpu):
                    b = mx.transpose(a) if transposed else a
                    want = plain(b)
                    mx.save(str(theirs), b)
                files.save_npy(ours, value, transposed)
                what = f"npy {name}{shape}{' transposed' if transposed else ''}"
                compared.same(what + ", bytes", ours.read_bytes(), theirs.read_bytes())
                compared.same(what + ", read by MLX", plain(mx.load(str(ours))), want)
                compared.same(what + ", read by Weir", files.load_npy(theirs), want)


def safetensors(files, rng, folder, compared):
    ours, theirs = folder / "ours.safetensors", folder / "theirs.safetensors"
    notes = {"k": "v", "é\t\"\\/": "\x01\x7f"}
    every = {}
    for name in TYPES:
        if name == "float64":
            continue
        for shape in SHAPES:
            a, value = sample(rng, name, shape)
            every[f"{name}/{shape} é"] = (a, value)
            for some in ({}, notes):
                mx.save_safetensors(str(theirs), {"a\n\x01": a}, some)
                files.save_safetensors(ours, {"a\n\x01": value}, some)
                compared.same(f"safetensors {name}{shape}, bytes", ours.read_bytes(),
                              theirs.read_bytes())
    want = {k: v for k, (_, v) in every.items()}
    mx.save_safetensors(str(theirs), {k: a for k, (a, _) in every.items()}, notes)
    files.save_safetensors(ours, want, notes)
    compared.same("safetensors, read by Weir", files.load_safetensors(theirs), (want, notes))
    arrays, texts = mx.load(str(ours), return_metadata=True)
    compared.same("safetensors, read by MLX", ({k: plain(a) for k, a in arrays.items()}, texts),
                  (want, notes))


# ---- gguf ----

def noted(values):
    return {k: plain(v) if isinstance(v, mx.array) else v for k, v in values.items()}


def gguf_plain(files, rng, folder, compared):
    ours, theirs = folder / "ours.gguf", folder / "theirs.gguf"
    every = {}
    for name in ("float32", "float16", "int8", "int16", "int32"):
        for shape in ((3,), (2, 5), (2, 3, 4)):
            a, value = sample(rng, name, shape)
            every[f"{name}.{len(shape)}"] = (a, value)
            mx.save_gguf(str(theirs), {"a": a})
            files.save_gguf(ours, {"a": value}, {})
            compared.same(f"gguf {name}{shape}, bytes", ours.read_bytes(), theirs.read_bytes())
    notes = {"text": "a text", "texts": ["b", "", "cd"]}
    for name in ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
                 "float32"):
        notes["one." + name] = sample(rng, name, ())[0]
        notes["list." + name] = sample(rng, name, (5,))[0]
    for key, note in notes.items():
        mx.save_gguf(str(theirs), {}, {key: note})
        files.save_gguf(ours, {}, noted({key: note}))
        compared.same(f"gguf {key}, bytes", ours.read_bytes(), theirs.read_bytes())
    want, texts = {k: v for k, (_, v) in every.items()}, noted(notes)
    mx.save_gguf(str(theirs), {k: a for k, (a, _) in every.items()}, notes)
    files.save_gguf(ours, want, texts)
    compared.same("gguf, read by Weir", files.load_gguf(theirs, notes), (want, texts))
    arrays, read = mx.load(str(ours), return_metadata=True)
    compared.same("gguf, read by MLX", ({k: plain(a) for k, a in arrays.items()}, noted(read)),
                  (want, texts))


def quantized(rng, kind, shape):
    """A gguf file with one tensor of blocks of any bits, but for scales that are finite."""
    elements, size, halves = BLOCKS[kind]
    blocks = rng.integers(0, 256, (int(np.prod(shape)) // elements, size), dtype=np.uint8)
    for at in halves:
        scales = (rng.standard_normal(len(blocks)) * 0.1).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    if kind == 30:
        values = rng.standard_normal(len(blocks)).astype(np.float32)
        blocks = (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    name = b"model.layer.weight"
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", len(name)) + name
    header += struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in shape[::-1])
    header += struct.pack("<IQ", kind, 0)
    return header + bytes(-len(header) % 32) + blocks.tobytes()


def q4_k(path, shape):
    """Type 12 by ggml's layout. MLX's gguf library gives the second 32 of each 64 elements the scale
    and minimum of the first."""
    count = int(np.prod(shape)) // 256
    blocks = np.frombuffer(path.read_bytes()[-count * 144:], np.uint8).reshape(count, 144)
    d, low = (blocks[:, i:i + 2].copy().view(np.float16).astype(np.float32) for i in (0, 2))
    s = blocks[:, 4:16].astype(np.int32)
    scales = np.concatenate([s[:, :4] & 63, s[:, 8:] & 15 | s[:, :4] >> 6 << 4], 1)
    mins = np.concatenate([s[:, 4:8] & 63, s[:, 8:] >> 4 | s[:, 4:8] >> 6 << 4], 1)
    bits = blocks[:, 16:].reshape(count, 4, 1, 32)
    q = np.concatenate([bits & 15, bits >> 4], 2).reshape(count, 8, 32).astype(np.float32)
    values = (d * scales.astype(np.float32))[..., None] * q
    values = values - (low * mins.astype(np.float32))[..., None]
    return {"model.layer.weight": ("float16", shape, values.astype(np.float16).tobytes())}


def gguf_quantized(files, rng, folder, compared):
    path = folder / "quantized.gguf"
    for kind, (elements, _, _) in BLOCKS.items():
        for shape in ((elements,), (3, 2 * elements), (700, 8 * max(elements, 32))):
            path.write_bytes(quantized(rng, kind, shape))
            want = {k: plain(a) for k, a in mx.load(str(path)).items()}
            if kind == 12:
                want = q4_k(path, shape)
            compared.same(f"gguf type {kind} {shape}", files.load_gguf(path, ())[0], want)


def main():
    files, compared, rng = Files(sys.argv[1]), Compared(), np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in (npy, safetensors, gguf_plain, gguf_quantized):
            part(files, rng, folder, compared)
    print(f"files: {compared.count} compared with MLX's, {compared.wrong} wrong")
    return 1 if compared.wrong else 0


sys.exit(main())
