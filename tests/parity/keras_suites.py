"""The cases of Keras's own suites, read from the lists in ``keras_cases``, and what of Lamina they name."""

import inspect
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lamina

__all__ = ["OWN", "Group", "groups", "parts_of", "resolve"]

FOLDER = Path(__file__).with_name("keras_cases")
# Said with a function, a cell or an elementwise loss of one's own, which take a few lines; not with a whole layer's.
OWN = {"layers.Lambda", "losses.ElementwiseLoss", "metrics.FunctionMetric", "Cell", "Composite"}


@dataclass(frozen=True)
class Group:
    """Cases of one file: ``said`` by parts of Lamina, or ``unsaid`` for a reason; the other is empty."""

    room: str
    file: str
    said: str
    unsaid: str
    cases: tuple[str, ...]


def groups() -> list[Group]:
    """Return all groups of all lists."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for file, kinds in tomllib.loads(path.read_text()).items():
            for kind, listed in kinds.items():
                if kind not in ("said", "unsaid"):
                    raise ValueError(f"{path.name}, {file}: expected said or unsaid, got {kind}")
                for text, names in listed.items():
                    found.append(Group(path.stem, file, **{"said": "", "unsaid": "", kind: text}, cases=_cases(names)))
    return found


def _cases(text: str) -> tuple[str, ...]:
    """Return ``class.case`` for each of "class: case case class: case"."""
    found, name = [], ""
    for word in text.split():
        if word.endswith(":"):
            name = word[:-1]
        else:
            found.append(f"{name}.{word}")
    return tuple(found)


def parts_of(said: str) -> list[tuple[str, list[str]]]:
    """Return each part that is named, with its arguments: "layers.Conv1D(groups), Sequential" are two."""
    parts = re.findall(r"([\w.]+)(?:\(([^)]*)\))?(?:, |$)", said)
    return [(name, re.findall(r"\w+", arguments)) for name, arguments in parts]


def resolve(name: str, arguments: list[str]) -> Any:
    """Return what of Lamina a name stands for, or raise where there is none, or no such argument.

    Raises
    ------
    AttributeError, TypeError
    """
    value: Any = lamina
    for step in name.split("."):
        if step.startswith("_") and not step.endswith("__"):
            raise AttributeError(f"{name} is not public")
        value = getattr(value, step)
    taken = _taken(value) if arguments else set()
    if missing := sorted(set(arguments) - taken):
        raise TypeError(f"{name} takes no {', '.join(missing)}")
    return value


def _taken(value: Any) -> set[str]:
    found = set(inspect.signature(value).parameters)
    if inspect.isclass(value) and issubclass(value, lamina.Optimizer):
        found |= set(inspect.signature(lamina.Optimizer).parameters)  # what each hands on
    return found
