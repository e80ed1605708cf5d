"""Multi-head self-attention."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import flag, whole
from lamina.core.gradients import add_to_gradients
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, no_steps, show
from lamina.errors import ArgumentError, ShapeError, StreamError

__all__ = ["SelfAttention"]


@register
class SelfAttention(Layer):
    """Scaled dot-product attention of a sequence to itself, in several heads (Vaswani et al., 2017).

        q = x w_q + b_q    k = x w_k + b_k    v = x w_v + b_v
        y = concat_heads(softmax(q k^T / sqrt(units / heads)) v) w_o + b_o

    Each head has its own ``units / heads`` features of q, k and v, those side by side. No step attends to one
    past its row's end; there the output is 0. A causal one streams: its state is the keys and values so far.

    Parameters
    ----------
    heads : int
    units : int, optional
        The size of the output's last axis, and of q, k and v; the input's features if not given. A multiple
        of ``heads``.
    causal : bool
        Whether a step attends only to itself and to those before it.
    use_bias : bool
    w_initializer, b_initializer : str, float or Initializer
        Of all four weights, and of all four biases.

    Attributes
    ----------
    w_q, w_k, w_v : Parameter (features, units)
    w_o : Parameter (units, units)
    b_q, b_k, b_v, b_o : Parameter (units,)
        Where ``use_bias``. The softmax is the same whatever b_k is: it stays where it starts, but for rounding,
        and is there for weights that come from elsewhere.

    Raises
    ------
    ArgumentError
        If heads or units is not a positive whole number, or units no multiple of heads.
    ShapeError
        If built for another rank, for features of open size, or, without ``units``, for features that are no
        multiple of heads.

    Examples
    --------
    >>> import numpy as np
    >>> layer = SelfAttention(2, causal=True)
    >>> layer.build((None, None, 4), seed=0)
    (None, None, 4)
    >>> y = layer(np.ones((1, 3, 4)), lengths=[2])
    >>> y.shape, bool(y[0, 2].any())
    ((1, 3, 4), False)
    """

    kernel_name = "attention"

    def __init__(
        self,
        heads: int,
        units: int | None = None,
        *,
        causal: bool = False,
        use_bias: bool = True,
        w_initializer: InitializerLike = "glorot_uniform",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.heads = whole(self, "heads", heads)
        self.units = None if units is None else whole(self, "units", units)
        if self.units is not None and self.units % self.heads:
            raise ArgumentError(f"SelfAttention: expected units to be a multiple of {self.heads} heads, got {units}")
        self.causal = flag(self, "causal", causal)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_initializer = find_initializer(w_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"heads": self.heads, "causal": self.causal}

    def build(self, shape: Shape) -> Shape:
        """Create the parameters for (batch, time, features); return (batch, time, units)."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")
        features = self.size_of(shape, -1)
        units = features if self.units is None else self.units
        if units % self.heads:
            raise ShapeError(f"{self.label}: expected features in a multiple of {self.heads} heads, got {show(shape)}")
        self.w_q, self.w_k, self.w_v = (Parameter((features, units), self.w_initializer) for _ in range(3))
        self.w_o = Parameter((units, units), self.w_initializer)
        self.b_q, self.b_k, self.b_v, self.b_o = (
            Parameter((units,), self.b_initializer) if self.use_bias else None for _ in range(4)
        )
        return (None, shape[1], units)

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y (batch, time, units) for x (batch, time, features) and lengths (batch,)."""
        kernel = self.kernel
        (q, k, v), states = self._projected(x, lengths)
        y, content = kernel.forward(q, k, v, lengths, **self.kernel_options())
        y, last = self._joined(y, lengths)
        return y, (kernel, states, content, last, lengths)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx (batch, time, features); add the gradients of all weights and biases."""
        kernel, states, content, last, lengths = saved
        dense = self.backend.select("dense")
        dy, dw, db = dense.backward(self.backend.zero_past(dy, lengths), last, self.w_o.data)
        parameters, gradients = [self.w_o, self.b_o], [dw, db]
        total = None
        for (w, b), own in zip(self._projections(), kernel.backward(dy, content), strict=True):
            dx, dw, db = dense.backward(own, states.pop(0), w.data)
            parameters += w, b
            gradients += dw, db
            total = dx if total is None else total + dx
        add_to_gradients(parameters, gradients)
        return self.backend.zero_past(total, lengths)

    def stream_state(self, batch: int) -> tuple[Array, Array, Lengths]:
        """Return no keys and no values, (batch, 0, units) each, and how many each row has: 0, (batch,).

        Raises
        ------
        StreamError
            Unless it is causal.
        """
        if not self.causal:
            raise StreamError(f"{self.label}: cannot stream unless causal=True: each step attends to later ones")
        bound = self.bound()
        none = bound.backend.zeros((batch, 0, self.w_k.shape[1]), bound.dtype_object)
        return none, none, no_steps(batch)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, tuple[Array, Array, Lengths], Any]:
        """Return y of the next steps, which attend to all steps so far; the state grows by their keys and values."""
        (x,) = inputs
        backend = self.backend
        kernel = backend.select("cached_attention", heads=self.heads)
        keys, values, counts = state or self.stream_state(x.shape[0])
        if keys.shape != values.shape or (counts > keys.shape[1]).any():
            got = f"{tuple(keys.shape)}, {tuple(values.shape)} and {counts.tolist()}"
            raise ShapeError(
                f"{self.label}: expected a state with keys and values for each of a row's steps, got {got}"
            )
        (q, k, v), states = self._projected(x, lengths)
        keys, values = (backend.append_steps(old, counts, new, lengths) for old, new in ((keys, k), (values, v)))
        y, content = kernel.forward(q, keys, values, lengths, counts, heads=self.heads)
        y, last = self._joined(y, lengths)
        after = keys, values, counts + (x.shape[1] if lengths is None else lengths)
        return y, after, SavedState(self, (kernel, states, content, last, lengths), y) if training else None

    def _projected(self, x: Array, lengths: Lengths | None) -> tuple[list[Array], list[Any]]:
        """Return q, k and v, and what the gradients of their projections need."""
        x = self.backend.zero_past(x, lengths)
        dense = self.backend.select("dense")
        results = [dense.forward(x, w.data, _data(b)) for w, b in self._projections()]
        return [y for y, _ in results], [saved for _, saved in results]

    def _joined(self, y: Array, lengths: Lengths | None) -> tuple[Array, Any]:
        """Return y w_o + b_o, and what its gradient needs."""
        y, last = self.backend.select("dense").forward(y, self.w_o.data, _data(self.b_o))
        return self.backend.zero_past(y, lengths), last

    def _projections(self) -> tuple[tuple[Parameter, Parameter | None], ...]:
        return (self.w_q, self.b_q), (self.w_k, self.b_k), (self.w_v, self.b_v)


def _data(parameter: Parameter | None) -> Array | None:
    return None if parameter is None else parameter.data
