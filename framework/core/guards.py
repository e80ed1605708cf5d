"""What stands around every layer's and loss's forward and backward: inputs are checked, saved states used once.

`Layer` and `Loss` put these around the methods of a class when it is defined, so that none of them has to check.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from lamina.backends import Array
from lamina.core.additions import thread
from lamina.core.calls import Arguments, enters, running, takes
from lamina.core.inputs import check_inputs, named_inputs, require_own
from lamina.core.lengths import lengths_after, read_lengths, require_alike_steps, zero_past_ends
from lamina.core.proven import proofs
from lamina.core.saved_state import SavedState
from lamina.core.signatures import Kind, parameters_of
from lamina.core.tree import Tree
from lamina.errors import ArgumentError, SavedStateError

__all__ = [
    "guarded_backward",
    "guarded_forward",
    "guarded_infer",
    "guarded_loss_backward",
    "guarded_loss_forward",
    "guarded_stream",
]


def guarded_forward(forward: Callable[..., Any], owner: type[Tree]) -> Callable[..., tuple[Any, Any]]:
    """Wrap a layer's forward: inputs must fit what was built; the state comes back guarded, for one use.

    Parameters
    ----------
    forward : callable
    owner : type
        The class that defines it.
    """
    arguments = Arguments(forward)
    names, needs_lengths = arguments.names, arguments.needs_lengths

    @wraps(forward)
    def wrapper(self: Tree, *inputs: Any, lengths: Any = None, **options: Any) -> tuple[Any, Any]:
        if options:
            inputs = named_inputs(names, inputs, options)
        if len(inputs) > 1:
            inputs, lengths = arguments.further(self, inputs, lengths)
        if running.inferring and id(self) not in running.infer:
            itself: Any = type(self) if self._infers_itself else owner if owner._infers_itself else None
            if itself is not None:
                return itself.infer(self, *inputs, lengths=lengths, **options), None
        tracked = self._extends_forward
        if not tracked and lengths is None:  # as nearly always
            check_inputs(self, inputs)
            if needs_lengths:
                options["lengths"] = None
            y, content = forward(self, *inputs, **options)
            return y, SavedState(self, content, y)
        ends, outer = None, not tracked or enters(running.forward, self)
        try:
            check_inputs(self, inputs)
            if lengths is None:
                if needs_lengths:
                    options["lengths"] = None
                y, content = forward(self, *inputs, **options)
            else:
                (y, content), ends = _ragged(self, forward, arguments, inputs, lengths, options, True)
        finally:
            if tracked and outer:
                running.forward.discard(id(self))
        if not outer:
            return y, content
        return y, SavedState(self, content, y, ends)

    return wrapper


def guarded_infer(infer: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a layer's infer: it gets its lengths as forward does, and its layers behave as outside of training."""
    arguments = Arguments(infer)

    @wraps(infer)
    def wrapper(self: Tree, *inputs: Any, lengths: Any = None, **options: Any) -> Any:
        if options:
            inputs = named_inputs(arguments.names, inputs, options)
        if len(inputs) > 1:
            inputs, lengths = arguments.further(self, inputs, lengths)
        outer = enters(running.infer, self)
        running.inferring += 1
        try:
            if lengths is not None:
                return _ragged(self, infer, arguments, inputs, lengths, options, False)[0]
            if arguments.needs_lengths:
                options["lengths"] = None
            return infer(self, *inputs, **options)
        finally:
            running.inferring -= 1
            if outer:
                running.infer.discard(id(self))

    return wrapper


def guarded_stream(stream: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a layer's stream: inputs and state must be what forward's are; outside of training its layers behave so."""
    arguments = Arguments(stream)
    arguments.takes_lengths = True  # every stream does: a state that went on past a row's end would be wrong

    @wraps(stream)
    def wrapper(
        self: Tree, *inputs: Any, state: Any = None, lengths: Any = None, training: bool = False
    ) -> tuple[Any, Any, Any]:
        options = {"state": state, "training": training}
        outer = not running.streaming
        if outer:
            check_inputs(self, inputs, state is not None)
            if state is not None:
                require_own(self, state, "state")
            running.streaming = True
        running.inferring += not training
        try:
            if lengths is None:
                step: tuple[Any, Any, Any] = stream(self, *inputs, lengths=None, **options)
                return step
            (outputs, after, saved), ends = _ragged(self, stream, arguments, inputs, lengths, options, True)
        finally:
            running.inferring -= not training
            if outer:
                running.streaming = False
        if isinstance(saved, SavedState):
            saved.ends = ends
        return outputs, after, saved

    return wrapper


def _ragged(
    layer: Tree,
    function: Callable[..., Any],
    arguments: Arguments,
    inputs: tuple[Any, ...],
    lengths: Any,
    options: dict[str, Any],
    saves: bool,
) -> tuple[Any, Any]:
    """Run a layer's forward or stream, which ``saves``, or infer, with lengths; return what it gives, and the ends.

    The outermost call zeroes what lies past the ends: within, no valid step and no parameter depends on it.
    """
    if running.ragged:
        if arguments.takes_lengths:
            options["lengths"] = read_lengths(layer, lengths, inputs)
        elif isinstance(lengths, tuple):
            require_alike_steps(layer, lengths, inputs)
        return function(layer, *inputs, **options), None
    running.ragged = 1
    try:
        with proofs:
            lengths = read_lengths(layer, lengths, inputs)
            if arguments.takes_lengths:
                options["lengths"] = lengths
            elif isinstance(lengths, tuple):
                require_alike_steps(layer, lengths, inputs)
            given = function(layer, *inputs, **options)
    finally:
        running.ragged = 0
    if lengths is None or layer._record.untimed:
        return given, None
    y, ends = zero_past_ends(layer, given[0] if saves else given, lengths_after(layer, lengths))
    return ((y, *given[1:]) if saves else y), ends


def guarded_backward(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a layer's backward: it gets the content of a state of its own, once, and adds while no other thread does.

    One that does not take ``input_gradient`` is as if it did: what it returns is dropped where it is not wanted.
    """
    takes_input_gradient = takes(backward, "input_gradient")

    @wraps(backward)
    def wrapper(self: Tree, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        tracked, adding = self._extends_backward, thread.adding
        outer = not tracked or enters(running.backward, self)  # otherwise a subclass's has unpacked the state
        before = adding.held
        try:
            if before is None:  # the outermost backward
                adding.held = False
                require_own(self, dy, "gradient")
            if outer:
                if type(saved) is not SavedState:
                    raise _no_state(self, saved)
                ends = saved.ends
                saved = saved.take(self, dy)
                if ends is not None:
                    dy = zero_past_ends(self, dy, ends)[0]
            if input_gradient:
                return backward(self, dy, saved)
            if takes_input_gradient:
                return backward(self, dy, saved, input_gradient=False)
            dx = backward(self, dy, saved)
            return (None,) * len(dx) if isinstance(dx, tuple) else None
        finally:
            held = adding.held
            if held is not before:
                # No call between these two: an interruption could come there, and leave the lock held for ever.
                adding.held = before
                if held:
                    try:  # noqa: SIM105 (that is a call)
                        held.release()
                    except RuntimeError:  # an interruption came before it was acquired
                        pass
            if tracked and outer:
                running.backward.discard(id(self))

    return wrapper


def guarded_loss_forward(forward: Callable[..., Any]) -> Callable[..., tuple[Array, Any]]:
    """Wrap a loss's forward: it refuses the lengths and mask that it does not take; the state comes back guarded.

    What comes by position is as if it came by name, and more than the loss takes is a TypeError, as anywhere in Python.
    """
    parameters = {one.name: one for one in parameters_of(forward)}
    positional = [name for name, one in parameters.items() if one.kind is Kind.POSITIONAL_OR_KEYWORD]
    names = positional[3:]  # after self, prediction and target
    refused = [name for name in ("lengths", "mask") if not takes(forward, name, anything=False)]

    def named(self: Any, further: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Add what came by position to the options."""
        if len(further) > len(names):
            most, taken = len(names) + 2, ", ".join(("prediction", "target", *names))
            raise TypeError(f"{self.label}: expected at most {most} arguments, {taken}, got {len(further) + 2}")
        for name, value in zip(names, further, strict=False):
            if name in options:
                raise TypeError(f"{self.label}: got {name} twice, by position and by name")
            options[name] = value

    @wraps(forward)
    def wrapper(self: Any, prediction: Array, target: Any, *further: Any, **options: Any) -> tuple[Array, Any]:
        if further:
            named(self, further, options)
        for name in refused:
            if options.pop(name, None) is not None:
                raise ArgumentError(f"{self.label} takes no {name}: it cannot leave out steps")
        tracked = self._extends_forward
        outer = not tracked or enters(running.forward, self)
        try:
            loss, content = forward(self, prediction, target, **options)
        finally:
            if tracked and outer:
                running.forward.discard(id(self))
        if not outer:
            return loss, content
        return loss, SavedState(self, content, loss if self.reduction == "none" and self._takes_gradient else None)

    return wrapper


def guarded_loss_backward(backward: Callable[..., Any]) -> Callable[..., Array]:
    """Wrap a loss's backward: it gets the content of a state of its own, once; and a gradient of the loss that fits."""

    @wraps(backward)
    def wrapper(self: Any, saved: Any, dloss: Any = None) -> Array:
        tracked = self._extends_backward
        outer = not tracked or enters(running.backward, self)
        try:
            if outer:
                if not isinstance(saved, SavedState):
                    raise _no_state(self, saved)
                if (dloss is not None) is not (self.reduction == "none" and self._takes_gradient):
                    raise _no_gradient(self, dloss)
                saved = saved.take(self, dloss)
            return backward(self, saved) if dloss is None else backward(self, saved, dloss)
        finally:
            if tracked and outer:
                running.backward.discard(id(self))

    return wrapper


def _no_gradient(loss: Any, dloss: Any) -> ArgumentError:
    if dloss is None:
        return ArgumentError(f"{loss.label}: reduction='none' needs backward(saved, dloss), the gradient of all losses")
    return ArgumentError(f"{loss.label}: expected no gradient of a loss that is one number, got {type(dloss).__name__}")


def _no_state(part: Any, saved: Any) -> SavedStateError:
    return SavedStateError(f"{part.label}: expected the saved state of a forward call, got {type(saved).__name__}")
