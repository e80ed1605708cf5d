"""A layer's place in a tree: what it was built on and for, the layers below it, their parameters by path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np

from lamina.backends import Array, Backend
from lamina.backends.kernels import Kernel
from lamina.core.arguments import flag
from lamina.core.changes import Changing
from lamina.core.parameter import Parameter
from lamina.core.record import Binding, Record, Recorded, read_only
from lamina.core.shapes import Shape, Shapes, show
from lamina.errors import NotBuiltError, ShapeError

__all__ = ["Tree"]


class Tree(Changing):
    """What every layer knows of itself and of the layers below it, taken together as a model."""

    _kept: ClassVar[tuple[str, ...]] = ("kernel_name",)
    _refuses_at_build: ClassVar[bool] = True

    #: The backend's kernel that the layer runs, where it runs one.
    kernel_name: ClassVar[str] = ""
    #: Whether the layer's class has a `check_input` of its own.
    _checks_inputs: ClassVar[bool] = False
    #: Whether several classes of a layer define the method, so that one may call another by ``super()``.
    _extends_forward: ClassVar[bool] = False
    _extends_backward: ClassVar[bool] = False
    #: Whether the layer takes integers, as an embedding does.
    takes_integers: ClassVar[bool] = False

    #: Whether the layer's class defines `infer` itself, at least as lately as ``forward``.
    _infers_itself: ClassVar[bool] = False
    #: Whether its stream is what its ``forward`` gives, step by step: no base's whose forward it overrides.
    _streams_itself: ClassVar[bool] = True

    _record: Record

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Make a layer with an empty record; constructors need not call ``super().__init__``."""
        if (given or named) and cls.__init__ is object.__init__:  # which would drop them in silence
            raise TypeError(f"{cls.__name__}() takes no arguments")
        made = super().__new__(cls)
        made._record = Record()
        return made

    path = Recorded[str]("Where the layer is in its model; empty for the model itself.")
    binding = Recorded[Binding | None]("What building bound the layer to; None before.")
    input_shapes = Recorded[tuple[Shape, ...]]("What it was built for; None in a shape is an open size.")
    places = Recorded[tuple[tuple[Shape, ...], ...]]("All that it was built for, one for each place where it stands.")
    output_shape = Recorded[Shapes | None]("What it gives: a shape, or a tuple of shapes of several outputs.")

    @read_only
    def label(self) -> str:
        """The name used in messages: the class, and the path where there is one."""
        path = self._record.path
        return f"{type(self).__name__} {path!r}" if path else type(self).__name__

    @read_only
    def is_built(self) -> bool:
        """Whether the layer has its parameters and a backend."""
        return self._record.binding is not None

    def bound(self) -> Binding:
        """Return what the layer was built on, or raise `NotBuiltError`."""
        binding = self._record.binding
        if binding is None:
            raise NotBuiltError(f"{self.label} is not built: call build(shape) first")
        return binding

    @read_only
    def backend(self) -> Backend:
        """The backend the layer was built on."""
        return (self._record.binding or self.bound()).backend

    @read_only
    def dtype(self) -> str:
        """The name of the model's dtype."""
        return self.bound().dtype

    def kernel_options(self) -> dict[str, Any]:
        """Return the options that decide which kernel runs."""
        return {}

    @read_only
    def kernel(self) -> Kernel:
        """The forward and backward pair that really runs."""
        backend, options = (self._record.binding or self.bound()).backend, self.kernel_options()
        return backend.select(self.kernel_name, **options) if options else backend.select(self.kernel_name)

    def _reach(self) -> int:
        """Return over how many steps an output reaches, and so how many may have to be made where a row has fewer."""
        return 1

    def _heeds_lengths(self) -> bool:
        """Tell whether ``forward``, where it takes lengths, needs them: not where it takes each step by itself."""
        return True

    def output_lengths(self, lengths: Any) -> Any:
        """Return the lengths of the output's rows; a tuple for several outputs. Unchanged by default.

        A layer whose output has no time axis any more returns None. One over several inputs with a time axis gets a
        tuple of one array, or None, for each; the output then has those of the first by default.
        """
        return next((own for own in lengths if own is not None), None) if isinstance(lengths, tuple) else lengths

    # The layers below.

    def children(self) -> dict[str, Any]:
        """Return the layers directly below this one, by the last part of their paths."""
        return {name: value for name, value in _attributes(self) if isinstance(value, Tree)}

    def own_parameters(self) -> dict[str, Parameter]:
        """Return this layer's own parameters by attribute, in the order of assignment."""
        return {name: value for name, value in _attributes(self) if isinstance(value, Parameter)}

    def walk(self) -> Iterator[tuple[str, Any]]:
        """Yield this layer and all below it with their paths, each once."""
        found: dict[int, tuple[str, Any]] = {}

        def visit(layer: Any, path: str) -> None:
            if id(layer) not in found:
                found[id(layer)] = path, layer
                for name, child in layer.children().items():
                    visit(child, f"{path}.{name}" if path else name)

        visit(self, "")
        return iter(found.values())

    def named_parameters(self) -> dict[str, Parameter]:
        """Return all parameters by path, each once: tied weights count under their first path."""
        found: dict[str, Parameter] = {}
        seen: set[int] = set()
        for path, layer in self.walk():
            for name, parameter in layer.own_parameters().items():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    found[f"{path}.{name}" if path else name] = parameter
        return found

    def parameters(self) -> list[Parameter]:
        """Return all parameters, each once.

        Raises
        ------
        NotBuiltError
            If the model is not built: it has none yet.
        """
        self.bound()
        return list(self.named_parameters().values())

    @property
    def trainable(self) -> bool:
        """Whether optimizers change the layer's parameters and those of the layers below it; False freezes them all.

        What is never trained, such as a running mean, stays so. It may be set before the layer is built.
        """
        return self._record.frozen is None

    @trainable.setter
    def trainable(self, value: bool) -> None:
        wanted, frozen = flag(self, "trainable", value), self._record.frozen
        if wanted and frozen is not None:
            for parameter in frozen:
                parameter.trainable = True
            self._record.frozen = None
        elif not wanted:
            self._record.frozen = frozen or []
            self.freeze()

    def freeze(self) -> None:
        """Freeze what is below, where ``trainable`` is False; building does so again, once there are parameters."""
        if self._record.frozen is not None:
            for parameter in self.named_parameters().values():
                if parameter.trainable:
                    parameter.trainable = False
                    self._record.frozen.append(parameter)

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.parameters():
            parameter.zero_grad()

    @read_only
    def parameter_count(self) -> int:
        """The number of weights in all parameters."""
        return sum(parameter.size for parameter in self.named_parameters().values())

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return copies of all parameters, on the host, by path."""
        self.bound()
        return {name: parameter.numpy() for name, parameter in self.named_parameters().items()}

    @read_only
    def facts(self) -> dict[str, Any]:
        """What is worth keeping with the model (JSON): training settings and figures, class names."""
        return self._record.facts

    # What its inputs may be.

    def reads_integers(self, index: int | None = None) -> bool:
        """Tell whether the input of that position, or any where it is None, may be integers."""
        if self.takes_integers:
            return True
        if self._record.binding is None:
            return any(child.reads_integers(index) for child in self.children().values())
        known = self._record.integers  # a step must not walk attributes
        if index not in known:
            known[index] = any(child.reads_integers(index) for child in self.children().values())
        return known[index]

    def check_input(self, index: int, array: Array, shape: Shape) -> None:
        """Raise `ShapeError` where an input does not fit what was built: by default, its rank and last axis."""
        if array.ndim != len(shape):
            raise ShapeError(f"{self.label}: expected {show(shape)}, got {tuple(array.shape)}")
        if len(shape) > 1 and shape[-1] is not None and array.shape[-1] != shape[-1]:
            raise ShapeError(f"{self.label}: expected last axis {shape[-1]}, got {tuple(array.shape)}")


_KINDS = (list, tuple, dict)


def _attributes(layer: Tree) -> list[tuple[str, Any]]:
    """Return parameters and layers among a layer's attributes, those in lists and dicts included, in order."""
    found: list[tuple[str, Any]] = []
    for name, value in vars(layer).items():
        if isinstance(value, (Parameter, Tree)):
            found.append((name, value))
        elif isinstance(value, _KINDS):
            _collect(name, value, found)
    return found


def _collect(name: str, holder: Any, found: list[tuple[str, Any]]) -> None:
    """Add what a list, tuple or dict holds to what was found."""
    if isinstance(holder, dict) and name.startswith("_"):
        return
    for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
        if isinstance(value, (Parameter, Tree)):
            found.append((f"{name}.{key}", value))
        elif isinstance(value, _KINDS):
            _collect(f"{name}.{key}", value, found)
