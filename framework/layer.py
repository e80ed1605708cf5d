"""The layer: the one interface that everything with a forward and a backward pass has."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array, Backend
from lamina.backends.base import Kernel
from lamina.building import Binding, checked_build
from lamina.checking import checked_backward, checked_forward, input_names, named_inputs
from lamina.configured import Configured
from lamina.errors import ArgumentError, DTypeError, NotBuiltError, ShapeError
from lamina.registry import Registry
from lamina.shapes import Lengths, Shape, Shapes, input_lengths, show
from lamina.tree import LayerTree

__all__ = ["Layer"]


class Layer(LayerTree, Configured):
    """A differentiable function with parameters.

    A layer of your own defines three methods, and is checked and kept like any other::

        build(self, *shapes) -> shape             assigns Parameters to attributes; returns the output's shape
        forward(self, *inputs) -> (y, saved)      keeps nothing on self
        backward(self, dy, saved) -> dx           adds to the parameters' ``grad``; a tuple for several inputs

    It keeps its constructor's arguments as attributes of the same names, so that it can be saved. A layer to
    which padding matters takes ``lengths`` in ``forward``: (batch,) integers on the host, or None.

    What the interface does around these methods: ``build`` also takes ``backend``, ``dtype`` and ``seed``, and
    names parameters by their paths. ``forward`` refuses inputs that do not fit what was built. The saved state
    of a call is accepted once, and only by the layer that made it. Nobody writes into an input, into ``dy`` or
    into an array already returned.

    Attributes
    ----------
    path : str
        Where the layer is in its model, such as ``"encoder.1"``; empty for the model itself.
    input_shapes : tuple of shapes
        What it was built for; None in a shape is an open size.
    places : tuple of input shapes
        All that it was built for, one for each place where it stands.
    output_shape : shape or tuple of shapes
    """

    registry: ClassVar[Registry[Layer]] = Registry("layer")
    #: The backend's kernel that the layer runs, where it runs one.
    kernel_name: ClassVar[str] = ""
    #: Whether the layer takes integers, as an embedding does.
    takes_integers: ClassVar[bool] = False

    #: The names of the inputs of ``forward``, where it names them.
    input_names: ClassVar[tuple[str, ...]] = ()

    path: str = ""
    binding: Binding | None = None
    input_shapes: tuple[Shape, ...] = ()
    places: tuple[tuple[Shape, ...], ...] = ()
    output_shape: Shapes | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        if "build" in own:
            cls.build = checked_build(own["build"])  # type: ignore[method-assign]
        if "forward" in own:
            cls.input_names = input_names(own["forward"])
            cls.forward = checked_forward(own["forward"])  # type: ignore[method-assign]
        if "backward" in own:
            cls.backward = checked_backward(own["backward"])  # type: ignore[method-assign]

    # What a layer defines.

    def build(self, *shapes: Any, **options: Any) -> Any:
        """Create the parameters for inputs of these shapes; no array of data is computed.

        Parameters
        ----------
        *shapes : tuple of int or None
            One for each input, the batch first: ``(None, None, 12)`` is (batch, time, 12 features).
        backend : str or Backend, optional
            Where the model lives; the default backend if not given.
        dtype : str, optional
            ``"float32"``, the default, or ``"float64"``.
        seed : int, optional
            From which the weights are drawn; from the operating system's entropy if not given.

        Returns
        -------
        shape, or a tuple of shapes where the layer has several outputs

        Notes
        -----
        Building again keeps the parameters: it only tells the output's shape for other inputs.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define build")

    def forward(self, *inputs: Any, **options: Any) -> tuple[Any, Any]:
        """Return the output, and the state that `backward` needs, for training.

        Raises
        ------
        NotBuiltError, ShapeError, DTypeError, BackendError
        """
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    # Typed so that a backward with ``input_gradient``, and one without, overrides it.
    def backward(self, dy: Any, saved: Any, *further: Any, **options: Any) -> Any:
        """Add to the parameters' gradients and return the gradient of the input, or a tuple of them.

        Parameters
        ----------
        dy : array, or a tuple of them
            The gradient of the output; it has its shape.
        saved : SavedState
            From `forward`.
        input_gradient : bool
            By keyword, True by default: whether the gradient of the inputs is wanted; without it None is returned
            in its place. Training needs no first layer's. A layer of your own need not take this: what it returns
            is then dropped.

        Raises
        ------
        SavedStateError
            If ``saved`` is used up or another layer's.
        ShapeError
            If ``dy`` has another shape than the output had.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define backward")

    def infer(self, *inputs: Any, **options: Any) -> Any:
        """Return the output alone; a layer that behaves differently outside training overrides this."""
        return self.forward(*inputs, **options)[0]

    def stream_state(self, batch: int) -> Any:
        """Return the state at the start of a stream of so many rows, an array or a tuple of states: see `Stream`.

        Raises
        ------
        StreamError
            If the layer cannot read a sequence piece by piece. One whose steps do not depend on each other, nor
            on their places, can; any other overrides this, to raise, or this and `stream`.
        """
        from lamina.streaming import require_steps_alone

        require_steps_alone(self)
        return ()

    def stream(
        self, *inputs: Any, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Any, Any, Any]:
        """Return the output for the next steps, the state after them and, in training, what `backward` needs.

        The state is None at the start. No gradient flows into it.
        """
        if training:
            y, saved = self.forward(*inputs, lengths=lengths)
            return y, (), saved
        return self.infer(*inputs, lengths=lengths), (), None

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the lengths of the output's rows: unchanged by default, None once the time axis is gone."""
        return lengths

    def check_input(self, index: int, array: Array, shape: Shape) -> None:
        """Raise `ShapeError` where an input does not fit what was built: by default, its rank and last axis."""
        if array.ndim != len(shape):
            raise ShapeError(f"{self.label}: expected {show(shape)}, got {tuple(array.shape)}")
        if len(shape) > 1 and shape[-1] is not None and array.shape[-1] != shape[-1]:
            raise ShapeError(f"{self.label}: expected last axis {shape[-1]}, got {tuple(array.shape)}")

    def kernel_options(self) -> dict[str, Any]:
        """Return the options that decide which kernel runs."""
        return {}

    # What every layer has.

    def positive(self, name: str, value: Any) -> int:
        """Return a setting that must be a positive whole number, or raise `ArgumentError`."""
        if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0:
            return int(value)
        raise ArgumentError(f"{type(self).__name__}: expected {name} to be a positive whole number, got {value!r}")

    def size_of(self, shape: Shape, axis: int) -> int:
        """Return the size of an axis that must be known when building, or raise `ShapeError`."""
        size = shape[axis] if len(shape) > 1 else None
        if size is None:
            raise ShapeError(f"{self.label}: expected a fixed size of axis {axis % len(shape)}, got {show(shape)}")
        return size

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Return the output for inputs of any kind NumPy understands; retains nothing.

        Parameters
        ----------
        *inputs : array-like
            Converted to the model's dtype and moved to its backend.
        lengths : (batch,) integers, optional
            The number of valid steps of each row; all of them if not given.
        """
        if options:
            inputs = named_inputs(self.input_names, inputs, options)
        arrays = [None if x is None else self.as_input(x, index) for index, x in enumerate(inputs)]
        if options.get("lengths") is not None:
            options["lengths"] = input_lengths(options["lengths"], arrays, self.label)
        return self.infer(*arrays, **options)

    def as_input(self, value: Any, index: int = 0) -> Array:
        """Return an input as an array of the model's backend and dtype; integers stay where they are meant."""
        bound = self.bound()
        if type(value) is bound.backend.array_type and value.dtype == bound.dtype_object:
            return value  # there is nothing to convert
        if isinstance(value, np.ndarray) or not bound.backend.is_array(value):
            try:
                value = np.asarray(value)
            except ValueError as error:
                raise ShapeError(
                    f"{self.label}: the input is no rectangular array; pad rows of unequal length with lamina.pad"
                ) from error
            if value.dtype.kind not in "fiub":
                raise DTypeError(f"{self.label}: expected numbers, got an array of {value.dtype}")
            if value.dtype.kind in "iu" and self.reads_integers(index):
                return bound.backend.asarray(value)
        elif bound.backend.is_integer(value) and self.reads_integers(index):
            return value
        return bound.backend.asarray(value, bound.dtype)

    def reads_integers(self, index: int | None = None) -> bool:
        """Tell whether the input of that position, or any where it is None, may be integers."""
        if self.takes_integers:
            return True
        return any(child.reads_integers(index) for child in self.children().values())

    @property
    def label(self) -> str:
        """The name used in messages: the class, and the path where there is one."""
        return f"{type(self).__name__} {self.path!r}" if self.path else type(self).__name__

    @property
    def is_built(self) -> bool:
        """Whether the layer has its parameters and a backend."""
        return self.binding is not None

    def bound(self) -> Binding:
        """Return what the layer was built on, or raise `NotBuiltError`."""
        if self.binding is None:
            raise NotBuiltError(f"{self.label} is not built: call build(shape) first")
        return self.binding

    @property
    def backend(self) -> Backend:
        """The backend the layer was built on."""
        return (self.binding or self.bound()).backend

    @property
    def dtype(self) -> str:
        """The name of the model's dtype."""
        return self.bound().dtype

    @property
    def kernel(self) -> Kernel:
        """The forward and backward pair that really runs."""
        return self.backend.select(self.kernel_name, **self.kernel_options())
