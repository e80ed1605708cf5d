"""The reference: a page for each public module, with the signature and the docstring of every public name.

What is public is what ``make_api.py`` lists. The pages are written where the site is built, not in ``docs/``.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import make_api

# What stands beside a code span, and which reStructuredText takes for markup: `h_`, `*shape`, `|x|`.
_CODE = re.compile(r"(``.+?``|`[^`]+`|:\w+:`[^`]+`)")
_MARKUP = re.compile(r"(?<!\\)([*|]|(?<=\w)_(?!\w))")


def names_of(module: str) -> list[str]:
    """Return the public names of a module that its page shows: those of ``api.md``, in its order."""
    return make_api.names_of(import_module(module))


def directive(module: str, name: str) -> list[str]:
    """Return the lines that show a name."""
    value = make_api.value_of(import_module(module), name)
    path = f"{module}.{name}"
    if name in make_api.ALIASES:
        return [f".. py:data:: {path}", "   :noindexentry:", "", f"   {_rst(make_api.ALIASES[name])}", ""]
    if (first := _shown_first(value)) not in (None, path):
        return [f".. py:data:: {path}", "   :no-typesetting:", "", f"`{name} <{first}>` is shown there.", ""]
    if inspect.isclass(value):
        lines = [f".. autoclass:: {path}", "   :members:", "   :member-order: bysource"]
        lines += ["   :show-inheritance:"] if public_bases(value) else []
        return [*lines, ""]
    if inspect.isfunction(value):
        return [f".. autofunction:: {path}", ""]
    if inspect.ismodule(value):
        return [f".. automodule:: {value.__name__}", "   :no-index:", ""]
    return [f".. autodata:: {path}", ""]


def _shown_first(value: Any) -> str | None:
    """Return the first public path of a class or function."""
    return _shown().get(id(value))


def public_bases(value: type) -> list[type]:
    """Return the nearest base class that has a place in the reference, or none."""
    return [base for base in value.__mro__[1:] if _shown_first(base)][:1]


def owner_of(member: Any) -> type | None:
    """Return the class whose body has a method or property; None where that cannot be told."""
    function = inspect.unwrap(member.fget if isinstance(member, property) else member)
    module = inspect.getmodule(function)
    path = getattr(function, "__qualname__", "").split(".")[:-1]
    found: Any = module
    for name in path:
        found = getattr(found, name, None)
    return found if path and inspect.isclass(found) else None


@cache
def _shown() -> dict[int, str]:
    """Return the first public path of each class and function, by its identity, as some have two."""
    found: dict[int, str] = {}
    for module in make_api.MODULES:
        for name in names_of(module):
            value = make_api.value_of(import_module(module), name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found.setdefault(id(value), f"{module}.{name}")
    return found


def _rst(text: str) -> str:
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


def page(module: str) -> str:
    """Return a module's page."""
    names = names_of(module)
    lines = [module, "=" * len(module), "", f".. automodule:: {module}", "   :no-members:", ""]
    for name in names:
        lines += directive(module, name)
    return "\n".join(lines) + "\n"


def index() -> str:
    """Return the page that lists the modules."""
    lines = ["Reference", "=========", ""]
    lines += [":doc:`../api` lists every public name with a line on each. Here are their signatures.", ""]
    lines += [".. toctree::", "   :maxdepth: 1", "", *(f"   {module}" for module in make_api.MODULES)]
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for module in make_api.MODULES:
        (folder / f"{module}.rst").write_text(page(module), encoding="utf-8")
    (folder / "index.rst").write_text(index(), encoding="utf-8")


def linked(text: str) -> str:
    """Return ``api.md`` with its names leading to the reference, and its list of modules to its own parts."""
    lines = []
    module = ""
    for line in text.splitlines():
        if line.startswith("## "):
            module = line[3:]
        lines.append(re.sub(r"^\| \[`(\w+)`\]\([^)]*\)", rf"| {{py:obj}}`\1 <{module}.\1>`", line))
    return "\n".join(lines) + "\n"


def public() -> dict[str, str]:
    """Return the full path of each public name, by the name alone and by ``module.name`` without ``lamina``."""
    found: dict[str, str] = {}
    for module in make_api.MODULES:
        for name in names_of(module):
            path = f"{module}.{name}"
            found.setdefault(name, path)
            found.setdefault(path.removeprefix("lamina."), path)
    return found


def escaped(lines: list[str]) -> list[str]:
    """Return a docstring's lines so that equations and starred names are text, not markup.

    Indented blocks after ``::`` and doctests stay as they are.
    """
    made: list[str] = []
    literal: int | None = None
    last = ""  # the latest line that is not empty
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        after_blank = number > 0 and not lines[number - 1].strip()
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        if literal is None and line.strip() and indent and after_blank and _is_text(last):
            made += ["::", ""]  # equations stand line by line
            literal = 0
        last = line if line.strip() else last
        if literal is not None or line.lstrip().startswith((">>>", "...")):
            made.append(line)
            continue
        if line.rstrip().endswith("::"):
            literal = indent
        parts = _CODE.split(line)
        made.append("".join(part if place % 2 else _MARKUP.sub(r"\\\1", part) for place, part in enumerate(parts)))
    return made


def _is_text(line: str) -> bool:
    """Tell whether a line is a paragraph's, after which an indented block is not a part of what went before."""
    return bool(line) and not line.startswith((" ", "- ", "* ", ">>>", "...")) and not line.endswith("::")


def process(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Escape a docstring, for Sphinx."""
    lines[:] = escaped(lines)
