"""Compare what is public with what was at the last release; see ``stability.md``.

python docs/public_names.py              # say what is missing, or has lost an argument
python docs/public_names.py --release    # write down what is public now: a step of a release
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_api

FILE = make_api.ROOT / "tests" / "public_names.json"
Names = dict[str, list[str] | None]


def arguments_of(value: Any) -> list[str] | None:
    """Return what a class or function takes, and None for what is not called.

    ``=`` is behind what may be left out, ``*`` before what is given by name alone.
    """
    if not callable(value) or (inspect.isclass(value) and issubclass(value, BaseException)):
        return None
    kinds = inspect.Parameter
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return None
    return [
        ("*" if one.kind is kinds.KEYWORD_ONLY else "")
        + one.name
        + ("" if one.default is kinds.empty and one.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD) else "=")
        for one in parameters
    ]


def public() -> Names:
    """Return what is public, and what it takes: names, and the methods that a class itself has."""
    found: Names = {}
    for module in make_api.MODULES:
        holder = import_module(module)
        for name in holder.__all__:
            value = make_api.value_of(holder, name)
            path = f"{module}.{name}"
            found[path] = arguments_of(value)
            if inspect.isclass(value):
                own = {one for one in vars(value) if not one.startswith("_") and callable(getattr(value, one))}
                found |= {f"{path}.{one}": arguments_of(getattr(value, one)) for one in own}
    return dict(sorted(found.items()))


def still_warns(path: str) -> bool:
    """Tell whether a name that is no longer listed works, and warns as it is used."""
    module, _, name = path.rpartition(".")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            getattr(import_module(module), name)
        except (AttributeError, ImportError):
            return False
    return any(issubclass(one.category, DeprecationWarning) for one in told)


def broken(before: Names, now: Names) -> list[str]:
    """Return what would break who wrote for the names before: what is gone, or is called otherwise."""
    wrong = []
    for path, old in before.items():
        if path not in now:
            if not still_warns(path):
                wrong.append(f"{path}: is gone, without a DeprecationWarning before")
        elif old is not None and (new := now[path]) is not None:
            wrong += [f"{path}: {told}" for told in _broken_call(old, new)]
    return wrong


def _broken_call(old: list[str], new: list[str]) -> list[str]:
    """Return what calls by the old arguments would no longer do."""
    bare = {one.strip("*="): one for one in new}
    wrong = [f"no longer takes {name}" for one in old if (name := one.strip("*=")) not in bare]
    known = {one.strip("*=") for one in old}
    wrong += [f"needs {one.strip('*')} now" for one in new if one.strip("*=") not in known and not one.endswith("=")]
    places = [one.strip("=") for one in old if not one.startswith("*")]
    kept = [one.strip("=") for one in new if not one.startswith("*")][: len(places)]
    if not wrong and places != kept:
        wrong.append(f"takes {', '.join(kept)} by place, and not {', '.join(places)}")
    wrong += [
        f"no longer takes {one.strip('*=')} as optional"
        for one in old
        if one.endswith("=") and not bare.get(one.strip("*="), "=").endswith("=")
    ]
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Compare, or write down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--release", action="store_true", help="write down what is public now")
    if parser.parse_args(arguments).release:
        lines = [f"{json.dumps(path)}: {json.dumps(taken)}" for path, taken in public().items()]
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return 0
    wrong = broken(json.loads(FILE.read_text(encoding="utf-8")), public())
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
