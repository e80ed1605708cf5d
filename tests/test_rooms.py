"""The order of rooms: every import runs down, and no files import each other in a circle.

Every import counts: at the top of a file, in a function, under TYPE_CHECKING, and by ``import_module`` of a name that
is written out.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import lamina

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {folder: name for name, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}

# From the ground up. A file may import its own room and what lies on a lower floor; rooms of one floor do not know
# each other. Where two rooms match a module, the longer name is its room.
FLOORS = (
    ("lamina.backends",),
    ("lamina.errors",),
    ("lamina.files",),
    ("lamina.core",),
    (
        *("lamina.kinds", "lamina.losses", "lamina.metrics", "lamina.optimization", "lamina.initializers"),
        "lamina.decoding",
    ),
    ("lamina.layers", "lamina.data"),
    ("lamina.compose",),
    ("lamina.plan", "lamina.checkpoints", "lamina.distributed"),
    ("lamina.train", "lamina.datasets"),
    ("lamina.callbacks", "lamina.optimizers", "lamina.inspect", "lamina.convert", "lamina.onnx"),
    ("lamina.recipes",),
    ("lamina.testing", "lamina.sklearn"),
    ("lamina",),
    ("lamina.cli",),
    ("lamina.testing.fuzz",),  # of what the command line reads too
    ("lamina.__main__",),
)
# Inside the backends: the interface, then the generic kernels, then each backend with those that it builds on.
BACKEND_FLOORS = (
    ("lamina.backends.bars", "lamina.backends.errors", "lamina.backends.forking"),
    ("lamina.backends.plug_ins",),
    ("lamina.backends.arrays",),
    ("lamina.backends.kernels",),
    ("lamina.backends.generic",),
    ("lamina.backends.program",),
    ("lamina.backends.step",),
    ("lamina.backends.backend",),
    ("lamina.backends.numpy", "lamina.backends.cupy", "lamina.backends.reference"),
    ("lamina.backends.numba",),
    ("lamina.backends.registry",),
    ("lamina.backends",),
)


# The group of entry points has the name of a package, and is none.
ENTRY_POINTS = "lamina.backends"


def module_name(path: Path) -> str:
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *rest]).removesuffix(".__init__")


SOURCES = {module_name(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}


@cache
def imported(text: str) -> tuple[tuple[str, int], ...]:
    """Return the modules of ours that a file's text imports, in whichever way, and the lines."""
    return tuple(find_imports(text))


def find_imports(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}": node.module or "" for alias in node.names}
            found = [name if name in SOURCES else module for name, module in inner.items()]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # What `import_module` may be given: a module's name, alone or with a class after a colon.
            found = [node.value.partition(":")[0]] if re.fullmatch(r"lamina(\.\w+)+(:\w+)?", node.value) else []
            found = [name for name in found if name in SOURCES and name != ENTRY_POINTS]
        else:
            continue
        yield from ((name, node.lineno) for name in found if name == "lamina" or name.startswith("lamina."))


@cache
def floor(module: str, floors: tuple[tuple[str, ...], ...]) -> tuple[str, int]:
    """Return a module's room, and the number of its floor."""
    rooms = [(room, number) for number, rooms in enumerate(floors) for room in rooms]
    fitting = [(room, number) for room, number in rooms if module == room or module.startswith(f"{room}.")]
    return max(fitting, key=lambda one: len(one[0]))


def upward(sources: dict[str, str], floors: tuple[tuple[str, ...], ...], inside: str = "lamina") -> list[str]:
    """Return the imports that run up, or to another room of the same floor."""
    wrong = []
    for name, text in sources.items():
        if not (name == inside or name.startswith(f"{inside}.")):
            continue
        room, own = floor(name, floors)
        for target, line in imported(text):
            if not (target == inside or target.startswith(f"{inside}.")):
                continue
            other, other_floor = floor(target, floors)
            if other != room and other_floor >= own:
                wrong.append(f"{name}:{line} imports {target}")
    return wrong


def texts() -> dict[str, str]:
    return {name: path.read_text() for name, path in SOURCES.items()}


def test_every_import_runs_down() -> None:
    assert upward(texts(), FLOORS) == []


def test_inside_the_backends_every_import_runs_down_too() -> None:
    assert upward(texts(), BACKEND_FLOORS, "lamina.backends") == []


@pytest.mark.parametrize(
    "line",
    [
        "from lamina.train.trainer import Trainer",
        "import lamina.train.trainer",
        "if TYPE_CHECKING:\n    from lamina.train.trainer import Trainer",
        "def late():\n    from lamina.train.trainer import Trainer",
        "class A:\n    def late(self):\n        import lamina.train",
        "import_module('lamina.train.trainer')",
        "def late():\n    return import_module('lamina.train.trainer').Trainer",
        "BACKENDS = {'a': 'lamina.train.trainer:Trainer'}",
        "from lamina import train",
        "from lamina.compose.tape import Tape",
    ],
)
def test_one_import_that_runs_up_is_found_however_it_is_hidden(line: str) -> None:
    broken = texts()
    broken["lamina.core.tree"] += f"\n{line}\n"
    (found,) = upward(broken, FLOORS)
    assert found.startswith("lamina.core.tree:")
    assert upward({**texts(), "lamina.kinds.window": line}, FLOORS) != []


def test_one_import_of_a_room_on_the_same_floor_is_found() -> None:
    broken = {**texts(), "lamina.losses.loss": "from lamina.metrics.metric import Metric"}
    assert upward(broken, FLOORS) == ["lamina.losses.loss:1 imports lamina.metrics.metric"]


def circle(sources: dict[str, str]) -> list[str]:
    """Return files that import each other in a circle, lazily or not; none where there is none."""
    graph = {
        name: {target for target, _ in imported(text) if target in SOURCES and target != name}
        for name, text in sources.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(texts()) == []


def test_a_circle_is_found() -> None:
    broken = texts()
    broken["lamina.core.shapes"] += "\ndef late():\n    from lamina.core.tree import Tree\n"
    assert {"lamina.core.shapes", "lamina.core.tree"} <= set(circle(broken))


def test_every_module_at_the_front_door_is_a_public_name() -> None:
    front = {path.stem for path in (ROOT / "framework").glob("*.py")} - {"__init__", "__main__"}
    assert front == {"callbacks", "datasets", "errors", "initializers"}
    assert front <= set(lamina.__all__)


def test_every_room_has_a_floor_of_its_own_and_says_what_it_is_for() -> None:
    rooms = {path.parent.name for path in (ROOT / "framework").glob("*/__init__.py")}
    known = {room.removeprefix("lamina.") for rooms in FLOORS for room in rooms}
    assert rooms <= known
    for name, path in SOURCES.items():
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text())), name


def test_no_file_is_too_long_to_hold_in_mind() -> None:
    lengths = {name: len(text.splitlines()) for name, text in texts().items()}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def test_kernels_are_looked_for_under_one_name() -> None:
    generic = {path.name for path in (ROOT / "backends" / "generic").glob("*.py")}
    own = {"backend.py", "gates.py", "products.py", "reading_order.py", "memory.py", "threads.py"}
    own |= {"linear_scan.py", "padding.py", "slstm_back.py", "slstm_steps.py", "winograd.py"}
    assert {path.name for path in (ROOT / "backends" / "numpy").glob("*.py")} - own <= generic
    assert {path.name for path in (ROOT / "backends" / "numba").glob("*.py")} - {
        "backend.py",
        "hashing.py",
        "passes.py",
        "recurrence.py",
    } <= generic
    assert {path.name for path in (ROOT / "backends" / "cupy").glob("*.py")} - {
        "arrays.py",
        "backend.py",
        "compiled.py",
        "constants.py",
        "padding.py",
        "products.py",
        "recurrence.py",
        "segments.py",
    } <= generic


def test_layers_and_optimizers_know_the_interfaces_alone() -> None:
    for package, allowed in (
        ("lamina.layers", ("lamina.backends", "lamina.core", "lamina.errors", "lamina.kinds", "lamina.layers")),
        (
            "lamina.optimizers",
            ("lamina.backends", "lamina.core", "lamina.errors", "lamina.optimization", "lamina.optimizers"),
        ),
    ):
        callbacks = ("lamina.train.callback",) if package == "lamina.optimizers" else ()
        for name, text in texts().items():
            if name.startswith(package):
                for target, line in imported(text):
                    assert target.startswith((*allowed, *callbacks)), f"{name}:{line} imports {target}"
