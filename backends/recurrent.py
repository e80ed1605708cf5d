"""Generic kernels: the recurrent layers, one step at a time, as the equations are written."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.pointwise import PointwiseKernels

__all__ = ["RecurrentKernels"]


class RecurrentKernels(PointwiseKernels):
    """Recurrent forward passes and backpropagation through time.

    Shared meaning of the arguments: x (batch, time, features); w_x (features, units); w_h (units, units);
    b (units,) or None; state (batch, units) or None for zeros; lengths (batch,), integers on the host, or None
    for full rows. Past a row's end x is never used, the output is 0, the state is frozen and the gradient is 0.
    With ``reverse`` each row is read from its last valid step to its first, and the output of step t is the
    state after reading it.
    """

    def simple_rnn_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        activation: str = "tanh",
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run h_t = f(x_t w_x + h_{t-1} w_h + b) over the time axis.

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        state : (batch, units), each row's last
        saved : for `simple_rnn_backward`
        """
        xp = self.xp
        batch, time, _ = x.shape
        if lengths is not None:
            lengths = self.asarray(lengths, "int64")
            x = self.zero_past(x, lengths)
        f = getattr(self, f"{activation}_forward")
        start = self.zeros((batch, w_h.shape[0]), x.dtype) if state is None else state
        projected, _ = self.dense_forward(x, w_x, b)
        before: list[Array] = [start] * time
        after: list[Array] = [start] * time
        h = start
        for t in range(time - 1, -1, -1) if reverse else range(time):
            before[t] = h
            new, _ = f(projected[:, t, :] + xp.matmul(h, w_h))
            h = new if lengths is None else xp.where((lengths > t)[:, None], new, h)
            after[t] = h
        outputs = xp.stack(after, axis=1) if time else projected
        saved = (x, before, after, lengths, activation, reverse)
        return self.zero_past(outputs, lengths), h, saved

    def simple_rnn_backward(
        self, dh: Array | None, dstate: Array | None, saved: Saved, w_x: Array, w_h: Array
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Propagate the gradients of h and of the last state, either of which may be None, back through time.

        Returns
        -------
        dx : (batch, time, features)
        dw_x, dw_h, db : like the parameters
        dstate : (batch, units), of the initial state
        """
        xp = self.xp
        x, before, after, lengths, activation, reverse = saved
        batch, time, _ = x.shape
        units = w_h.shape[0]
        slope = getattr(self, f"{activation}_backward")
        zero = self.zeros((), x.dtype)
        carried = self.zeros((batch, units), x.dtype) if dstate is None else dstate
        da: list[Array] = [None] * time
        dw_h = self.zeros((units, units), x.dtype)
        for t in range(time) if reverse else range(time - 1, -1, -1):
            total = carried if dh is None else carried + dh[:, t, :]
            step = slope(total, after[t])
            if lengths is not None:
                valid = (lengths > t)[:, None]
                step = xp.where(valid, step, zero)
                carried = xp.where(valid, xp.matmul(step, w_h.T), carried)
            else:
                carried = xp.matmul(step, w_h.T)
            da[t] = step
            dw_h = dw_h + xp.matmul(before[t].T, step)
        projected = xp.stack(da, axis=1) if time else self.zeros((batch, 0, units), x.dtype)
        dx, dw_x, db = self.dense_backward(projected, x, w_x)
        return dx, dw_x, dw_h, db, carried
