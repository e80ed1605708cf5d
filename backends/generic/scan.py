"""The generic time loop: any step and its gradient become a recurrence with lengths, state and direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable

__all__ = ["ScanKernels", "Step", "StepBackward"]

# (x_t, states) -> (states, saved): arrays (batch, ...); the first state is the step's output.
Step: TypeAlias = Callable[[Array, tuple[Array, ...]], tuple[tuple[Array, ...], Any]]
# (gradients of the states after, saved) -> (gradient of x_t, gradients of the states before)
StepBackward: TypeAlias = Callable[[tuple[Array, ...], Any], tuple[Array, tuple[Array, ...]]]


class ScanKernels(KernelTable):
    """A step, repeated over the time axis."""

    def scan_forward(
        self,
        step: Step,
        x: Array,
        states: Sequence[Array],
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, ...], Saved]:
        """Run a step over the time axis of x.

        Parameters
        ----------
        step : callable
            See `Step`.
        x : (batch, time, ...)
        states : arrays (batch, units)
            The initial states.
        lengths : (batch,) integers on the host, or None
            Past a row's end x is not used, the states are frozen and the output is 0.
        reverse : bool
            Each row is read from its last valid step to its first; outputs stay with their steps.

        Returns
        -------
        outputs : (batch, time, units), the first state after each step
        states : tuple of (batch, units), each row's last
        saved : for `scan_backward`
        """
        xp = self.xp
        time = x.shape[1]
        current = tuple(states)
        valid = None
        if lengths is not None:
            lengths = self.constant(lengths, "int64")
            x = self.zero_past(x, lengths)
            valid = self.valid_steps(lengths, time)
        outputs: list[Array] = [current[0]] * time
        kept: list[Any] = [None] * time
        for t in range(time - 1, -1, -1) if reverse else range(time):
            after, kept[t] = step(x[:, t, ...], current)
            if valid is not None:
                after = tuple(xp.where(valid[:, t][:, None], new, old) for new, old in zip(after, current, strict=True))
            current = after
            outputs[t] = current[0]
        batch, units = current[0].shape
        stacked = xp.stack(outputs, axis=1) if time else self.zeros((batch, 0, units), current[0].dtype)
        return self.zero_past(stacked, lengths), current, (kept, valid, reverse)

    def scan_backward(
        self, step_backward: StepBackward, dh: Array | None, dstates: Sequence[Array], saved: Saved
    ) -> tuple[list[Array], tuple[Array, ...]]:
        """Run the steps' gradients in the opposite order.

        Parameters
        ----------
        step_backward : callable
            See `StepBackward`; it also keeps the sums of the parameters' gradients.
        dh : (batch, time, units) or None
            The gradient of the outputs; past a row's end it is not used.
        dstates : arrays (batch, units)
            The gradients of the last states.
        saved : from `scan_forward`

        Returns
        -------
        dx : list of each step's gradient, 0 past a row's end
        dstates : tuple of (batch, units), of the initial states
        """
        xp = self.xp
        kept, valid, reverse = saved
        time = len(kept)
        carried = tuple(dstates)
        dx: list[Array] = [None] * time
        for t in range(time) if reverse else range(time - 1, -1, -1):
            total = carried if dh is None else (carried[0] + dh[:, t, :], *carried[1:])
            if valid is None:
                dx[t], carried = step_backward(total, kept[t])
            else:
                inside = valid[:, t][:, None]
                zero = self.zeros((), carried[0].dtype)
                active = tuple(xp.where(inside, gradient, zero) for gradient in total)
                dx[t], before = step_backward(active, kept[t])
                carried = tuple(xp.where(inside, new, old) for new, old in zip(before, carried, strict=True))
            kept[t] = None  # freed on the way
        return dx, carried

    def initial_states(self, states: Sequence[Array | None], shape: tuple[int, int], dtype: Any) -> tuple[Array, ...]:
        """Return the states, zeros (batch, units) in place of each None."""
        return tuple(self.zeros(shape, dtype) if state is None else state for state in states)

    def masked(self, array: Array, mask: Array | None) -> Array:
        """Return the product with a mask, or the array where there is none."""
        return array if mask is None else array * mask

    def stack_steps(self, steps: list[Array], shape: tuple[int, int, int], dtype: Any) -> Array:
        """Return arrays of each step as (batch, time, features), also where there is no step."""
        return self.xp.stack(steps, axis=1) if steps else self.zeros(shape, dtype)
