"""How ONNX's operators are said with Lamina: functions by operator, each from a case to the case's outputs.

Around a part, what says a case changes the layout alone: it moves axes, joins them, adds axes of one, and hands weights
over in Lamina's order; a mask, a rate or a scale is calculated as a user would before handing it over. What is
computed of the inputs, Lamina's public parts compute, but for a loss's sum: its mean times how many count. What they
cannot say raises `Unsaid`.
"""

import numpy as np

import lamina

__all__ = ["SAYS", "Say", "Unsaid", "compose", "rows", "run", "says", "wide"]

# Functions by operator; those that need code of one's own in a `Lambda` or a `Cell` are also in OWN.
SAYS, OWN = {}, set()


class Unsaid(Exception):
    """Lamina cannot say a case; the message is the reason, and groups those that have it."""


def says(*operators, own=False):
    """Note the function that says some operators; its arguments are the case's inputs, and ``case`` by name."""

    def note(function):
        SAYS.update(dict.fromkeys(operators, function))
        OWN.update(operators if own else ())
        return function

    return note


class Say(lamina.Composite):
    """A composite of a function: ``function(t, layers by name, *values)``."""

    def __init__(self, function, layers):
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def compose(self, t, *values):
        return self.function(t, self, *values)


def run(layer, *arrays, weights=None, lengths=None, training=False):
    """Build a layer for some arrays, the batch first, give it weights by path, and call it."""
    dtype = "float64" if any(array.dtype == np.float64 for array in arrays) else "float32"
    layer.build(*((None, *array.shape[1:]) for array in arrays), dtype=dtype, seed=0)
    if weights is not None:
        layer.load_state_dict(weights)
    options = {} if lengths is None else {"lengths": lengths}
    outputs = layer.forward(*map(layer.as_input, arrays), **options)[0] if training else layer(*arrays, **options)
    on_host = layer.backend.to_numpy
    return tuple(map(on_host, outputs)) if isinstance(outputs, tuple) else on_host(outputs)


def compose(function, *arrays, weights=None, **layers):
    """Run what ``function(t, layers, *values)`` composes."""
    return run(Say(function, layers), *arrays, weights=weights)


def rows(x, axes):
    """Return x with all but some axes as the batch, and these as one: (batch, numbers)."""
    axes = [axis % x.ndim for axis in axes]
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    count = int(np.prod([x.shape[axis] for axis in rest]))
    return x.transpose(*rest, *axes).reshape(count, int(np.prod([x.shape[axis] for axis in axes])))


def wide(x):
    """Return (batch, steps, channels) of (batch, channels, ...)."""
    return np.moveaxis(x, 1, -1).reshape(x.shape[0], -1, x.shape[1])
