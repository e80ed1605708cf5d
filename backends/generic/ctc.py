"""Generic kernels: connectionist temporal classification, by the forward-backward algorithm in log space."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.losses import LossKernels

__all__ = ["CTCKernels", "IMPOSSIBLE"]

# The logarithm of a probability of 0: finite, so that no difference of two is NaN, and far from float32's limit
# also when summed over 10^7 steps.
IMPOSSIBLE = -1e30


class CTCKernels(LossKernels):
    """The probability of a label sequence, summed over all alignments with the steps (Graves et al., 2006).

    An alignment passes through blank 0, label 0, blank 1, label 1, ..., blank n, in this order; from a label it may
    skip the blank before another, different label. The probabilities of what follows a step are those of what leads
    up to it in the reversed problem, steps and labels both read backwards: one loop runs both, side by side in the
    last axis. Past a row's end the blank is certain and labels are impossible, which keeps every path where it is:
    so the loop knows nothing of lengths.
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
        """Return sum_b r_b -log p(labels_b | logits_b) and what its gradient needs.

        Parameters
        ----------
        logits : (batch, time, classes)
            Past a row's end they are not used.
        labels : (batch, width) int64, width at least 1
            Past a row's count they are not used.
        counts : (batch,) int64
            How many labels each row has.
        lengths : (batch,) integers on the host, or None
        row_weight : (batch,), r_b: 0 for a row that does not count
        blank : the class that stands for no label
        zero_infinity : whether labels that no alignment gives cost 0 rather than infinity
        each : whether to return each row's term, (batch,), in place of their sum
        """
        xp = self.xp
        _, time, _ = logits.shape
        width = labels.shape[1]
        places = xp.arange(width, dtype=xp.int64)
        labels = xp.where(places[None, :] < counts[:, None], labels, xp.full_like(labels, blank))
        logits = self.zero_past(logits, lengths)
        shifted = self.below_largest(logits)
        log_total = xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
        of_label, of_blank = self._emissions(shifted - log_total, labels, lengths, blank)

        # Which labels may follow the label before them without a blank: (width, 2 batch).
        both_ways = xp.concat([labels.T, xp.flip(labels.T, axis=0)], axis=1)
        skips = both_ways != xp.concat([both_ways[:1, :], both_ways[:-1, :]])
        # The first blank of the labels, and of the reversed labels, which their padding precedes.
        first = xp.concat([xp.zeros_like(counts), width - counts])
        starts = xp.arange(width + 1, dtype=xp.int64)[:, None] == first[None, :]
        impossible = self.full((), IMPOSSIBLE, logits.dtype)
        blanks = xp.where(starts, self.zeros((), logits.dtype), impossible)
        states = self.full((width, first.shape[0]), IMPOSSIBLE, logits.dtype)

        kept_labels: list[Array] = [None] * time
        kept_blanks: list[Array] = [None] * time
        peaks: list[Array] = [None] * time
        for t in range(time):
            reached = self._into_blanks(blanks, states)
            before = xp.where(skips, reached[:-1, :], blanks[:-1, :])
            states = self._log_add(states, before) + of_label[t, ...]
            blanks = reached + of_blank[t, ...]
            # Relative to the most probable state, so that float32 keeps its digits over many steps.
            peaks[t] = xp.maximum(xp.max(states, axis=0), xp.max(blanks, axis=0))
            kept_labels[t] = states = states - peaks[t][None, :]
            kept_blanks[t] = blanks = blanks - peaks[t][None, :]

        batch = counts.shape[0]
        last = xp.take_along_axis(self._into_blanks(blanks, states)[:, :batch], counts[None, :], axis=0)[0, :]
        likelihood = xp.astype(last, xp.float64)
        if time:
            likelihood = likelihood + xp.sum(xp.stack(peaks)[:, :batch], axis=0, dtype=xp.float64)
        possible = likelihood > IMPOSSIBLE / 2
        worst = xp.full_like(likelihood, 0.0 if zero_infinity else float("inf"))
        rows = xp.astype(xp.where(possible, -likelihood, worst), logits.dtype)
        zero = self.zeros((), logits.dtype)
        share = xp.where(possible, row_weight, zero)
        loss = self.total(xp.where(row_weight == 0, zero, rows) * row_weight, each)
        emissions = of_label[..., :batch], of_blank[..., :batch]
        return loss, (shifted - log_total, labels, lengths, share, blank, kept_labels, kept_blanks, emissions)

    def ctc_backward(self, saved: Saved) -> Array:
        """Return d logits = r_b (softmax(logits) - the share of all alignments that is in each class).

        It is 0 past a row's end, and for a row whose labels no alignment gives.
        """
        xp = self.xp
        log_probability, labels, lengths, share, blank, kept_labels, kept_blanks, emissions = saved
        batch, time, classes = log_probability.shape
        if not time:
            return self.zeros((batch, time, classes), log_probability.dtype)
        # Both directions count the step's own emission: once too often.
        label_share, blank_share = (
            kept[..., :batch] + xp.flip(kept[..., batch:], axis=(0, 1)) - emission
            for kept, emission in zip((xp.stack(kept_labels), xp.stack(kept_blanks)), emissions, strict=True)
        )
        peak = xp.maximum(xp.max(label_share, axis=1, keepdims=True), xp.max(blank_share, axis=1, keepdims=True))
        label_share, blank_share = xp.exp(label_share - peak), xp.sum(xp.exp(blank_share - peak), axis=1)
        total = xp.sum(label_share, axis=1) + blank_share  # (time, batch)
        label_share, blank_share = label_share / total[:, None, :], blank_share / total
        numbers = xp.arange(classes, dtype=xp.int64)
        hits = xp.astype(labels[:, :, None] == numbers[None, None, :], log_probability.dtype)
        occupied = xp.matmul(xp.permute_dims(label_share, (2, 0, 1)), hits)
        is_blank = xp.astype(numbers == blank, log_probability.dtype)
        occupied = occupied + blank_share.T[:, :, None] * is_blank[None, None, :]
        gradient = (xp.exp(log_probability) - occupied) * share[:, None, None]
        return self.zero_past(gradient, lengths)

    def _emissions(
        self, log_probability: Array, labels: Array, lengths: Array | None, blank: int
    ) -> tuple[Array, Array]:
        """Return the log probabilities of labels (time, width, 2 batch) and blank (time, 1, 2 batch), both ways."""
        xp = self.xp
        batch, time, _ = log_probability.shape
        index = xp.broadcast_to(labels[:, None, :], (batch, time, labels.shape[1]))
        of_label = xp.take_along_axis(log_probability, index, axis=2)
        of_blank = log_probability[:, :, blank : blank + 1]
        floor = self.full((), IMPOSSIBLE, log_probability.dtype)
        of_label, of_blank = xp.maximum(of_label, floor), xp.maximum(of_blank, floor)
        if lengths is not None:
            valid = self.valid_steps(lengths, time)[:, :, None]
            of_label = xp.where(valid, of_label, floor)
            of_blank = xp.where(valid, of_blank, self.zeros((), log_probability.dtype))
        of_label, of_blank = xp.permute_dims(of_label, (1, 2, 0)), xp.permute_dims(of_blank, (1, 2, 0))
        return (
            xp.concat([of_label, xp.flip(of_label, axis=(0, 1))], axis=2),
            xp.concat([of_blank, xp.flip(of_blank, axis=(0, 1))], axis=2),
        )

    def _into_blanks(self, blanks: Array, states: Array) -> Array:
        """Return how probable each blank is in the next step, before its emission: from itself or its label."""
        return self.xp.concat([blanks[:1, :], self._log_add(blanks[1:, :], states)])

    def _log_add(self, a: Array, b: Array) -> Array:
        """Return log(exp(a) + exp(b))."""
        xp = self.xp
        return xp.maximum(a, b) + xp.log1p(xp.exp(-xp.abs(a - b)))
