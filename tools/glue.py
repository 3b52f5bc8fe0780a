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
INCLUDES = ("api/closure.h", "api/ops_glue.h", "api/vector.h", "stream/event.h", "stream/limit.h",
            "stream/request.h", "stream/ring.h")


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


def handle_rows():
    """function -> (the maker of its body, the row's other cells), of all rows but CALL and OVER"""
    text = re.sub(r"/\*.*?\*/", "", CALLS.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = {}
    for kind, cells in re.findall(r"^([A-Z]+)\((.*?)\)$", text, re.DOTALL | re.MULTILINE):
        name, *cells = (c.strip() for c in cells.split(","))
        if kind in FAMILIES:
            for ending, maker in FAMILIES[kind].items():
                found[name + ending] = (maker, cells)
        elif kind not in ("CALL", "OVER"):
            found[name] = (SINGLE[kind], cells)
    return found


def declaration(p):
    """`const int *axes`, `mlx_array *res`; the type of a function has its name inside"""
    if "(*" in p.type:
        return p.type
    return p.type + ("" if p.type.endswith("*") else " ") + p.name


def wrapped(head, items, tail, indent):
    """`head(items)tail` broken as clang-format breaks it."""
    lines, line = [], head
    for i, item in enumerate(items):
        piece = item + ("," if i + 1 < len(items) else tail)
        space = "" if line.endswith("(") else " "
        if len(line) + len(space) + len(piece) > WIDTH and line.strip():
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
        elif kind == "mlx_optional_dtype":
            self.lines += [f"enum wr_dtype {n}_value = WR_BOOL;",
                           f"if ({n}.has_value) {n}_value = "
                           f'wr_api_dtype({n}.value, "{n}", &call.error);']
            self.means[n] = [f"{n}.has_value ? &{n}_value : NULL"]
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


# ---- handles of other kinds ----

# What a parameter that is a handle leads to: the object's type, its kind, what an empty one is.
OBJECTS = {"weir_event": ("wr_event", "WR_KIND_EVENT", "is an empty event"),
           "weir_request": ("wr_request", "WR_KIND_REQUEST", "is an empty request"),
           "weir_ring": ("wr_ring", "WR_KIND_RING", "is an empty ring")}


def checked(p):
    """(the line that checks a parameter of DO or TELL, or "", what it stands for)"""
    n, kind = p.name, p.type.removeprefix("const ")
    if kind in OBJECTS:
        struct, handles, empty = OBJECTS[kind]
        return (f'struct {struct} *{n}_object =\n      wr_api_object({n}.ctx, {handles}, "{n}", '
                f'"{empty}", &error);', n + "_object")
    if kind == "mlx_stream":
        return (f'struct wr_stream *{n}_object = wr_api_some_stream({n}, "{n}", &error);',
                n + "_object")
    if n == "timeout_ns":
        return "uint64_t deadline = wr_api_deadline(timeout_ns, &error);", "deadline"
    if kind == "weir_class":
        return f"enum wr_class {n}_class = wr_api_class({n}, &error);", n + "_class"
    if kind.endswith("*") and kind != "char *":
        return f'wr_api_result({n}, "{n}", &error);', n
    return "", n


def ask(function, callee, arguments, fails):
    checks = {p.name: checked(p) for p in function.parameters}
    lines = [line for line, _ in checks.values() if line]
    given = ", ".join(checks.get(a, ("", a))[1] for a in arguments)
    lines = ["struct wr_error *error = NULL;", *lines,
             f"if (!error) {'error = ' if fails else ''}{callee}({given});"]
    return [*lines, f'return wr_api_return("{function.name}", error);']


def do(function, callee, *arguments):
    return ask(function, callee, arguments, True)


def tell(function, callee, *arguments):
    return ask(function, callee, arguments, False)


def new(function, kind, struct, end):
    return [f"struct {struct} *object = NULL;", f"struct wr_error *error = {struct}_new(&object);",
            f"const {function.returns} made = "
            f'{{wr_api_give("{function.name}", object, {kind}, error)}};',
            f"if (!made.ctx) {end}(object);", "return made;"]


def free(function, kind, end):
    n = function.parameters[0].name
    return ["struct wr_error *error = NULL;",
            f'{end}(wr_api_take({n}.ctx, {kind}, "{n}", &error));',
            f'return wr_api_return("{function.name}", error);']


def call(callee, function, kind, *given):
    """callee(the function's name, the kind, what else is given)"""
    return ", ".join([f'{callee}("{function.name}", &{kind}', *given]) + ")"


def on_handle(callee, *rest):
    """A function of the first parameter's handle."""
    def make(function, kind):
        ctx = function.parameters[0].name + ".ctx"
        return [f"return {call(callee, function, kind, ctx, *rest)};"]
    return make


def on_place(callee, *rest):
    """The same of a pointer to a handle, which may be NULL."""
    def make(function, kind):
        n = function.parameters[0].name
        return [f"return {call(callee, function, kind, f'{n} ? &{n}->ctx : NULL', *rest)};"]
    return make


def made_of(callee, *rest):
    """A new handle: the ctx that callee gives."""
    def make(function, kind):
        return [f"return ({function.returns}){{{call(callee, function, kind, *rest)}}};"]
    return make


SINGLE = {"NEW": new, "FREE": free, "DO": do, "TELL": tell}
DATA, VALUE = ("data", "size", '"data"'), ("&val", "1", '"val"')
FUNCTION = "(void (*)(void))fun"
FAMILIES = {
    "VECTOR": {"_new": made_of("wr_vector_new", "NULL", "0", '""'),
               "_new_data": made_of("wr_vector_new", *DATA),
               "_new_value": made_of("wr_vector_new", *VALUE),
               "_set": on_place("wr_vector_copy", "src.ctx"),
               "_set_data": on_place("wr_vector_set", *DATA),
               "_set_value": on_place("wr_vector_set", *VALUE),
               "_append_data": on_handle("wr_vector_append", *DATA),
               "_append_value": on_handle("wr_vector_append", *VALUE),
               "_size": on_handle("wr_vector_size"),
               "_free": on_handle("wr_vector_free")},
    "CLOSURE": {"_new": lambda function, kind: [f"return ({function.returns}){{NULL}};"],
                "_new_func": made_of("wr_closure_new", FUNCTION),
                "_new_func_payload": made_of("wr_closure_new_with", FUNCTION, "payload", "dtor"),
                "_set": on_place("wr_closure_set", "src.ctx"),
                "_free": on_handle("wr_closure_free")}}


def handle_body(function, maker, cells):
    head = f"{function.returns} {function.name}("
    given = ", ".join(declaration(p) for p in function.parameters).replace("( ", "(") or "void"
    lines = []
    for line in maker(function, *cells):
        if len(line) + 2 > WIDTH and "\n" not in line:
            lines.append(wrapped(" ", line.split(", "), "", 6))
        else:
            lines.append("  " + line)
    signature = wrapped(head, given.split(", "), ") {", 4 if "(*" in given else len(head))
    return "\n".join([signature, *lines, "}"]) + "\n"


def glue():
    known, handles = rows(), handle_rows()
    regular = [f for f in tables.functions()
               if f.name.removeprefix("mlx_") in known or f.name in handles]
    yield ("/* Generated by tools/generate from calls.def, ops.def and the prototypes: handles in, one\n"
           "   operation, a handle out. No locks. */\n/* clang-format off */\n\n")
    for header in sorted({f.header for f in regular}):
        yield f'#include "{header}"\n'
    yield "\n" + "".join(f'#include "{h}"\n' for h in INCLUDES)
    for f in regular:
        yield "\n" + (handle_body(f, *handles[f.name]) if f.name in handles
                      else body(f, *known[f.name.removeprefix("mlx_")]))


def unknown():
    """Rows whose function has no prototype."""
    public = {f.name for f in tables.functions()}
    return ([n for n in rows() if "mlx_" + n not in public] +
            [n for n in handle_rows() if n not in public])
