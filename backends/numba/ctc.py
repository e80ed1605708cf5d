"""Connectionist temporal classification on Numba: one compiled pass for the loss and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.ctc import CTCKernels
from lamina.backends.numba.passes import CompiledPasses, address, ends, plain, strided
from lamina.backends.numpy.ctc import LEAST, NumPyCTCKernels

__all__ = ["NumbaCTCKernels"]


class NumbaCTCKernels(CompiledPasses, NumPyCTCKernels):
    """The forward-backward algorithm row by row; the generic kernel's for rows in which something was lost."""

    def ctc_forward(
        self,
        logits: Array,
        labels: Array,
        counts: Array,
        lengths: Array | None,
        row_weight: Array,
        *,
        blank: int = 0,
        zero_infinity: bool = False,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_b r_b -log p(labels_b | logits_b) and what its gradient needs; as the generic kernel."""
        options: dict[str, Any] = {"blank": blank, "zero_infinity": zero_infinity}
        if not self.has_pass(logits, row_weight) or not logits.size:
            return super().ctc_forward(logits, labels, counts, lengths, row_weight, each=each, **options)
        batch, time, classes = logits.shape
        rows, stops = strided(logits), ends(lengths)
        own_labels, own_counts = plain(labels.astype(np.int64, copy=False)), plain(counts.astype(np.int64, copy=False))
        weights, gradient = plain(row_weight), self.empty(logits.shape, logits.dtype)
        likelihoods, least = np.empty((2, batch))
        width = max(1, int(own_counts.max()))
        common = {
            "time": time, "classes": classes, "width": labels.shape[1], "blank": blank, "logits": rows.at,
            "outer": rows.outer, "inner": rows.inner, "labels": address(own_labels), "counts": address(own_counts),
            "ends": address(stops), "weights": address(weights), "gradient": address(gradient),
            "likelihoods": address(likelihoods), "least": address(least),
        }  # fmt: skip
        rooms, parts = [], []
        for first, last in self.in_parts(batch, logits.size + 10 * batch * time * width):
            rooms.append(self.empty((self.pass_constant("ctc", "room_for")(time, width),), np.float64))
            parts.append({"first": first, "last": last, "room": address(rooms[-1]), **common})
        self.run_pass("ctc", "forward", logits.dtype, parts)
        terms = -likelihoods.astype(logits.dtype)
        terms[row_weight == 0] = 0
        terms *= row_weight
        rest, generic = np.flatnonzero(~(np.isfinite(likelihoods) & (least > LEAST))), None
        if len(rest):
            some = None if lengths is None else np.asarray(lengths)[rest]
            given = logits[rest], labels[rest], counts[rest], some, row_weight[rest]
            terms[rest], generic = CTCKernels.ctc_forward(self, *given, each=True, **options)
        return self.total(terms, each), (gradient, rest, generic)

    def ctc_backward(self, saved: Saved) -> Array:
        """Return d logits; as the generic kernel."""
        gradient, rest, generic = saved
        if not isinstance(gradient, np.ndarray):  # NumPy's, whose last is None: it has no row, or no step
            return super().ctc_backward(saved)
        if generic is not None:
            gradient[rest] = CTCKernels.ctc_backward(self, generic)
        return gradient
