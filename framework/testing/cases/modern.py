"""The cases of the recurrent layers of today: MinGRU, MinLSTM, IndRNN, LRU and sLSTM."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.compose.bidirectional import Bidirectional
from lamina.compose.sequential import Sequential
from lamina.layers import LRU, SLSTM, IndRNN, MinGRU, MinLSTM
from lamina.testing.cases.case import LayerCase, layer_case

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of the five, alone, in both directions and as a stack."""
    everything: dict[str, Any] = {"return_sequences": True, "return_state": True, "go_backwards": True}
    rng = np.random.default_rng(0)
    # h, c, n, m of an sLSTM that has begun: what c is divided by, n, is over 0.
    begun = [rng.uniform(0.5, 2.0, (5, 6)) for _ in range(4)]
    return (
        layer_case("MinGRU", lambda: MinGRU(6)),
        layer_case("MinGRU-one-step", lambda: MinGRU(6), time=1, state=(5, 6)),
        layer_case("MinGRU-no-bias", lambda: MinGRU(6, use_bias=False, return_sequences=True)),
        layer_case("MinGRU-everything", lambda: MinGRU(6, **everything), state=(5, 6)),
        layer_case("MinGRU-both-directions", lambda: Bidirectional(MinGRU(3, return_sequences=True))),
        layer_case("MinLSTM", lambda: MinLSTM(6)),
        layer_case("MinLSTM-no-bias", lambda: MinLSTM(6, use_bias=False, return_sequences=True)),
        layer_case("MinLSTM-everything", lambda: MinLSTM(6, **everything), state=(5, 6)),
        layer_case("MinLSTM-both-directions", lambda: Bidirectional(MinLSTM(3, return_sequences=True))),
        layer_case("IndRNN", lambda: IndRNN(6, activation="tanh")),
        layer_case("IndRNN-relu", lambda: IndRNN(6, return_sequences=True)),
        layer_case("IndRNN-no-bias", lambda: IndRNN(6, use_bias=False, activation="tanh", return_sequences=True)),
        layer_case("IndRNN-everything", lambda: IndRNN(6, activation="tanh", **everything), state=(5, 6)),
        layer_case("IndRNN-both-directions", lambda: Bidirectional(IndRNN(3, activation="tanh"))),
        layer_case("LRU", lambda: LRU(6)),
        layer_case("LRU-one-step", lambda: LRU(6), time=1, state=[(5, 6), (5, 12)]),
        layer_case("LRU-sequences", lambda: LRU(6, return_sequences=True)),
        layer_case("LRU-everything", lambda: LRU(6, **everything), state=[(5, 6), (5, 12)]),
        layer_case("LRU-both-directions", lambda: Bidirectional(LRU(3, return_sequences=True))),
        layer_case("SLSTM", lambda: SLSTM(6)),
        layer_case("SLSTM-one-step", lambda: SLSTM(6), time=1, state=begun),
        layer_case("SLSTM-sequences", lambda: SLSTM(6, return_sequences=True)),
        layer_case("SLSTM-no-bias", lambda: SLSTM(6, use_bias=False, return_state=True)),
        layer_case("SLSTM-everything", lambda: SLSTM(6, **everything), state=begun),
        layer_case("SLSTM-exp", lambda: SLSTM(6, forget="exp", return_sequences=True)),
        layer_case("SLSTM-exp-everything", lambda: SLSTM(6, forget="exp", **everything), state=begun),
        layer_case("SLSTM-both-directions", lambda: Bidirectional(SLSTM(3, return_sequences=True))),
        layer_case(
            "Sequential-modern",
            lambda: Sequential(MinGRU(4, return_sequences=True), LRU(4, return_sequences=True), SLSTM(3)),
            ignores_padding=True,
        ),
    )
