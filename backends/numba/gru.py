"""The GRU on Numba: compiled passes."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.numba.recurrence import NumbaRecurrentKernels, Pass
from lamina.backends.numpy.gru import NumPyGRUKernels

__all__ = ["NumbaGRUKernels"]


class NumbaGRUKernels(NumbaRecurrentKernels, NumPyGRUKernels):
    """The GRU."""

    def gru_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reset_after: bool = True,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run the GRU over the time axis; as the generic kernel."""
        weights, options = (w_x, w_h, b, b_h), {"reset_after": reset_after, "reverse": reverse}
        found = self.recurrent_forward("gru", x, weights, (state,), lengths, **options)
        if found is None:
            given: Any = options
            return super().gru_forward(x, w_x, w_h, b, b_h, state, lengths, **given)
        (y, last), saved = found
        return y, last, saved

    def gru_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        if not isinstance(saved, Pass):
            return super().gru_backward(dh, dstate, saved, w_x, w_h, **options)
        dx, dw, (first,) = self.recurrent_backward((dh, dstate), saved, w_x, w_h, **options)
        return dx, *dw[:4], first

    def extended_gru_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reset_after: bool = True,
        state_mask: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run the GRU over the time axis, with a mask of its state; as the generic kernel."""
        weights, options = (w_x, w_h, b, b_h), {"reset_after": reset_after, "reverse": reverse}
        found = self.recurrent_forward("gru", x, weights, (state,), lengths, state_mask, **options)
        if found is None:
            given: Any = {**options, "state_mask": state_mask}
            return super().extended_gru_forward(x, w_x, w_h, b, b_h, state, lengths, **given)
        (y, last), saved = found
        return y, last, saved

    def extended_gru_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        if not isinstance(saved, Pass):
            return super().extended_gru_backward(dh, dstate, saved, w_x, w_h, **options)
        dx, dw, (first,) = self.recurrent_backward((dh, dstate), saved, w_x, w_h, **options)
        return dx, *dw[:4], first
