"""Decoding: from a model's scores at each step to label sequences, tags and spans, on the host.

>>> import numpy as np
>>> import lamina
>>> logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])  # the blank is class 0
>>> ctc_greedy(logits)[0].labels.tolist(), ctc_beam_search(logits)[0][0].labels.tolist()
([], [1])
"""

from lamina.decoding.ctc import ctc_beam_search, ctc_greedy
from lamina.decoding.reading import Decoded
from lamina.decoding.spans import Span, bio_transitions, spans
from lamina.decoding.tags import argmax_tags, viterbi

__all__ = [
    "Decoded",
    "Span",
    "argmax_tags",
    "bio_transitions",
    "ctc_beam_search",
    "ctc_greedy",
    "spans",
    "viterbi",
]
