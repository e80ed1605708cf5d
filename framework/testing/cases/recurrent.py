"""The cases of the gated recurrent layers, of those with layer normalization, and of cells."""

from __future__ import annotations

from typing import Any

from lamina.compose.sequential import Sequential
from lamina.kinds.cell import Recurrent
from lamina.layers import (
    GRU,
    LSTM,
    Dense,
    Dropout,
    GRUCell,
    LayerNormGRU,
    LayerNormLSTM,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedCells,
)
from lamina.testing.cases.case import LayerCase, layer_case

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of LSTM and GRU, with what they may have, and of cells."""
    everything = {"return_sequences": True, "return_state": True, "go_backwards": True}
    drops: dict[str, Any] = {"recurrent_dropout": 0.4}
    masks: dict[str, Any] = {"skip": ("row alone", "batch order", "inference")}
    return (
        layer_case("LSTM", lambda: LSTM(6)),
        layer_case("LSTM-one-step", lambda: LSTM(6), time=1, state=[(5, 6), (5, 6)]),
        layer_case("LSTM-sequences", lambda: LSTM(6, return_sequences=True)),
        layer_case("LSTM-no-bias", lambda: LSTM(6, use_bias=False, return_sequences=True)),
        layer_case("LSTM-state", lambda: LSTM(6, return_state=True)),
        layer_case("LSTM-initial-state", lambda: LSTM(6), state=[(5, 6), (5, 6)]),
        layer_case("LSTM-backwards", lambda: LSTM(6, go_backwards=True)),
        layer_case("LSTM-everything", lambda: LSTM(6, **everything), state=[(5, 6), (5, 6)]),
        layer_case("GRU", lambda: GRU(6)),
        layer_case("GRU-one-step", lambda: GRU(6), time=1, state=(5, 6)),
        layer_case("GRU-sequences", lambda: GRU(6, return_sequences=True)),
        layer_case("GRU-no-bias", lambda: GRU(6, use_bias=False, return_sequences=True)),
        layer_case("GRU-initial-state", lambda: GRU(6), state=(5, 6)),
        layer_case("GRU-backwards", lambda: GRU(6, go_backwards=True)),
        layer_case("GRU-everything", lambda: GRU(6, **everything), state=(5, 6)),
        layer_case("GRU-dropout", lambda: GRU(6, **drops, **everything), state=(5, 6), **masks),
        layer_case("GRU-dropout-reset-before", lambda: GRU(6, reset_after=False, **drops), **masks),
        layer_case("GRU-reset-before", lambda: GRU(6, reset_after=False, return_sequences=True)),
        layer_case("GRU-reset-before-no-bias", lambda: GRU(6, reset_after=False, use_bias=False)),
        layer_case("GRU-reset-before-everything", lambda: GRU(6, reset_after=False, **everything), state=(5, 6)),
        layer_case("LSTM-projection", lambda: LSTM(6, projection=2, return_sequences=True)),
        layer_case("LSTM-projection-everything", lambda: LSTM(4, projection=6, **everything), state=[(5, 6), (5, 4)]),
        layer_case("LSTM-dropout", lambda: LSTM(6, **drops, return_sequences=True), **masks),
        layer_case(
            "LSTM-dropout-projection",
            lambda: LSTM(6, projection=2, **drops, **everything),
            state=[(5, 2), (5, 6)],
            **masks,
        ),
        layer_case("SimpleRNN-dropout", lambda: SimpleRNN(6, **drops, return_sequences=True), **masks),
        layer_case("LayerNormLSTM", lambda: LayerNormLSTM(6)),
        layer_case("LayerNormLSTM-no-bias", lambda: LayerNormLSTM(6, use_bias=False, epsilon=0.1)),
        layer_case("LayerNormLSTM-dropout", lambda: LayerNormLSTM(6, **drops, return_sequences=True), **masks),
        layer_case("LayerNormLSTM-everything", lambda: LayerNormLSTM(6, **everything), state=[(5, 6), (5, 6)]),
        layer_case("LayerNormGRU", lambda: LayerNormGRU(6)),
        layer_case("LayerNormGRU-no-bias", lambda: LayerNormGRU(6, use_bias=False, epsilon=0.1)),
        layer_case("LayerNormGRU-dropout", lambda: LayerNormGRU(6, **drops, return_sequences=True), **masks),
        layer_case("LayerNormGRU-everything", lambda: LayerNormGRU(6, **everything), state=(5, 6)),
        layer_case("SimpleRNNCell", lambda: SimpleRNNCell(6), (5, 3), (5, 6)),
        layer_case("SimpleRNNCell-relu", lambda: SimpleRNNCell(6, activation="relu"), (5, 3), (5, 6)),
        layer_case("LSTMCell", lambda: LSTMCell(6), (5, 3), (5, 6), (5, 6)),
        layer_case("GRUCell", lambda: GRUCell(6), (5, 3), (5, 6)),
        layer_case("GRUCell-reset-before", lambda: GRUCell(6, reset_after=False, use_bias=False), (5, 3), (5, 6)),
        layer_case("StackedCells", lambda: StackedCells(LSTMCell(4), Dense(3), GRUCell(2)), (5, 3), *_states(4, 4, 2)),
        layer_case("Recurrent-LSTM", lambda: Recurrent(LSTMCell(6), **everything), state=_states(6, 6)),
        layer_case("Recurrent-stack", lambda: Recurrent(StackedCells(SimpleRNNCell(4), Dense(3)))),
        layer_case(
            "Recurrent-stack-everything",
            lambda: Recurrent(StackedCells(GRUCell(4), LSTMCell(3), Dense(2)), **everything),
            state=_states(4, 3, 3),
        ),
        layer_case(
            "Recurrent-stack-dropout",
            lambda: Recurrent(StackedCells(GRUCell(4), Dropout(0.4), GRUCell(3)), return_sequences=True),
            **masks,
        ),
        layer_case(
            "Sequential-gated",
            lambda: Sequential(LSTM(4, return_sequences=True), GRU(4, return_sequences=True), LSTM(3)),
            ignores_padding=True,
        ),
    )


def _states(*sizes: int) -> list[tuple[int, int]]:
    return [(5, size) for size in sizes]
