"""The rows of tests/fuzz/calls.def: for each public function how its arguments are drawn, by their
types and names, and its call. tools/generate writes them."""

import tables

# Roles of integers and texts, by the parameter's name. An integer that is not here is any number.
AXES = {"axis", "axes", "axis1", "axis2", "axes_a", "axes_b", "start_axis", "end_axis", "source",
        "destination"}
EXTENTS = {"shape", "slice_sizes", "slice_size", "reps", "repeats", "low_pad_size", "high_pad_size",
           "pad_width", "stop", "n", "m", "M", "num", "num_samples", "num_splits", "size", "width"}
TEXTS = {"subscripts": "SUBSCRIPTS", "mode": "WORD", "indexing": "WORD",
         "mask_mode": "WORD"}
INPUTS = {"mlx_array": "ARRAY", "mlx_vector_array": "VECTOR", "mlx_stream": "STREAM", "bool": "FLAG",
          "float": "REAL", "double": "REAL", "mlx_dtype": "DTYPE", "uint64_t": "WIDE",
          "size_t": "COUNT", "mlx_optional_float": "OPTIONAL_REAL",
          "mlx_optional_int": "OPTIONAL_INT", "mlx_optional_dtype": "OPTIONAL_DTYPE"}
LISTS = {"int *": "INTS", "int64_t *": "STRIDES"}
RESULTS = {"mlx_array *": "array", "mlx_vector_array *": "vector", "mlx_string *": "string"}
NUMBERS = ("bool *", "int *", "float *", "double *", "size_t *", "mlx_complex64_t *", "float16_t *",
           "bfloat16_t *")
WIDTH = 100


def role(name):
    return "AXIS" if name in AXES else "EXTENT" if name in EXTENTS else "NUMBER"


def number(type_):
    """A result that is one number: `uint8_t *`."""
    return type_ in NUMBERS or type_.endswith("int_t *") or type_.startswith(("int", "uint")) and \
        type_.endswith("_t *")


def drawn(function):
    """The draws and the arguments; None where a parameter is of no known kind."""
    draws, arguments, parameters, arrays = [], [], list(function.parameters), 0
    while parameters:
        p = parameters.pop(0)
        kind, given = p.type.replace("const ", ""), p.type.startswith("const")
        counted = bool(parameters) and parameters[0].name == p.name + "_num"
        if kind in LISTS and given and counted:
            draws.append(f"{LISTS[kind]}({p.name}, {role(p.name)})")
            arguments += [f"{p.name}.at", f"{p.name}.num"]
            parameters.pop(0)
        elif kind in INPUTS:
            draws.append(f"{INPUTS[kind]}({p.name})")
            arguments.append(p.name)
        elif kind == "int":
            draws.append(f"INT({p.name}, {role(p.name)})")
            arguments.append(p.name)
        elif kind == "char *" and p.name in TEXTS:
            draws.append(f"TEXT({p.name}, {TEXTS[p.name]})")
            arguments.append(p.name)
        elif kind == "mlx_array *" and not given and arrays < 2:
            arguments.append(f"&out->array[{arrays}]")
            arrays += 1
        elif kind in RESULTS and not given:
            arguments.append(f"&out->{RESULTS[kind]}")
        elif number(kind) and not given:
            arguments.append(f"&({kind[:-2]}){{0}}")
        else:
            return None
    return draws, arguments


def on_arrays(function):
    return any("array" in p.type for p in function.parameters) and function.returns == "int" and \
        function.header.startswith("mlx/") and not function.name.endswith("_free")


def broken(words, indent):
    """In as many lines as it takes."""
    lines, line = [], ""
    for word in words:
        if line and len(indent) + len(line) + 1 + len(word) > WIDTH:
            lines.append(indent + line)
            line = ""
        line += (" " if line else "") + word
    return "\n".join(lines + [indent + line])


def rows(values):
    """Of all functions but those whose int is a value, not 0 for success."""
    left = []
    for f in tables.functions():
        if not on_arrays(f) or f.name in values:
            continue
        found = drawn(f)
        if not found:
            left.append(f.name)
            continue
        draws, arguments = found
        call = f"{f.name}({', '.join(arguments)}))"
        yield f"\nCALL({f.name},\n"
        yield broken([*draws[:-1], (draws or [""])[-1] + ","], "     ") + "\n"
        yield broken(call.split(" "), "     ") + "\n"
    yield "\n/* With parameters of other kinds, and so not here:\n"
    yield broken(left, "   ") + " */\n"
