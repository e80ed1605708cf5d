"""A model's layers that hold arrays, in order, each with its translation; and setting them all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from lamina.compose.bidirectional import Bidirectional
from lamina.convert import attention, plain, recurrent  # noqa: F401 (they make their translations known)
from lamina.convert.translation import Arrays, Format, Translation, translation_of
from lamina.core.finite import warn_non_finite
from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.core.transfer import listed, load_parameters
from lamina.errors import ConversionError, ShapeError

__all__ = ["Framework", "Unit", "assign", "one_line", "raise_problems", "under", "units_of"]

#: Which framework's names and order are meant.
Framework: TypeAlias = Literal["torch", "keras"]


class Unit(NamedTuple):
    """A layer whose arrays are converted together.

    Attributes
    ----------
    path : str
        Where it is in the model.
    layer : Layer
    translation : Translation
    format : Format
        Of the framework that is meant.
    """

    path: str
    layer: Layer
    translation: Translation
    format: Format

    @property
    def label(self) -> str:
        """The name used in messages."""
        return f"{type(self.layer).__name__} {self.path!r}" if self.path else type(self.layer).__name__

    def own(self) -> Arrays:
        """Return the layer's arrays by its names of them."""
        return {name: parameter.numpy() for name, parameter in self.layer.named_parameters().items()}

    def exported(self) -> Arrays:
        """Return them by the framework's names."""
        return {name: np.ascontiguousarray(array) for name, array in self.format.export(self.layer, self.own()).items()}

    def taken(self, theirs: Mapping[str, Any], source: str) -> Arrays:
        """Return the layer's arrays from the framework's.

        Raises
        ------
        ConversionError
            If one is missing, or there are others.
        ShapeError
            If one has another shape.
        """
        expected = self.exported()
        where = f"{self.label} from {source}"
        missing, others = ([name for name in a if name not in b] for a, b in ((expected, theirs), (theirs, expected)))
        if missing or others:
            told = [
                f"{kind} {listed(names)}" for kind, names in (("missing", missing), ("not expected", others)) if names
            ]
            raise ConversionError(f"{where}: {'; '.join(told)}")
        arrays = {name: as_host(theirs[name], f"{where}: {name}") for name in expected}
        for name, array in arrays.items():
            if array.shape != expected[name].shape:
                raise ShapeError(f"{where}: expected {name} of {expected[name].shape}, got {array.shape}")
            if array.dtype.kind not in "fiu":
                raise ConversionError(f"{where}: expected numbers as {name}, got {array.dtype}")
        return self.format.take(self.layer, arrays)


def units_of(model: Layer, framework: Framework) -> list[Unit]:
    """Return the layers of a built model that hold arrays.

    Raises
    ------
    NotBuiltError
    ConversionError
        Names every layer that has no counterpart.
    """
    model.bound()
    units: list[Unit] = []
    problems: list[str] = []

    def visit(path: str, layer: Layer) -> None:
        if not layer.named_parameters():
            return
        translation = recurrent.pairs(layer) if isinstance(layer, Bidirectional) else translation_of(layer)
        format = None if translation is None else getattr(translation, framework)
        if translation is not None and format is not None:
            unit = Unit(path, layer, translation, format)
            try:
                unit.exported()
                units.append(unit)
            except ConversionError as error:
                problems.append(f"{unit.label}: {error}")
        elif layer.own_parameters():
            problems.append(f"{type(layer).__name__} {path!r}")
        else:
            for name, child in layer.children().items():
                if id(child) not in seen:
                    seen.add(id(child))
                    visit(f"{path}.{name}" if path else name, child)

    seen: set[int] = {id(model)}
    visit("", model)
    raise_problems(f"no counterpart in {_NAMES[framework]}", problems)
    return units


_NAMES = {"torch": "PyTorch", "keras": "Keras"}


def raise_problems(what: str, problems: Sequence[str]) -> None:
    """Raise `ConversionError` naming all of some problems, where there are any."""
    if problems:
        raise ConversionError(one_line(f"{what}: {listed(problems)}"))


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())


def under(path: str, name: str) -> str:
    """Return the path of something below a path, which may be empty."""
    return f"{path}.{name}" if path else name


def assign(model: Layer, found: Mapping[str, Arrays], source: str) -> None:
    """Set a model's parameters from its units' arrays, by path; nothing is changed unless all of them fit.

    Raises
    ------
    ConversionError
        If a parameter that stands in several places would get other values in one than in another.
    """
    state = {under(path, name): array for path, arrays in found.items() for name, array in arrays.items()}
    first = {id(parameter): path for path, parameter in model.named_parameters().items()}
    kept: Arrays = {}
    for path, layer in model.walk():
        for name, parameter in layer.own_parameters().items():
            place, own = first[id(parameter)], under(path, name)
            if own not in state:
                continue
            if place in kept and not np.array_equal(kept[place], state[own], equal_nan=True):
                raise ConversionError(f"{source}: {own} shares its values with {place}, and would get others")
            kept[place] = state[own]
    load_parameters(model, kept, source)
    warn_non_finite(model.named_parameters().values(), source)
