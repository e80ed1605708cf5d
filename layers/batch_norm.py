"""Batch normalization."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.additions import addition_lock
from lamina.core.arguments import flag, number
from lamina.core.gradients import add_to_gradients
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, NotPlanned, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.core.shared_sums import sum_over_ranks
from lamina.errors import ShapeError

__all__ = ["BatchNorm"]


@register
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(variance + epsilon) scale + shift (Ioffe & Szegedy, 2015).

    In training, mean and variance of each feature are the batch's, over all rows and all valid steps; past a row's
    end nothing counts and the output is 0. In inference they are running ones, which each forward pass moves:

        running_mean += momentum (mean - running_mean)
        running_variance += momentum (variance n / (n - 1) - running_variance)

    where n is the number of valid steps. This is PyTorch's momentum; Keras's is 1 - momentum. One step has no
    variance and moves the running mean alone; none move neither.

    This is the one layer whose forward pass keeps something: the running statistics, parameters that are saved with
    the model and not trained. What forward returns does not depend on them, so several passes before a backward
    pass do not meet. Passes from several threads at once may lose one another's step of the running statistics.

    Parameters
    ----------
    momentum : float
        From 0, which keeps the running statistics as they are, to 1, which takes those of the last batch.
    epsilon : float
        Added to the variance.
    use_scale, use_shift : bool
    synchronized : bool
        Whether, where a model is trained on several ranks, the batch is that of all of them, and the statistics too;
        each waits for the others' then, and no step is planned. Otherwise each normalizes its own rows, and the
        running statistics are the mean of all ranks' at the end of each epoch. See `lamina.distributed`.

    Attributes
    ----------
    scale : Parameter (features,)
        Where ``use_scale``; starts at 1.
    shift : Parameter (features,)
        Where ``use_shift``; starts at 0.
    running_mean, running_variance : Parameter (features,)
        Not trained; start at 0 and 1.

    Raises
    ------
    ArgumentError
        If momentum is not a number from 0 to 1, or epsilon not one above 0.
    ShapeError
        If built for a last axis of open size.

    Examples
    --------
    >>> import numpy as np
    >>> layer = BatchNorm(momentum=0.5)
    >>> layer.build((None, 1), dtype="float64")
    (None, 1)
    >>> y, saved = layer.forward(np.array([[1.0], [3.0]]))
    >>> y.round(4).tolist(), layer.running_mean.data.tolist(), layer.running_variance.data.tolist()
    ([[-1.0], [1.0]], [1.0], [1.5])
    """

    kernel_name = "batch_norm"

    def __init__(
        self,
        *,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        use_scale: bool = True,
        use_shift: bool = True,
        synchronized: bool = True,
    ) -> None:
        self.momentum = number("BatchNorm", "momentum", momentum, least=0, most=1)
        self.epsilon = number("BatchNorm", "epsilon", epsilon, above=0)
        self.use_scale = flag(self, "use_scale", use_scale)
        self.use_shift = flag(self, "use_shift", use_shift)
        self.synchronized = flag(self, "synchronized", synchronized)

    def build(self, shape: Shape) -> Shape:
        """Create the parameters for (batch, ..., features); return the same shape."""
        features = self.size_of(shape, -1)
        self.scale = Parameter((features,), "ones") if self.use_scale else None
        self.shift = Parameter((features,), "zeros") if self.use_shift else None
        self.running_mean = Parameter((features,), "zeros", trainable=False)
        self.running_variance = Parameter((features,), "ones", trainable=False)
        return shape

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state: in inference, each step is normalized alone."""
        return ()

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y of x's shape, (batch, ..., features), and move the running statistics."""
        self._check_lengths(x, lengths)
        kernel, total = None, sum_over_ranks() if self.synchronized else None
        if total is None:
            kernel = self.kernel
            y, (mean, variance, count), content = kernel.forward(x, *self._affine(), lengths, epsilon=self.epsilon)
        else:
            y, (mean, variance, count), content = self.backend.batch_norm_over_ranks(
                x, *self._affine(), lengths, total, epsilon=self.epsilon
            )
        with addition_lock():  # another thread may be here too
            running = self.running_mean.data, self.running_variance.data
            self.backend.batch_norm_move(*running, mean, variance, count, self.momentum)
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx of x's shape, 0 past each row's end; add the parameters' gradients."""
        kernel, content = saved
        backward = self.backend.batch_norm_over_ranks_gradient if kernel is None else kernel.backward
        dx, dscale, dshift = backward(dy, content, self._affine()[0])
        add_to_gradients((self.scale, self.shift), (dscale, dshift))
        return dx

    def infer(self, x: Array, lengths: Lengths | None = None) -> Array:
        """Return y of x's shape from the running statistics."""
        if x.shape[-1:] != self.running_mean.shape:
            raise ShapeError(f"{self.label}: expected last axis {self.running_mean.size}, got {tuple(x.shape)}")
        self._check_lengths(x, lengths)
        mean, variance = self.running_mean.data, self.running_variance.data
        return self.backend.batch_norm_infer(x, mean, variance, *self._affine(), lengths, epsilon=self.epsilon)

    def _affine(self) -> tuple[Array | None, Array | None]:
        return None if self.scale is None else self.scale.data, None if self.shift is None else self.shift.data

    def _check_lengths(self, x: Array, lengths: Lengths | None) -> None:
        if lengths is not None and x.ndim < 3:
            raise ShapeError(f"{self.label}: lengths need a time axis, got {tuple(x.shape)}")

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program; in training that then looks at all rows of a batch together."""
        weights = {
            "scale": self.scale,
            "shift": self.shift,
            "running_mean": lowering.fixed(self.running_mean),
            "running_variance": lowering.fixed(self.running_variance),
        }
        if not lowering.training:
            return lowering.apply("batch_norm_infer", x, weights=weights, epsilon=self.epsilon)
        if self.synchronized and sum_over_ranks() is not None:
            raise NotPlanned(f"{self.label} takes the statistics of all ranks: synchronized=False takes each rank's")
        lowering.program.alone = True
        return lowering.apply("batch_norm", x, weights=weights, epsilon=self.epsilon, momentum=self.momentum)
