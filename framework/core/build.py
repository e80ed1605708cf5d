"""Building: one pass over shapes that creates parameters, then one that gives them memory and first values."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any

import numpy as np

from lamina.backends import Backend, get_backend
from lamina.core.arguments import whole
from lamina.core.parameter import Parameter
from lamina.core.record import Binding
from lamina.core.reserved import refuse_reserved
from lamina.core.shapes import Shape, Shapes, as_shape, as_shapes
from lamina.core.storage import Storage
from lamina.core.tree import Tree
from lamina.errors import BackendError, DTypeError, ShapeError

__all__ = ["checked_build", "find_dtype", "materialize", "place"]

_DTYPES = ("float32", "float64")


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

    def __init__(self, backend: Backend, dtype: str, asks_only: bool) -> None:
        self.binding = Binding(backend, dtype)
        self.asks_only = asks_only
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
        if bound is None:
            for path, layer in self.walk():
                layer._record.path = path  # so that an error while building can say where it is
        token = _running.set(running)
        try:
            output = _build_one(self, build, shapes, running)
            if running.built:  # building again renames nothing: this may be a part of another model by now
                rng = np.random.default_rng(seed)
                materialize(self, running.binding, rng)
                _seed_draws(running.built, seed, rng)
        except BaseException:
            for layer in running.built:
                layer._record.binding = None
            for layer, places in reversed(running.placed):
                layer._record.places = places
            raise
        finally:
            _running.reset(token)
        return output

    return wrapper


def _build_one(layer: Tree, build: Callable[..., Any], shapes: tuple[Any, ...], running: _Pass) -> Shapes:
    if not shapes:
        raise ShapeError(f"{layer.label}: expected a shape such as (None, None, 12), got none")
    expected = tuple(as_shape(shape, layer.label) for shape in shapes)
    if layer.binding is None:
        refuse_reserved(type(layer), vars(layer).get("_given", ()))
        output = as_shapes(build(layer, *expected), layer.label)
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
    output = as_shapes(build(probe, *expected), layer.label)
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


def materialize(model: Tree, binding: Binding, rng: np.random.Generator) -> None:
    """Name every layer and parameter of a model by its path, and give the new parameters first values."""
    for path, layer in model.walk():
        layer._record.path = path
    fresh: list[Parameter] = []
    for path, parameter in model.named_parameters().items():
        parameter.name = path
        if parameter.storage is None:
            fresh.append(parameter)
    for _, layer in model.walk():
        layer.freeze()
    place(fresh, binding)
    try:
        for parameter in fresh:
            parameter.initialize(rng)
    except BaseException:
        for parameter in fresh:
            parameter.place(None, 0)
        raise


def _seed_draws(layers: list[Tree], seed: int | None, rng: np.random.Generator) -> None:
    """Give the layers that draw random numbers in training the model's seed, or one drawn; see `RandomLayer`."""
    random = [layer for layer in layers if hasattr(layer, "reseed")]
    if random and seed is None:
        seed = int(rng.integers(2**63))
    for layer in random:
        layer.reseed(seed)


def place(parameters: list[Parameter], binding: Binding) -> None:
    """Lay parameters side by side in a new storage, with the values and gradients of those that have some."""
    storage = Storage(binding.backend, binding.dtype, sum(parameter.size for parameter in parameters))
    offset = 0
    for parameter in parameters:
        if parameter.storage is None:
            parameter.place(storage, offset)
        else:
            parameter.move(storage, offset)
        offset += parameter.size
