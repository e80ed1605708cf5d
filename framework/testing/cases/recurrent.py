"""The cases of the gated recurrent layers."""

from __future__ import annotations

from lamina.compose.sequential import Sequential
from lamina.layers import GRU, LSTM
from lamina.testing.cases.case import LayerCase, layer_case

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of LSTM and GRU."""
    everything = {"return_sequences": True, "return_state": True, "go_backwards": True}
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
        layer_case("GRU-reset-before", lambda: GRU(6, reset_after=False, return_sequences=True)),
        layer_case("GRU-reset-before-no-bias", lambda: GRU(6, reset_after=False, use_bias=False)),
        layer_case("GRU-reset-before-everything", lambda: GRU(6, reset_after=False, **everything), state=(5, 6)),
        layer_case(
            "Sequential-gated",
            lambda: Sequential(LSTM(4, return_sequences=True), GRU(4, return_sequences=True), LSTM(3)),
            ignores_padding=True,
        ),
    )
