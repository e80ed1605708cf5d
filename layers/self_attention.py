"""Multi-head self-attention."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, Shapes
from lamina.kinds.attention import AttentionLayer

__all__ = ["SelfAttention"]


@register
class SelfAttention(AttentionLayer):
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
    dropout : float
        In training, the share of the softmax's weights that is dropped.
    return_scores : bool
        Whether the softmax's weights, before anything is dropped, are a second output: (batch, time, heads, time).
    additive_mask : bool
        A second input, (batch, time, time) or (batch, time, heads, time), tells by True, or what is not 0, to which
        steps a step may attend; or, with ``additive_mask``, is added to what the softmax is taken of.
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
    _mask_at: ClassVar[int] = 1

    def build(self, shape: Shape, mask: Shape | None = None) -> Shapes:
        """Create the parameters for (batch, time, features); return (batch, time, units), and the scores' shape."""
        units = self.create(shape, shape, shape)
        if mask is not None:
            self.require_mask(mask, shape[1], shape[1])
        y: Shape = (None, shape[1], units)
        return (y, (None, shape[1], self.heads, shape[1])) if self.return_scores else y

    def output_lengths(self, lengths: Any) -> Any:
        """Return those of x."""
        return lengths[0] if isinstance(lengths, tuple) else lengths

    def forward(self, x: Array, mask: Array | None = None, lengths: Any = None) -> tuple[Any, Any]:
        """Attend.

        Parameters
        ----------
        x : (batch, time, features)
        mask : (batch, time, time) or (batch, time, heads, time), optional
        lengths : (batch,) integers, optional

        Returns
        -------
        y : (batch, time, units), or (y, scores) with ``return_scores``
        saved : for `backward`
        """
        return self._attend(x, mask, lengths, training=True)

    def infer(self, x: Array, mask: Array | None = None, lengths: Any = None) -> Any:
        """Return what `forward` does where nothing is dropped."""
        return self._attend(x, mask, lengths, training=False)[0]

    def _attend(self, x: Array, mask: Array | None, lengths: Any, *, training: bool) -> tuple[Any, Any]:
        self.require_mask_lengths(lengths, x.shape[1])
        lengths = self.output_lengths(lengths)
        (q, k, v), states = self.projected(x, x, x, lengths, lengths)
        outputs, content = self.attend(q, k, v, lengths, lengths, mask, training)
        return outputs, (states, content, mask is not None, lengths)

    def backward(self, dy: Any, saved: Any) -> Any:
        """Return dx (batch, time, features), and the mask's gradient where there was one."""
        states, content, has_mask, lengths = saved
        gradients, dmask = self.attend_back(dy, content)
        dquery, dkeys, dvalues = self.projected_back(gradients, states)
        dx = self.backend.zero_past(dquery + dkeys + dvalues, lengths)
        return (dx, dmask) if has_mask else dx

    def lower(self, lowering: Lowering, x: Value, *masks: Value) -> Value:
        """Add the kernels to a program."""
        if masks or self.return_scores:
            raise lowering.refuse(self, "has a mask" if masks else "returns its scores")
        if self.dropout and lowering.training:
            raise lowering.refuse(self, "drops scores")
        pairs = ((self.w_q, self.b_q), (self.w_k, self.b_k), (self.w_v, self.b_v))
        units = self.w_q.shape[1]
        given = [lowering.apply("dense", x, units, weights={"w": w, "b": b}) for w, b in pairs]
        y = lowering.value(x, units)
        lowering.call("attention", given, (y,), heads=self.heads, causal=self.causal)
        return lowering.apply("dense", y, units, weights={"w": self.w_o, "b": self.b_o})

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, tuple[Array, Array, Lengths], Any]:
        """Return y of the next steps, which attend to all steps so far; the state grows by their keys and values."""
        (x,) = inputs
        (q, k, v), states = self.projected(x, x, x, lengths, lengths)
        y, after, content = self.attend_next(q, k, v, state, lengths, training)
        return y, after, SavedState(self, (states, content, False, lengths), y) if training else None
