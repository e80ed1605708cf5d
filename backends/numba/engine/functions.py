"""Compiled functions by name: made when they are first asked for, and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.misc.appdirs import AppDirs

from lamina.backends.bars import quiet
from lamina.backends.numba.engine.memory import OPTIONS
from lamina.backends.numba.engine.tiles import processor

__all__ = ["address_of", "made", "prepare", "products_ready", "row_products_ready", "run", "run_unless"]

_HERE = "lamina.backends.numba.engine"
_lock = threading.RLock()
_kept: dict[tuple[str, str], Any] = {}

# Seconds of compiling from which on a bar shows it.
_NOTICED = 0.5

#: How many functions were compiled in this process, and not read from the cache.
made = 0


@cache
def _files() -> bytes:
    """Return a digest of the engine's files, read once in a process."""
    content = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        content.update(path.read_bytes())
    return content.digest()


def _folder() -> str:
    """Return where compiled functions are kept: code of another version of these files is never met there."""
    content = hashlib.sha256(numba.__version__.encode() + processor().encode() + _files())
    root = numba.config.CACHE_DIR or AppDirs(appname="lamina").user_cache_dir
    return str(Path(root) / "engine" / content.hexdigest()[:16])


def _count(folder: str) -> None:
    """Count a function that is compiled; the first one is told of on a terminal: it is some seconds until the last."""
    global made
    made += 1
    if made == 1 and sys.stderr is not None and sys.stderr.isatty():
        kept = f"kept in {folder}" if folder else "no cache folder can be written"
        print(f"lamina: compiling for this processor, some seconds ({kept})", file=sys.stderr, flush=True)


def _compile(function: Any, signature: Any, decorate: Any) -> Any:
    """Return a function compiled, from the cache where it is there; a cache that cannot be used is done without."""
    before, folder = numba.config.CACHE_DIR, _folder()
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):  # else Numba would look for another place, where those of other versions lie
            pass
        numba.config.CACHE_DIR = folder
        found = decorate(signature, cache=True, **OPTIONS)(function)
    except Exception:  # the folder cannot be written, or what lies there not be read; what else is wrong is so again
        _count("")
        return decorate(signature, **OPTIONS)(function)
    finally:
        numba.config.CACHE_DIR = before
    hits = found.cache_hits if hasattr(found, "cache_hits") else sum(found.stats.cache_hits.values())
    if not hits:
        _count(folder)
    return found


def address_of(module: str, name: str, signature: Any = "void(intp)") -> int:
    """Return the address of a function of a module of the engine, compiled for a signature."""
    key = module, name
    with _lock:
        if key not in _kept:
            function = getattr(import_module(f"{_HERE}.{module}"), name)
            _kept[key] = _compile(function, signature, numba.cfunc)
        address: int = _kept[key].address
        return address


def prepare(wanted: Iterable[tuple[str, str]]) -> None:
    """Compile functions, given by module and name, that are not there yet; where that takes a while, with a bar."""
    missing = [key for key in dict.fromkeys(wanted) if key not in _kept]
    if not missing:
        return
    from tqdm import tqdm

    # On a terminal alone (disable=None), and not for what is read from the cache.
    shown = {"desc": "lamina: compiling", "unit": "function", "delay": _NOTICED, "leave": False, "disable": None}
    for module, name in quiet(tqdm)(missing, file=sys.stderr, **shown):
        address_of(module, name)


def products_ready(dtype: str) -> None:
    """Make the products of a dtype, which other functions call by their symbols."""
    _add_symbols(dtype, "product", "pack")


def row_products_ready(dtype: str) -> None:
    """Make the products of one row, beside those."""
    _add_symbols(dtype, "row", "pack_row")


def _add_symbols(dtype: str, *names: str) -> None:
    products = import_module(f"{_HERE}.products")
    for name in names:
        signature = getattr(products, name.upper())
        llvm.add_symbol(f"lamina_{name}_{dtype}", address_of("products", f"{name}_{dtype}", signature))


def run() -> Any:
    """Return the function (table, first, last) that calls the tasks of a table."""
    return _replay("run", "void(intp, intp, intp)")


def run_unless() -> Any:
    """Return the function that calls them unless one of the first says stop: see `replay.run_unless`."""
    return _replay("run_unless", "boolean(intp)")


def _replay(name: str, signature: str) -> Any:
    with _lock:
        key = "replay", name
        if key not in _kept:
            _kept[key] = _compile(getattr(import_module(f"{_HERE}.replay"), name), signature, numba.njit)
        return _kept[key]
