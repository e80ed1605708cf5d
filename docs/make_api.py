"""Write ``docs/api.md``: every public name of Lamina with the first line of its docstring.

    python docs/make_api.py            # write the page
    python docs/make_api.py --check    # compare with the page that is there

The page holds what ``__all__`` of the public modules names, and nothing else; a test compares them.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import lamina

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"
COMMAND = "python docs/make_api.py"

# In the order of the page, with the classes that are shown apart; a module's other names come last.
MODULES: dict[str, dict[str, tuple[type, ...]]] = {
    "lamina": {
        "Layers and what composes them": (lamina.Layer, lamina.Parameter),
        "Training and use": (
            lamina.Trainer,
            lamina.Loss,
            lamina.Optimizer,
            lamina.History,
            lamina.WeightAverage,
            lamina.Stream,
        ),
    },
    "lamina.layers": {},
    "lamina.losses": {},
    "lamina.optimizers": {
        "Optimizers": (lamina.Optimizer,),
        "Schedules of the learning rate": (lamina.optimizers.Schedule, lamina.optimizers.ReduceOnPlateau),
    },
    "lamina.metrics": {},
    "lamina.decoding": {},
    "lamina.distributed": {},
    "lamina.callbacks": {},
    "lamina.initializers": {},
    "lamina.inspect": {},
    "lamina.sklearn": {},
    "lamina.convert": {},
    "lamina.onnx": {},
    "lamina.testing": {},
    "lamina.datasets": {},
    "lamina.backends": {},
    "lamina.errors": {},
}
# Types that are another name for something, and so have no docstring of their own.
ALIASES = {
    "Array": "An array of whichever backend is bound: `numpy.ndarray`, `cupy.ndarray`, ...",
    "InitializerLike": "What stands for an initializer: a name, an object, or a number for a constant.",
}
# The folder of the repository that holds a package; ``framework`` holds all others.
FOLDERS = ("layers", "optimizers", "backends")


def first_line(name: str, value: Any) -> str:
    """Return the first line of a docstring, as Markdown."""
    if name in ALIASES:
        return ALIASES[name]
    line = (inspect.getdoc(value) or "").partition("\n")[0]
    return line.replace("``", "`").replace("|", r"\|")


def value_of(module: ModuleType, name: str) -> Any:
    """Return a public value; of a package that is missing here, what its file says of the class."""
    try:
        return getattr(module, name)
    except lamina.errors.MissingPackageError:
        path = vars(module)["_MODULES"][name]
        tree = ast.parse((ROOT / "framework" / Path(*path.split(".")[1:])).with_suffix(".py").read_text())
        (found,) = (one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name)
        return SimpleNamespace(__doc__=ast.get_docstring(found), __module__=path)


def source(module: ModuleType, value: Any) -> str:
    """Return the file that defines a public name, from the page's folder."""
    own = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "")
    if not own.startswith("lamina"):
        own = module.__name__
    parts = own.split(".")[1:]
    path = ROOT.joinpath(*([] if parts[:1] and parts[0] in FOLDERS else ["framework"]), *parts)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return f"../{path.relative_to(ROOT).as_posix()}"


def names_of(module: ModuleType) -> list[str]:
    """Return a module's public names that are no modules with a part of their own, in the order of the page."""
    public = [name for name in module.__all__ if f"{module.__name__}.{name}" not in MODULES]
    return sorted(public, key=lambda name: (name.lower(), name))


def table(module: ModuleType, names: list[str]) -> list[str]:
    """Return one line for each name."""
    lines = ["", "| Name | |", "|---|---|"]
    for name in names:
        value = value_of(module, name)
        lines.append(f"| [`{name}`]({source(module, value)}) | {first_line(name, value)} |")
    return lines


def section(module: ModuleType, groups: dict[str, tuple[type, ...]]) -> list[str]:
    """Return a module's part of the page."""
    lines = ["", f"## {module.__name__}", "", first_line(module.__name__, module)]
    left = names_of(module)
    for title, bases in groups.items():
        members = [
            name for name in left if inspect.isclass(value := getattr(module, name)) and issubclass(value, bases)
        ]
        left = [name for name in left if name not in members]
        lines += ["", f"### {title}", *table(module, members)]
    if groups and left:
        lines += ["", "### Also"]
    return lines + table(module, left) if left else lines


def page() -> str:
    """Return the page."""
    lines = [
        "# Every public name",
        "",
        f"Written by `{COMMAND}`, from the docstrings; `help(name)` shows a whole one.",
        "",
        *(f"- [{name}](#{name.replace('.', '')})" for name in MODULES),
    ]
    for name, groups in MODULES.items():
        lines += section(import_module(name), groups)
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or compare with it."""
    parser = argparse.ArgumentParser(description="Write docs/api.md from the docstrings.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is out of date")
    if not parser.parse_args(arguments).check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"docs/api.md is out of date: run {COMMAND}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
