"""Where libweir.so is: the file that is named, or that of the build around this program, or that of the
prefix in which it is installed, or that of the Python package libweir, or the loader's."""

import ctypes.util
import importlib.util
import os
import pathlib

from weirtool.failure import Failure

HERE = pathlib.Path(__file__).resolve().parent
NAME = "libweir.so"


def add_argument(parser):
    parser.add_argument("--library", metavar="FILE", default=os.environ.get("WEIR_LIBRARY"),
                        help="the libweir.so to ask (or in the environment: WEIR_LIBRARY)")


def _of_builds():
    """Those built in the tree that this file is in, the newest first."""
    root = HERE.parents[1]
    if not (root / "weir.map").is_file():
        return []
    return sorted(root.glob(f"build/*/{NAME}"), key=lambda path: -path.stat().st_mtime)


def _of_prefix():
    """Those of PREFIX/lib, PREFIX/lib64 and PREFIX/lib/MACHINE, where this is PREFIX/share/weir."""
    prefix = HERE.parents[2]
    found = [path for folder in ("lib", "lib64", "lib/*") for path in prefix.glob(f"{folder}/{NAME}.[0-9]*")]
    return sorted(found, key=lambda path: len(path.name))


def _of_python():
    found = importlib.util.find_spec("libweir")
    return [pathlib.Path(found.origin).with_name(NAME)] if found and found.origin else []


def find(named=None):
    """The file, or a name for the loader."""
    if named:
        if not pathlib.Path(named).is_file():
            raise Failure(f"{named}: there is no such file")
        return str(pathlib.Path(named).resolve())
    for path in [*_of_builds(), *_of_prefix(), *_of_python()]:
        if path.is_file():
            return str(path)
    name = ctypes.util.find_library("weir")
    if not name:
        raise Failure(f"{NAME} was not found; --library says where it is")
    return name
