"""Generic kernels: optimizer updates that take a parameter as a whole, and sums over what an optimizer moves."""

from __future__ import annotations

from lamina.backends.arrays import Array
from lamina.backends.kernels import KernelTable

__all__ = ["MatrixUpdateKernels"]

# a, b and c of the iteration (Jordan et al., 2024): they raise small singular values fastest, and keep all near 1.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_SMALLEST_NORM = 1e-7


class MatrixUpdateKernels(KernelTable):
    """Updates in place of one parameter in its own shape and its optimizer state. No gradient is written to."""

    def adafactor_update(
        self,
        parameter: Array,
        gradient: Array,
        rows: Array | None,
        columns: Array | None,
        square: Array | None,
        mean: Array | None,
        *,
        lr: float,
        decay_power: float,
        epsilon: float | None,
        epsilon_step: float | None,
        clip_threshold: float | None,
        step: int,
        beta1: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        """Step parameter -= a u, u being g / sqrt(v), at most ``clip_threshold`` in the root of its mean square.

        v is ``square``, a running mean of g^2, or of matrices rows columns / (mean of rows), running means of g^2 over
        the last axis (..., m, 1) and over the last but one (..., 1, n); at least epsilon^2, the dtype's if None. The
        rate a is lr, or with ``epsilon_step`` max(epsilon_step, rms(parameter)) min(lr, 1 / sqrt(step)). ``mean`` is
        the running mean by beta1 of a u, and takes its place.
        """
        if 0 in parameter.shape:
            return
        xp, limits = self.xp, self.xp.finfo(parameter.dtype)
        epsilon = float(limits.eps) if epsilon is None else epsilon
        share, squares = step**-decay_power, gradient * gradient
        rate = lr
        if epsilon_step is not None:
            rate = self._at_least(self._size(parameter), epsilon_step) * min(lr, step**-0.5)
        if weight_decay:
            parameter *= 1 - lr * weight_decay
        if square is None:
            assert rows is not None and columns is not None
            _track(rows, xp.mean(squares, axis=-1, keepdims=True), share)
            _track(columns, xp.mean(squares, axis=-2, keepdims=True), share)
            variance = rows / self._at_least(xp.mean(rows, axis=-2, keepdims=True), epsilon) * columns
        else:
            _track(square, squares, share)
            variance = square
        least = max(epsilon**2, float(limits.smallest_normal))  # where it is squared away
        change = gradient / xp.sqrt(self._at_least(variance, least))
        if clip_threshold is not None:
            change = change / self._at_least(self._size(change) / clip_threshold, 1.0)
        change = rate * change
        if mean is not None:
            _track(mean, change, 1 - beta1)
            change = mean
        parameter -= change

    def muon_update(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        *,
        lr: float,
        momentum: float,
        nesterov: bool,
        iterations: int,
        factor: float,
        weight_decay: float = 0.0,
    ) -> None:
        """Step a matrix (m, n) by -lr factor o, o being the orthogonalized ``mean``, or with nesterov that ahead of it.

        ``mean`` is the running mean of g by ``momentum``. The decay shrinks the parameter.
        """
        _track(mean, gradient, 1 - momentum)
        direction = (1 - momentum) * gradient + momentum * mean if nesterov else mean
        change = self.orthogonalized(direction, iterations)
        if weight_decay:
            parameter *= 1 - lr * weight_decay
        parameter -= (lr * factor) * change

    def orthogonalized(self, matrix: Array, iterations: int) -> Array:
        """Return a matrix (m, n) of about the same singular vectors, whose singular values are all near 1.

        By the Newton-Schulz iteration x = a x + (b x x' + c (x x')^2) x, from the matrix over its norm.
        """
        xp, (a, b, c) = self.xp, _COEFFICIENTS
        turned = matrix.shape[0] > matrix.shape[1]
        x = self.permute(matrix, (1, 0)) if turned else matrix  # so that the products below are small
        x = x / self._at_least(xp.sqrt(xp.sum(x * x)), _SMALLEST_NORM)
        for _ in range(iterations):
            gram = self.matmul(x, self.permute(x, (1, 0)))
            x = a * x + self.matmul(b * gram + c * self.matmul(gram, gram), x)
        return self.permute(x, (1, 0)) if turned else x

    def inner(self, a: Array, b: Array) -> float:
        """Return the sum of the products of two arrays' elements; waits for the device."""
        return self.item(self.xp.sum(a * b))

    def extent(self, array: Array) -> tuple[float, float]:
        """Return the largest size of an element, and the sum of all sizes; 0 and 0 of none. It waits for the device."""
        if 0 in array.shape:
            return 0.0, 0.0
        sizes = self.xp.abs(array)
        return self.item(self.xp.max(sizes)), self.item(self.xp.sum(sizes))

    def _at_least(self, array: Array, least: float) -> Array:
        return self.xp.maximum(array, self.full((), least, array.dtype))

    def _size(self, array: Array) -> Array:
        return self.xp.sqrt(self.xp.mean(array * array))


def _track(mean: Array, values: Array, share: float) -> None:
    """Take values into a running mean."""
    mean *= 1 - share
    mean += share * values
