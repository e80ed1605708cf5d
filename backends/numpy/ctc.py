"""NumPy's kernel for connectionist temporal classification: scaled probabilities in float64 in place of logarithms."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend

__all__ = ["LEAST", "NumPyCTCKernels"]

# After so many steps what reaches each state is divided by the most. A step adds up three numbers at most, and no
# emission is above 1: it grows by up to 3^8 in between.
_BETWEEN = 8
# What float64 cannot hold is lost, 1e-308 a state and step: nothing beside a sum over all states that is above this.
LEAST = 1e-270
# So many steps' factors stay in the cache until they are multiplied.
_BLOCK = 16


class NumPyCTCKernels(Backend):
    """The forward-backward algorithm of the generic kernel (see `CTCKernels`), without a logarithm in its loop.

    An emission is taken relative to the most probable one of the row's labels and the blank in its step; the logarithm
    of that one is added to the row's. At each step, the sum over all states of what leads up to a state times what
    follows it tells whether anything was lost that counts. A row in which it may have been takes the generic kernel, as
    does one whose labels no alignment gives: there the sum is 0.
    """

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
        batch, time, _ = logits.shape
        if not batch or not time:
            loss, generic = super().ctc_forward(
                *(logits, labels, counts, lengths, row_weight), blank=blank, zero_infinity=zero_infinity, each=each
            )
            return loss, (generic, None, None)
        ended = None if lengths is None else np.arange(time)[:, None] >= np.asarray(lengths)  # (time, batch)
        paths = _with_blank(labels, counts, blank)
        with np.errstate(all="ignore"):  # what stands past an end, and in rows that are not sound
            largest = np.maximum.reduce(logits, axis=2, keepdims=True)
            exponential = np.subtract(logits, largest, out=self.empty(logits.shape, logits.dtype))
            np.exp(exponential, out=exponential)
            total = np.add.reduce(exponential, axis=2)
            shares, peaks = self._relative(logits, paths, counts, ended)
            peaks -= (np.log(total, dtype=np.float64) + largest[:, :, 0]).T
            if ended is not None:
                peaks[ended] = 0
            likelihood = np.add.reduce(peaks, axis=0)
            likelihood += self._alignments(shares, paths, counts)
            sums = np.add.reduce(shares, axis=1)  # (time, batch)
            sound = np.isfinite(likelihood) & (np.minimum.reduce(sums, axis=0) > LEAST)
        rows = -likelihood.astype(logits.dtype)
        rows[row_weight == 0] = 0
        rows *= row_weight
        rest, generic = np.flatnonzero(~sound), None
        if len(rest):
            some = None if lengths is None else np.asarray(lengths)[rest]
            rows[rest], generic = super().ctc_forward(
                *(logits[rest], labels[rest], counts[rest], some, row_weight[rest]),
                blank=blank, zero_infinity=zero_infinity, each=True,
            )  # fmt: skip
        own = exponential, total, shares, sums, row_weight, paths, ended
        return self.total(rows, each), (generic, rest, own)

    def ctc_backward(self, saved: Saved) -> Array:
        """Return d logits = r_b (softmax(logits) - the share of all alignments that is in each class)."""
        generic, rest, own = saved
        if own is None:
            return super().ctc_backward(generic)
        gradient, total, shares, sums, row_weight, paths, ended = own  # saved is used once: its arrays are written
        batch, width = paths.shape
        dtype = gradient.dtype
        with np.errstate(all="ignore"):  # as before
            shares *= (row_weight / sums)[:, None, :]
            of_states = self.empty((batch, len(shares), width), dtype)
            of_states[...] = shares.transpose(2, 0, 1)
            hits = self.zeros((batch, width, gradient.shape[2]), dtype)
            hits[np.arange(batch)[:, None], np.arange(width), paths] = 1
            gradient *= (row_weight[:, None] / total)[:, :, None]
            gradient -= np.matmul(of_states, hits, out=self.empty(gradient.shape, dtype))
        if ended is not None:
            gradient[ended.T] = 0
        if generic is not None:
            gradient[rest] = super().ctc_backward(generic)
        return gradient

    def _relative(self, logits: Array, paths: Array, counts: Array, ended: Array | None) -> tuple[Array, Array]:
        """Return how probable each label and, last, the blank is, (time, width, batch), and the logit of the most.

        That one is 1. Past a row's end the blank is certain, and past its count there is no label.
        """
        batch, time, classes = logits.shape
        places = np.arange(batch) * (time * classes) + paths.T  # of the first step, counted through all rows
        places = np.arange(0, time * classes, classes)[:, None, None] + places
        emissions = self.empty(places.shape, np.float64)
        emissions[...] = logits.reshape(-1).take(places)
        peaks = np.maximum.reduce(emissions, axis=1)
        emissions -= peaks[:, None, :]
        np.exp(emissions, out=emissions)
        absent = np.arange(paths.shape[1] - 1)[:, None] >= counts
        if absent.any():
            emissions[:, :-1] *= ~absent
        if ended is not None:
            np.copyto(emissions, 0, where=ended[:, None, :])
            np.copyto(emissions[:, -1], 1, where=ended)
        return emissions, peaks

    def _alignments(self, emissions: Array, paths: Array, counts: Array) -> Array:
        """Return the logarithm of the sum of all alignments, (batch,).

        Of each step, emissions become the parts of all alignments that are in each label and, last, in the blank, up
        to a factor of the step.
        """
        time, width, batch = emissions.shape
        labels = paths[:, :-1].T
        # Both ways side by side, blanks and labels one below the other; before the first label there is none.
        into_labels = self.empty((time, width - 1, 2 * batch), np.float64)
        into_blanks = self.empty((time, width, 2 * batch), np.float64)
        blanks, states = np.zeros((2, width, 2 * batch))
        blanks[0, :batch] = 1
        blanks[width - 1 - counts, np.arange(batch, 2 * batch)] = 1
        skips = np.ones((width - 1, 2 * batch))
        differ = labels[1:] != labels[:-1]
        skips[1:, :batch], skips[1:, batch:] = differ, differ[::-1]
        earlier, later, blanks_before = states[:-1], states[1:], blanks[:-1]
        ahead, back = later[:, :batch], later[::-1, batch:]
        blanks_ahead, blanks_back = blanks[:, :batch], blanks[:, batch:]
        of_labels, of_blank = emissions[:, :-1], emissions[:, -1]
        likelihood = np.zeros(batch)
        add, multiply = np.add, np.multiply
        for t in range(time):
            if t and not t % _BETWEEN:
                most = np.maximum(np.maximum.reduce(states), np.maximum.reduce(blanks))
                states /= most
                blanks /= most
                likelihood += np.log(most[:batch])
            labelled, reached, last = into_labels[t], into_blanks[t], time - 1 - t
            add(blanks, states, out=reached)
            multiply(earlier, skips, out=labelled)
            add(labelled, later, out=labelled)
            add(labelled, blanks_before, out=labelled)
            multiply(labelled[:, :batch], of_labels[t], out=ahead)
            multiply(labelled[::-1, batch:], of_labels[last], out=back)
            multiply(reached[:, :batch], of_blank[t], out=blanks_ahead)
            multiply(reached[:, batch:], of_blank[last], out=blanks_back)
        add(blanks, states, out=blanks)
        likelihood += np.log(blanks[counts, np.arange(batch)])
        room = np.empty((min(_BLOCK, time), width, batch))
        for start in range(0, time, _BLOCK):
            stop = min(start + _BLOCK, time)
            block, product = slice(start, stop), room[: stop - start]
            backwards = slice(time - stop, time - start)
            multiply(into_blanks[block, :, :batch], into_blanks[backwards, :, batch:][::-1, ::-1], out=product)
            of_blank[block] *= add.reduce(product, axis=1)
            multiply(into_labels[block, :, :batch], into_labels[backwards, :, batch:][::-1, ::-1], out=product[:, :-1])
            of_labels[block] *= product[:, :-1]
        return likelihood


def _with_blank(labels: Array, counts: Array, blank: int) -> Array:
    """Return the labels as far as any row has some, and the blank: (batch, labels + 1); the blank past a count."""
    width = max(1, int(counts.max()))
    paths = np.full((len(labels), width + 1), blank)
    np.copyto(paths[:, :-1], labels[:, :width], where=np.arange(width) < counts[:, None])
    return paths
