"""The two tables of the project, as values: the public functions, from the prototypes in include/, and
the operations, from src/core/ops.def. Whatever lists functions or operations reads them here."""

import pathlib
import re
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEADERS = ROOT / "include"
OPERATIONS = ROOT / "src/core/ops.def"

# A type, a name and a parameter list; the lists hold no braces.
PROTOTYPE = re.compile(
    r"(?:^|(?<=[;{}]))\s*((?:[\w*]+\s+)*[\w*]+?[\s*]+)(_?mlx_\w+|weir_\w+)\s*\((?!\s*\*)([^;{}]*)\)\s*;")
FUNCTION_TYPE = re.compile(r"\btypedef\b[^;{}]*;")
DEFINITION = re.compile(r"\b(?:struct|enum|union)\b[^;{}()]*\{[^{}]*\}")
POINTER_TO_FUNCTION = re.compile(r"\(\s*\*\s*(\w*)\s*\)")


class Parameter(NamedTuple):
    type: str        # as written, with single spaces: "const mlx_array", "int *"
    name: str        # "" where the prototype has none
    optional: bool   # the prototype says that it may be absent


class Function(NamedTuple):
    header: str      # "mlx/c/ops.h"
    name: str
    returns: str
    parameters: tuple


class Operation(NamedTuple):
    line: int
    cells: dict      # by column


def spaced(text):
    """One spelling for each type: single spaces, a star behind its type."""
    text = re.sub(r"\s*(\*[\s*]*)", lambda m: " " + m.group(1).replace(" ", ""), text)
    return re.sub(r"\s+", " ", text).replace("( *", "(*").replace("(void *)", "(void*)").strip()


def parameter(text):
    optional = "\x01" in text
    text = spaced(text.replace("\x01", " "))
    if POINTER_TO_FUNCTION.search(text):
        return Parameter(text, POINTER_TO_FUNCTION.search(text).group(1), optional)
    match = re.fullmatch(r"(.*?[\s*])(\w+)(\[\w*\])?", text)
    if not match:
        return Parameter(text, "", optional)
    return Parameter(spaced(match.group(1) + ("*" if match.group(3) else "")), match.group(2), optional)


def parameters(text):
    """Split at the commas outside parentheses."""
    if text.replace("\x01", "").strip() in ("", "void"):
        return ()
    parts, depth, last = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(text[last:i])
            last = i + 1
    parts.append(text[last:])
    # "..., may be absent": the mark stands behind the comma, or before the end.
    for i in range(1, len(parts)):
        if parts[i].lstrip(" \n").startswith("\x01"):
            parts[i] = parts[i].replace("\x01", "", 1)
            parts[i - 1] += "\x01"
    return tuple(parameter(p) for p in parts)


def without_comments(text):
    text = re.sub(r"/\*\s*may be (?:null|empty)\s*\*/", "\x01", text, flags=re.IGNORECASE)
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    text = re.sub(r"^\s*#.*(?:\\\n.*)*$", "", text, flags=re.MULTILINE)
    return text.replace('extern "C" {', " ")


def functions(root=HEADERS):
    """Every function that the public headers declare, header by header, in their order."""
    found = []
    for header in sorted(pathlib.Path(root).rglob("*.h")):
        text = FUNCTION_TYPE.sub(";", without_comments(header.read_text(encoding="utf-8")))
        text = DEFINITION.sub(";", text)
        for match in PROTOTYPE.finditer(text):
            returns = re.sub(r"\b(extern|static|inline)\b", "", match.group(1))
            found.append(Function(str(header.relative_to(root)), match.group(2), spaced(returns),
                                  parameters(match.group(3))))
    return found


def columns():
    """The columns of ops.def, as the paragraph at its top names them."""
    head = re.search(r"WR_OP\(([^)]*)\)", OPERATIONS.read_text(encoding="utf-8")).group(1)
    return [c.strip() for c in head.split(",")]


def operations():
    """The rows of ops.def, also those that take several lines."""
    text = OPERATIONS.read_text(encoding="utf-8")
    names = columns()
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)
    for match in re.finditer(r"^WR_OP\((.*?)\)\s*$", text, re.DOTALL | re.MULTILINE):
        cells = [cell.strip() for cell in match.group(1).split(",")]
        if len(cells) == len(names):
            cells = dict(zip(names, cells))
        yield Operation(text.count("\n", 0, match.start()) + 1, cells)


def with_parameters(*names):
    """The mlx_* functions with parameters of just these names, without the prefix."""
    return [f.name.removeprefix("mlx_") for f in functions()
            if tuple(p.name for p in f.parameters) == names and f.name.startswith("mlx_")]


def family(name, *parameters):
    """The same, of the operations of a family in ops.def that are public functions."""
    names = {o.cells["name"] for o in operations() if o.cells["family"] == name}
    return [n for n in with_parameters(*parameters) if n in names]
