"""Layer and root-mean-square normalization on Numba: one compiled pass forward, and one back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numba.passes import CompiledPasses, Strided, address, plain, strided
from lamina.backends.numpy.normalization import NumPyNormalizationKernels, limits

__all__ = ["NumbaNormalizationKernels"]


class _Kept(NamedTuple):
    """What backward needs: x as its rows lie, and per row the mean (0 for none) and 1 / the deviation."""

    x: Strided
    rows: Array
    centre: bool


class NumbaNormalizationKernels(CompiledPasses, NumPyNormalizationKernels):
    """Normalization row by row; NumPy's where a square would overflow or vanish."""

    def layer_norm_forward(
        self, x: Array, scale: Array | None, shift: Array | None, *, epsilon: float
    ) -> tuple[Array, Saved]:
        """Return y = (x - mean) / sqrt(variance + epsilon) scale + shift; as the generic kernel."""
        found = self._pass(x, scale, shift, epsilon, centre=True)
        return found or super().layer_norm_forward(x, scale, shift, epsilon=epsilon)

    def layer_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; as the generic kernel."""
        if not isinstance(saved, _Kept):
            return super().layer_norm_backward(dy, saved, scale)
        return self._pass_back(dy, saved, scale)

    def rms_norm_forward(self, x: Array, scale: Array | None, *, epsilon: float) -> tuple[Array, Saved]:
        """Return y = x / sqrt(mean(x^2) + epsilon) scale; as the generic kernel."""
        found = self._pass(x, scale, None, epsilon, centre=False)
        return found or super().rms_norm_forward(x, scale, epsilon=epsilon)

    def rms_norm_backward(self, dy: Array, saved: Saved, scale: Array | None) -> tuple[Array, Array]:
        """Return dx and dscale; as the generic kernel."""
        if not isinstance(saved, _Kept):
            return super().rms_norm_backward(dy, saved, scale)
        return self._pass_back(dy, saved, scale)[:2]

    def _pass(
        self, x: Array, scale: Array | None, shift: Array | None, epsilon: float, centre: bool
    ) -> tuple[Array, _Kept] | None:
        """Return y and what backward needs; None where a square would overflow, vanish or lose digits."""
        features = x.shape[-1]
        if not self.has_pass(x) or not x.size:
            return None
        most, least = limits(x.dtype)
        if epsilon < least:
            return None
        rows = strided(x)
        y, out = self.as_lies(x, rows)
        outer, inner, _ = rows.array.shape
        kept = self.empty((outer * inner, 2), x.dtype)
        blocks = self.in_parts(outer * inner, x.size)
        odd = np.zeros(len(blocks))
        scale = self.full((features,), 1, x.dtype) if scale is None else plain(scale)
        shift = self.zeros((features,), x.dtype) if shift is None else plain(shift)
        parts: list[dict[str, Any]] = [
            {
                "first": first, "last": last, "inner": inner, "features": features, "x": rows.at, "x_outer": rows.outer,
                "x_inner": rows.inner, "y": out.at, "y_outer": out.outer, "y_inner": out.inner,
                "scale": address(scale), "shift": address(shift),
                "mean": address(kept), "centre": centre, "odd": address(odd[number : number + 1]), "epsilon": epsilon,
                "most": most,
            }
            for number, (first, last) in enumerate(blocks)
        ]  # fmt: skip
        self.run_pass("normalization", "forward", x.dtype, parts)
        return None if odd.any() else (y, _Kept(rows, kept, centre))

    def _pass_back(self, dy: Array, saved: _Kept, scale: Array | None) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift; the last is not to be used where there is no mean."""
        rows, kept, centre = saved
        dx, out = self.as_lies(dy, rows)
        outer, inner, features = rows.array.shape
        upstream = strided(dy)
        blocks = self.in_parts(outer * inner, dy.size)
        sums = np.zeros((len(blocks), 4, features), dy.dtype)
        scale = self.full((features,), 1, dy.dtype) if scale is None else plain(scale)
        parts: list[dict[str, Any]] = [
            {
                "first": first, "last": last, "inner": inner, "features": features, "x": rows.at, "x_outer": rows.outer,
                "x_inner": rows.inner, "dy": upstream.at, "dy_outer": upstream.outer, "dy_inner": upstream.inner,
                "dx": out.at, "y_outer": out.outer, "y_inner": out.inner,
                "scale": address(scale), "mean": address(kept), "centre": centre,
                "sums": address(own), "epsilon": 0.0, "most": 0.0,
            }
            for own, (first, last) in zip(sums, blocks, strict=True)
        ]  # fmt: skip
        self.run_pass("normalization", "backward", dy.dtype, parts)
        for own in sums[1:]:
            sums[0] += own
        return dx, sums[0, 0], sums[0, 1]
