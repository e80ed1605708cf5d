"""The layer: the one interface that everything with a forward and a backward pass has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lamina.backends import Array, Backend
from lamina.core.build import checked_build
from lamina.core.calls import definer, extends, inference, input_names
from lamina.core.config import Configured
from lamina.core.guards import guarded_backward, guarded_forward, guarded_infer, guarded_stream
from lamina.core.inputs import as_input, named_inputs, split_lengths
from lamina.core.proven import proofs
from lamina.core.registry import Registry
from lamina.core.shapes import Lengths, Shape, show
from lamina.core.steps import guarded_beginning, refuse_training, refusing_stream, require_steps_alone
from lamina.core.tree import Tree
from lamina.errors import ArgumentError, ShapeError, StreamError, shown

__all__ = ["Layer", "require_layers"]


class Layer(Tree, Configured):
    """A differentiable function with parameters.

    A layer of your own defines three methods, and is checked and kept like any other::

        build(self, *shapes) -> shape             assigns Parameters to attributes; returns the output's shape
        forward(self, *inputs) -> (y, saved)      keeps nothing on self
        backward(self, dy, saved) -> dx           adds to the parameters' ``grad``; a tuple for several inputs

    It keeps its constructor's arguments as attributes of the same names, so that it can be saved: see the reserved
    ones below. A layer to which padding matters takes ``lengths`` in ``forward``: (batch,) integers on the host, or
    None; a tuple of them where several of its inputs have a time axis.

    No method checks: ``core/guards.py`` stands around ``forward`` and ``backward``, ``core/build.py`` around ``build``.
    Inputs must fit what was built; a call's saved state is accepted once, and only by the layer that made it.

    ``build`` also takes ``backend``, ``dtype`` and ``seed``, and names parameters by their paths. Nobody writes into
    an input, into ``dy`` or into an array already returned.

    Attributes
    ----------
    path : str
        Where the layer is in its model, such as ``"encoder.1"``; empty for the model itself.
    input_shapes : tuple of shapes
        What it was built for; None in a shape is an open size.
    places : tuple of input shapes
        All that it was built for, one for each place where it stands.
    output_shape : shape or tuple of shapes

    Notes
    -----
    No argument of a constructor may be called as_input, backend, backward, begin_stream, binding, bound, build,
    check_input, children, config, dtype, facts, forward, freeze, infer, input_shapes, is_built, kernel, kernel_name,
    kernel_options, label, load_state_dict, load_weights, named_parameters, open_stream, output_lengths, output_shape,
    own_parameters, parameter_count, parameters, path, places, reads_integers, registry, save, size_of, state_dict,
    stream, stream_state, summary, to, walk or zero_grad: every layer has these. Setting ``trainable`` freezes its
    parameters.
    """

    registry: ClassVar[Registry[Layer]] = Registry("layer")
    _input_names: ClassVar[tuple[str, ...]] = ()  # of forward, where it names them

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        if "build" in own:
            cls.build = checked_build(own["build"])  # type: ignore[method-assign]
        if "forward" in own:
            cls._input_names = input_names(own["forward"])
            cls.forward = guarded_forward(own["forward"], cls)  # type: ignore[method-assign]
        if "infer" in own:
            cls.infer = guarded_infer(own["infer"])  # type: ignore[method-assign]
        for name in {"stream_state", "open_stream"} & own.keys():
            setattr(cls, name, refusing_stream(own[name]))
        if "begin_stream" in own:
            cls.begin_stream = guarded_beginning(own["begin_stream"])  # type: ignore[method-assign]
        if "stream" in own:
            cls.stream = guarded_stream(own["stream"])  # type: ignore[method-assign]
        if "backward" in own:
            cls.backward = guarded_backward(own["backward"])  # type: ignore[method-assign]
        cls._checks_inputs = cls.check_input is not Tree.check_input
        cls._extends_forward, cls._extends_backward = (extends(cls, one, Layer) for one in ("forward", "backward"))
        forward, infer = definer(cls, "forward"), definer(cls, "infer", Layer.infer)
        cls._infers_itself = infer is not Layer and issubclass(infer, forward)
        if infer is not Layer and not cls._infers_itself:
            cls.infer = Layer.infer  # type: ignore[method-assign]  # a base's would bypass this class's forward
        streams = [definer(cls, one) for one in ("stream", "run", "step") if hasattr(cls, one)]
        cls._streams_itself = streams == [Layer] or any(issubclass(one, forward) for one in streams)

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

        Notes
        -----
        Returns the output's shape, or a tuple of them. Building again keeps the parameters: it only tells that.
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
        with inference:
            return self.forward(*inputs, **options)[0]

    def stream_state(self, batch: int) -> Any:
        """Return the state at the start of a stream of so many rows, an array or a tuple of states: see `Stream`.

        An axis of size 0 is one of open size, which grows; NumPy's whole numbers, on the host, count steps.

        Raises
        ------
        StreamError
            If the layer cannot read a sequence piece by piece. One whose steps do not depend on each other, nor
            on their places, can; any other overrides this, to raise, or this and `stream`.
        """
        require_steps_alone(self)
        return ()

    def stream(
        self, *inputs: Any, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Any, Any, Any]:
        """Return the output for the next steps, the state after them and, in training, what `backward` needs.

        The state is None at the start. No gradient flows into it.
        """
        if state:  # what was given whole at the start stands where None is
            refuse_training(self, training)
            kept = iter(state)
            inputs = tuple([next(kept) if x is None else x for x in inputs])
            return self.infer(*inputs, lengths=lengths), state, None
        if training:
            y, saved = self.forward(*inputs, lengths=lengths)
            return y, (), saved
        return self.infer(*inputs, lengths=lengths), (), None

    def open_stream(self, batch: int, whole: tuple[bool, ...]) -> tuple[Any, Any]:
        """Return which outputs are whole, a bool for all or each, and a state as `begin_stream` gives, open sizes 0.

        One that can take these inputs whole, and the others step by step, overrides this; others raise `StreamError`.
        """
        raise StreamError(f"{self.label}: cannot stream with some of its inputs given whole, others step by step")

    def begin_stream(self, *inputs: Any, lengths: Any = None) -> tuple[Any, Any]:
        """Return the outputs that are whole, None if none is, and the state of a stream that begins with whole inputs.

        None stands here for what comes step by step, and in `stream` for what is whole. By default that is the state.
        """
        return None, tuple([x for x in inputs if x is not None])

    # What every layer has.

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
            inputs = named_inputs(self._input_names, inputs, options)
        if len(inputs) > 1:
            inputs, options["lengths"] = split_lengths(self, inputs, options.get("lengths"))
        if not self.reads_integers():
            return self.infer(
                *[None if x is None else self.as_input(x, place) for place, x in enumerate(inputs)], **options
            )
        with proofs:  # what integers hold is known to the layer that reads them
            return self.infer(
                *[None if x is None else self.as_input(x, place) for place, x in enumerate(inputs)], **options
            )

    def as_input(self, value: Any, index: int = 0) -> Array:
        """Return an input as an array of the model's backend and dtype; integers stay where they are meant."""
        return as_input(self, value, index)

    # What it does as a model.

    if TYPE_CHECKING:  # what `Tree` returns are layers

        def children(self) -> dict[str, Layer]: ...  # noqa: D102

        def walk(self) -> Iterator[tuple[str, Layer]]: ...  # noqa: D102

    def to(self, backend: str | Backend, dtype: str | None = None) -> Self:
        """Move the model to a backend, in place, and return it.

        Parameters
        ----------
        backend : str or Backend
        dtype : str, optional
            Convert to ``"float32"`` or ``"float64"`` on the way.
        """
        from lamina.core.transfer import move

        move(self, backend, dtype)
        return self

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set all parameters from arrays by path; nothing is changed unless all of them fit.

        Raises
        ------
        CheckpointError
            Names every missing, unexpected and misshapen array.
        """
        from lamina.core.transfer import load_parameters

        load_parameters(self, state)

    def save(self, path: str | Path) -> None:
        """Write weights, architecture and facts to a safetensors file; see `lamina.load`."""
        from lamina.core.model_file import save

        save(self, path)

    def load_weights(self, path: str | Path) -> None:
        """Set all parameters from a model file of the same architecture."""
        from lamina.core.model_file import load_weights

        load_weights(self, path)

    def summary(self) -> str:
        """Return a table of the layers, as text: output shape, parameters, dtype, backend and kernel."""
        from lamina.core.summary import summary

        return summary(self)

    def _repr_html_(self) -> str | None:
        from lamina.core.summary import summary

        return summary(self)._repr_html_() if self.is_built else None


def require_layers(owner: str, layers: Any) -> list[Layer]:
    """Return the layers as a list, or raise `ArgumentError` naming what is none."""
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            hint = f": write {layer.__name__}(...)" if isinstance(layer, type) else ""
            raise ArgumentError(f"{owner}: expected a layer at position {index}, got {shown(layer)}{hint}")
    return list(layers)
