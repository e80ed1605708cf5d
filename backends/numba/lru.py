"""The linear recurrent unit on Numba: compiled passes."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.numba.recurrence import NumbaRecurrentKernels, Pass
from lamina.backends.numpy.lru import NumPyLRUKernels

__all__ = ["NumbaLRUKernels"]


class NumbaLRUKernels(NumbaRecurrentKernels, NumPyLRUKernels):
    """The linear recurrent unit; one of more, or fewer, outputs than numbers in its state runs as NumPy's."""

    def lru_forward(
        self,
        x: Array,
        eigenvalues: Array,
        w_b: Array,
        w_c: Array,
        w_d: Array,
        y: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array], Saved]:
        """Run the unit over the time axis; as the generic kernel."""
        weights, found = (eigenvalues, w_b, w_c, w_d), None
        if len(w_c) == 2 * w_c.shape[1]:
            found = self.recurrent_forward("lru", x, weights, (y, state), lengths, reverse=reverse)
        if found is None:
            return super().lru_forward(x, *weights, y, state, lengths, reverse=reverse)
        (outputs, *last), saved = found
        return outputs, (last[0], last[1]), saved

    def lru_backward(
        self,
        dy: Array | None,
        dy_last: Array | None,
        dstate: Array | None,
        saved: Saved,
        eigenvalues: Array,
        w_b: Array,
        w_c: Array,
        w_d: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, Array, tuple[Array, Array]]:
        """Propagate gradients back through time; as the generic kernel."""
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        upstream, weights = (dy, dy_last, dstate), (eigenvalues, w_b, w_c, w_d)
        if not isinstance(saved, Pass):
            return super().lru_backward(*upstream, saved, *weights, **options)
        dx, dw, first = self.recurrent_backward(upstream, saved, *weights, **options)
        return dx, *dw[:4], (first[0], first[1])
