"""Building: one pass over shapes that creates parameters, then one that gives them memory and first values."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Backend, get_backend
from lamina.core.arguments import whole
from lamina.core.parameter import Parameter
from lamina.core.record import Binding
from lamina.core.reserved import refuse_reserved
from lamina.core.shapes import MOST_ELEMENTS, Shape, Shapes, as_shape, as_shapes
from lamina.core.storage import Storage
from lamina.core.tree import Tree
from lamina.errors import BackendError, DTypeError, ShapeError

__all__ = [
    "build_without_draws",
    "checked_build",
    "find_dtype",
    "is_advised",
    "name_parameters",
    "place",
    "require_count",
]

_DTYPES = ("float32", "float64")

# What a layer is built for, before, and then what it gives; raises where that is too much.
Watch: TypeAlias = Callable[[Tree, tuple[Shape, ...]], None]


def find_dtype(dtype: Any) -> str:
    """Return the name of a model's dtype: ``"float32"``, the default, or ``"float64"``.

    Raises
    ------
    DTypeError
        If it is another one.
    """
    try:
        name = "float32" if dtype is None else dtype if isinstance(dtype, str) else str(np.dtype(dtype))
    except TypeError:
        name = repr(dtype)
    if name not in _DTYPES:
        raise DTypeError(f"dtype: expected 'float32' or 'float64', got {name!r}")
    return name


class _Pass:
    """One running call of build: what it binds to, and which layers it has bound, or given a place, so far."""

    def __init__(self, backend: Backend, dtype: str, asks_only: bool, watch: Watch | None = None) -> None:
        self.binding = Binding(backend, dtype)
        self.asks_only = asks_only
        self.watch = watch
        self.built: list[Tree] = []
        self.placed: list[tuple[Tree, tuple[tuple[Shape, ...], ...]]] = []


_running: ContextVar[_Pass | None] = ContextVar("lamina_build", default=None)


def checked_build(build: Callable[..., Any]) -> Callable[..., Shapes]:
    """Wrap a layer's build: only the outermost call reads backend, dtype and seed, and it builds all or nothing."""

    @wraps(build)
    def wrapper(
        self: Tree,
        *shapes: Any,
        backend: str | Backend | None = None,
        dtype: Any = None,
        seed: int | None = None,
    ) -> Shapes:
        running = _running.get()
        if running is not None:
            return _build_one(self, build, shapes, running)
        if seed is not None:
            seed = whole(self.label, "seed", seed, least=0)
        bound = self.binding
        if backend is None and dtype is None and bound is not None:
            running = _Pass(bound.backend, bound.dtype, True)  # building again: as before
        else:
            running = _Pass(get_backend(backend), find_dtype(dtype), bound is not None)
        rng = np.random.default_rng(seed)

        def draw() -> None:
            _draw(name_parameters(self), running.binding, rng)
            _seed_draws(running.built, int(rng.integers(2**63)) if seed is None else seed)

        return _build_all(self, lambda: _build_one(self, build, shapes, running), running, draw)

    return wrapper


def build_without_draws(
    model: Tree, build: Callable[[], Shapes], binding: Binding, watch: Watch, fill: Callable[[], None]
) -> None:
    """Build a model that is not built, and have another give its parameters memory and values: none is drawn.

    Parameters
    ----------
    model : Tree
        What draws random numbers in training does so from seed 0.
    build : callable
        Calls its ``build``.
    binding : Binding
    watch : callable
        Gets each layer and its inputs' shapes before it is built, then its outputs'; raises where that is too much.
    fill : callable
        Is called when all parameters are there, without names, memory and values, which it gives them.
    """
    running = _Pass(binding.backend, binding.dtype, False, watch)

    def finish() -> None:
        fill()
        _seed_draws(running.built, 0)

    _build_all(model, build, running, finish)


def is_advised() -> bool:
    """Tell whether somebody who builds wants to know what to change where a shape does not fit: no file does."""
    running = _running.get()
    return running is None or running.watch is None


def _build_all(model: Tree, build: Callable[[], Shapes], running: _Pass, finish: Callable[[], None]) -> Shapes:
    """Run the outermost call of build: all or nothing."""
    if model.binding is None:
        for path, layer in model.walk():
            layer._record.path = path  # so that an error while building can say where it is
    token = _running.set(running)
    try:
        output = build()
        if running.built:  # building again renames nothing: this may be a part of another model by now
            finish()
    except BaseException:
        for layer in running.built:
            layer._record.binding = None
        for layer, places in reversed(running.placed):
            layer._record.places = places
        raise
    finally:
        _running.reset(token)
    return output


def _shape_of(layer: Tree, build: Callable[..., Any], shapes: tuple[Shape, ...], running: _Pass) -> Shapes:
    """Return what a layer's own build says that it gives."""
    if running.watch is not None:
        running.watch(layer, shapes)
    try:
        output = as_shapes(build(layer, *shapes), layer.label)
    except TypeError:
        require_count(layer, build, shapes)
        raise
    if running.watch is not None:
        running.watch(layer, tuple(one for one in output if isinstance(one, tuple)) or (output,))  # type: ignore[arg-type]
    return output


def require_count(layer: Tree, build: Callable[..., Any], shapes: Sequence[Shape]) -> None:
    """Raise `ShapeError` unless a layer's build takes as many inputs."""
    signature = inspect.signature(build)
    try:
        signature.bind(layer, *shapes)
    except TypeError as error:
        kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
        taken = [one for one in list(signature.parameters.values())[1:] if one.kind in kinds]
        count = len(taken) if len(shapes) > len(taken) else sum(one.default is one.empty for one in taken)
        raise ShapeError(f"{layer.label}: expected {count} input{'s' * (count != 1)}, got {len(shapes)}") from error


def _build_one(layer: Tree, build: Callable[..., Any], shapes: tuple[Any, ...], running: _Pass) -> Shapes:
    if not shapes:
        raise ShapeError(f"{layer.label}: expected a shape such as (None, None, 12), got none")
    expected = tuple(as_shape(shape, layer.label) for shape in shapes)
    if layer.binding is None:
        refuse_reserved(type(layer), vars(layer).get("_given", ()))
        output = _shape_of(layer, build, expected, running)
        layer._record.fit(running.binding, expected, output)
        running.built.append(layer)
        return output
    # A layer in a second place: its parameters stay, and only the shape that it gives there is asked for.
    bound, wanted = layer.binding, running.binding
    if bound.backend is not wanted.backend:
        raise BackendError(
            f"{layer.label}: built on backend {bound.backend.name!r}, but this model is being built on "
            f"{wanted.backend.name!r}: move it with layer.to({wanted.backend.name!r}) first"
        )
    if bound.dtype != wanted.dtype:
        raise DTypeError(f"{layer.label}: built with dtype {bound.dtype}, but this model's is {wanted.dtype}")
    probe = copy.copy(layer)
    probe._record = layer._record.copy()
    output = _shape_of(probe, build, expected, running)
    before, after = layer.own_parameters(), probe.own_parameters()
    for name, parameter in after.items():
        if name not in before or before[name].shape != parameter.shape:
            was = before[name].shape if name in before else "no such parameter"
            raise ShapeError(
                f"{layer.label}: already built for input {layer.input_shapes[0]}; input {expected[0]} would change "
                f"{name!r} from {was} to {parameter.shape}"
            )
    if not running.asks_only and expected not in layer.places:
        running.placed.append((layer, layer.places))
        layer._record.places = (*layer.places, expected)
    return output


def name_parameters(model: Tree) -> list[Parameter]:
    """Name every layer and parameter of a model by its path; return the parameters that have no values yet."""
    for path, layer in model.walk():
        layer._record.path = path
    fresh: list[Parameter] = []
    for path, parameter in model.named_parameters().items():
        parameter.name = path
        if parameter.storage is None:
            fresh.append(parameter)
    for _, layer in model.walk():
        layer.freeze()
    return fresh


def _draw(fresh: list[Parameter], binding: Binding, rng: np.random.Generator) -> None:
    """Give new parameters memory and first values."""
    place(fresh, binding)
    try:
        for parameter in fresh:
            parameter.initialize(rng)
    except BaseException:
        for parameter in fresh:
            parameter.place(None, 0)
        raise


def _seed_draws(layers: list[Tree], seed: int) -> None:
    """Give the layers that draw random numbers in training the model's seed; see `RandomLayer`."""
    for layer in layers:
        if hasattr(layer, "reseed"):
            layer.reseed(seed)


def place(parameters: list[Parameter], binding: Binding) -> None:
    """Lay parameters side by side in a new storage, with the values and gradients of those that have some."""
    size = sum(parameter.size for parameter in parameters)
    if size >= MOST_ELEMENTS:
        raise ShapeError(f"build: expected fewer than {MOST_ELEMENTS} weights, got {size}")
    storage = Storage(binding.backend, binding.dtype, size)
    offset = 0
    for parameter in parameters:
        if parameter.storage is None:
            parameter.place(storage, offset)
        else:
            parameter.move(storage, offset)
        offset += parameter.size
