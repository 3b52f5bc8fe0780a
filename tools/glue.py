"""The bodies of public functions of a regular form, from their prototypes and the rows of
src/api/calls.def. tools/generate writes them."""

import re

import tables

CALLS = tables.ROOT / "src/api/calls.def"
WIDTH = 100
# Families of ops.def whose functions are wr_ops_<family>(&out, op, inputs.., stream).
BY_FAMILY = {"unary": ("res", "a", "s"), "binary": ("res", "a", "b", "s")}
OVER_AXES = {"_axes": ["axes"], "_axis": ["&axis", "1"], "": ["NULL", "WR_OPS_ALL_AXES"]}
RANGE = ("start", "stop", "strides")


def rows():
    """name -> (function, arguments)"""
    text = re.sub(r"/\*.*?\*/", "", CALLS.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = {}
    for kind, cells in re.findall(r"^(CALL|OVER)\((.*?)\)$", text, re.DOTALL | re.MULTILINE):
        name, function, *arguments = (c.strip() for c in cells.split(","))
        if kind == "CALL":
            found[name] = (function, arguments)
            continue
        for form, axes in OVER_AXES.items():
            given = [x for a in arguments for x in (axes if a == "axes" else [a])]
            found[name + form] = (function, given)
    for family, parameters in BY_FAMILY.items():
        for name in tables.family(family, *parameters):
            op = next(o.cells["ID"] for o in tables.operations() if o.cells["name"] == name)
            if name in found:
                continue
            found[name] = (f"wr_ops_{family}", [f"WR_OP_{op}", *parameters[1:-1]])
    return found


def declaration(p):
    """`const int *axes`, `mlx_array *res`"""
    return p.type + ("" if p.type.endswith("*") else " ") + p.name


def wrapped(head, items, tail, indent):
    """`head(items)tail` broken as clang-format breaks it."""
    lines, line = [], head
    for i, item in enumerate(items):
        piece = item + ("," if i + 1 < len(items) else tail)
        space = "" if line.endswith("(") else " "
        if len(line) + len(space) + len(piece) > WIDTH:
            lines.append(line)
            line, space = " " * indent, ""
        line += space + piece
    return "\n".join(lines + [line])


class Body:
    """One function: what each parameter becomes, in the order of the prototype."""

    def __init__(self, function):
        self.lines, self.means = [], {}
        parameters = function.parameters
        for i, p in enumerate(parameters):
            after = parameters[i + 1].name if i + 1 < len(parameters) else ""
            self.take(p, after)
        if set(RANGE) <= {p.name for p in parameters}:
            self.take_range()

    def take(self, p, after):
        n, kind = p.name, p.type.replace("const ", "")
        if kind == "mlx_array":
            check = "wr_api_array_or_none" if p.optional else "wr_api_array"
            check += f'({n}, "{n}", &call.error)'
            self.lines.append(f"struct wr_node *{n}_node = {check};")
            self.means[n] = [n + "_node"]
        elif kind == "mlx_vector_array":
            self.lines += [f"size_t {n}_num = 0;",
                           f"struct wr_node *const *{n}_nodes = "
                           f'wr_api_vector({n}, "{n}", &{n}_num, &call.error);']
            self.means[n] = [n + "_nodes", f"wr_api_count({n}_num)"]
        elif kind == "int *" and after == n + "_num" and n not in RANGE:
            relative = "reshape" in self.name or "unflatten" in self.name  # may have a -1
            check = "shape" if n == "shape" and not relative else "ints"
            self.lines.append(f'wr_api_{check}({n}, {n}_num, "{n}", &call.error);')
            self.means[n] = [n, f"wr_api_count({n}_num)"]
        elif kind == "int64_t *" and after == n + "_num":
            self.lines.append(f'wr_api_list({n}, {n}_num, "{n}", &call.error);')
            self.means[n] = [n, f"wr_api_count({n}_num)"]
        elif kind == "char *":
            self.lines.append(f'wr_api_result({n}, "{n}", &call.error);')
        elif kind == "mlx_dtype":
            self.lines.append(f'enum wr_dtype {n}_value = wr_api_dtype({n}, "{n}", &call.error);')
            self.means[n] = [n + "_value"]

    def take_range(self):
        given = ", ".join(f"{n}, {n}_num" for n in RANGE)
        self.lines.append(f"struct wr_ops_range range = wr_api_range({given}, &call.error);")
        self.means["RANGE"] = ["&range"]

    def argument(self, text):
        address = text.startswith("&")
        meaning = self.means.get(text.lstrip("&"), [text.lstrip("&")])
        return ["&" + meaning[0]] if address else meaning


def body(function, call, arguments):
    signature = wrapped(f"int {function.name}(", [declaration(p) for p in function.parameters],
                        ") {", len(f"int {function.name}("))
    Body.name = function.name
    b = Body(function)
    given = ["&call.out", *(x for a in arguments for x in b.argument(a)), "call.stream"]
    lines = [signature,
             f'  struct wr_api_call call = wr_api_begin("{function.name}", res, s);']
    for line in b.lines:
        if len(line) + 2 <= WIDTH:
            lines.append("  " + line)
            continue
        left, right = line.split(" = ", 1)
        lines += [f"  {left} =", f"      {right}"]
    head = f"  if (!call.error) call.error = {call}("
    text = wrapped(head, given, ");", len(head))
    if "\n" in text:
        head = f"    call.error = {call}("
        text = "  if (!call.error) {\n" + wrapped(head, given, ");", len(head)) + "\n  }"
    return "\n".join(lines + [text, "  return wr_api_end(&call);", "}"]) + "\n"


def glue():
    known = rows()
    regular = [f for f in tables.functions() if f.name.removeprefix("mlx_") in known]
    yield ("/* Generated by tools/generate from calls.def, ops.def and the prototypes: handles in, one\n"
           "   operation, a handle out. No locks. */\n/* clang-format off */\n\n")
    for header in sorted({f.header for f in regular}):
        yield f'#include "{header}"\n'
    yield '\n#include "api/ops_glue.h"\n'
    for f in regular:
        yield "\n" + body(f, *known[f.name.removeprefix("mlx_")])


def unknown():
    """Rows whose function has no prototype."""
    public = {f.name for f in tables.functions()}
    return [n for n in rows() if "mlx_" + n not in public]
