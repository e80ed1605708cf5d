"""The cases of the layers over sequences: both directions, windows, pooling and attention."""

from __future__ import annotations

from typing import Any

from lamina.compose.bidirectional import Bidirectional
from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.kinds.cell import Recurrent
from lamina.layers import (
    GRU,
    LSTM,
    Attention,
    AveragePool1D,
    Conv1D,
    Conv1DTranspose,
    Dense,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    MaxPool1D,
    PositionalEncoding,
    ReLU,
    SelfAttention,
    SimpleRNN,
)
from lamina.testing.cases.case import LayerCase, layer_case
from lamina.testing.cases.examples import LeakyPair

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of all of them."""
    return (*_bidirectional(), *_convolution(), *_transposed(), *_pooling(), *_attention())


def _bidirectional() -> tuple[LayerCase, ...]:
    both, every = Bidirectional, {"return_sequences": True, "return_state": True}
    ignore: dict[str, Any] = {"ignores_padding": True}
    pair = [(5, 6)] * 2
    return (
        layer_case("Bidirectional", lambda: both(SimpleRNN(6)), **ignore),
        layer_case("Bidirectional-sum", lambda: both(SimpleRNN(6, return_sequences=True), "sum"), **ignore),
        layer_case("Bidirectional-average", lambda: both(GRU(6, return_sequences=True), "average"), **ignore),
        layer_case("Bidirectional-multiply", lambda: both(LSTM(6, return_sequences=True), "multiply"), **ignore),
        layer_case("Bidirectional-state", lambda: both(LSTM(6, return_state=True), "multiply"), **ignore),
        layer_case("Bidirectional-one-step", lambda: both(GRU(6)), time=1, state=pair, **ignore),
        layer_case("Bidirectional-everything", lambda: both(GRU(6, **every)), state=pair, **ignore),
        layer_case("Bidirectional-everything-lstm", lambda: both(LSTM(6, **every)), state=pair * 2, **ignore),
        layer_case(
            "Bidirectional-cell", lambda: both(Recurrent(LeakyPair(6), **every), "sum"), state=pair * 2, **ignore
        ),
        layer_case(
            "Sequential-bidirectional",
            lambda: Sequential(both(GRU(4, return_sequences=True)), Dense(3), both(LSTM(3)), Dense(2)),
        ),
    )


def _convolution() -> tuple[LayerCase, ...]:
    conv = Conv1D
    return (
        layer_case("Conv1D", lambda: conv(4, 3), time=6),
        layer_case("Conv1D-even", lambda: conv(4, 4, use_bias=False), time=6),
        layer_case("Conv1D-one-step", lambda: conv(4, 3), time=1),
        layer_case("Conv1D-pointwise", lambda: conv(4, 1)),
        layer_case("Conv1D-stride", lambda: conv(4, 3, stride=2), time=7),
        layer_case("Conv1D-wide-stride", lambda: conv(4, 2, stride=3, padding="valid"), time=7),
        layer_case("Conv1D-valid", lambda: conv(4, 3, padding="valid"), time=6),
        layer_case("Conv1D-valid-stride", lambda: conv(4, 3, padding="valid", stride=2), time=8),
        layer_case("Conv1D-causal", lambda: conv(4, 3, padding="causal"), time=6),
        layer_case("Conv1D-causal-everything", lambda: conv(4, 3, padding="causal", dilation=2, stride=2), time=7),
        layer_case("Conv1D-dilation", lambda: conv(4, 3, dilation=2), time=7),
        layer_case("Conv1D-longer-than-rows", lambda: conv(4, 9, dilation=2), time=3),
        layer_case("Conv1D-padded", lambda: conv(4, 3, padding=(2, 3), stride=2), time=6),
        layer_case("Conv1D-padded-causal", lambda: conv(4, 3, padding=(4, 0), dilation=2), time=6),
        layer_case("Conv1D-depthwise", lambda: conv(6, 3, groups=3), time=6),
        layer_case("Conv1D-depthwise-causal", lambda: conv(3, 2, groups=3, padding="causal", use_bias=False), time=6),
        layer_case("Conv1D-groups", lambda: conv(4, 3, groups=2, padding=1, dilation=2, stride=2), (5, 7, 4)),
        layer_case(
            "Sequential-convolution",
            lambda: Sequential(conv(4, 3, padding="causal"), ReLU(), MaxPool1D(2, padding="same"), GRU(3), Dense(2)),
            time=6,
        ),
    )


def _transposed() -> tuple[LayerCase, ...]:
    conv = Conv1DTranspose
    return (
        layer_case("Conv1DTranspose", lambda: conv(4, 3)),
        layer_case("Conv1DTranspose-stride", lambda: conv(4, 3, stride=2)),
        layer_case("Conv1DTranspose-wide-stride", lambda: conv(4, 2, stride=3, use_bias=False)),
        layer_case("Conv1DTranspose-valid", lambda: conv(4, 3, stride=2, padding="valid", output_padding=1)),
        layer_case("Conv1DTranspose-causal", lambda: conv(4, 3, padding="causal", dilation=2)),
        layer_case("Conv1DTranspose-causal-stride", lambda: conv(4, 3, padding="causal", stride=2)),
        layer_case("Conv1DTranspose-padded", lambda: conv(4, 3, padding=(1, 4), stride=2, dilation=2), time=5),
        layer_case("Conv1DTranspose-groups", lambda: conv(6, 3, stride=2, padding=1, groups=2), (5, 4, 4)),
        layer_case(
            "Sequential-transposed",
            lambda: Sequential(conv(4, 3, stride=2), ReLU(), Conv1D(3, 3, stride=2), GRU(2), Dense(2)),
        ),
    )


def _pooling() -> tuple[LayerCase, ...]:
    return (
        layer_case("MaxPool1D", lambda: MaxPool1D(2), time=6),
        layer_case("MaxPool1D-overlap", lambda: MaxPool1D(3, 1), time=6),
        layer_case("MaxPool1D-gaps", lambda: MaxPool1D(2, 3), time=7),
        layer_case("MaxPool1D-same", lambda: MaxPool1D(3, 2, "same"), time=6),
        layer_case("MaxPool1D-padded", lambda: MaxPool1D(3, 2, (2, 1), ceil=True), time=6),
        layer_case("MaxPool1D-ceil", lambda: MaxPool1D(2, 3, ceil=True), time=7),
        layer_case("MaxPool1D-dilation", lambda: MaxPool1D(2, 1, 2, dilation=3), time=5),
        layer_case("MaxPool1D-causal", lambda: MaxPool1D(3, 1, (4, 0), dilation=2), time=6),
        layer_case("AveragePool1D", lambda: AveragePool1D(2), time=6),
        layer_case("AveragePool1D-overlap", lambda: AveragePool1D(3, 1), time=6),
        layer_case("AveragePool1D-gaps", lambda: AveragePool1D(2, 3), time=7),
        layer_case("AveragePool1D-same", lambda: AveragePool1D(4, 2, "same"), time=7),
        layer_case("AveragePool1D-padded", lambda: AveragePool1D(3, 2, 1, ceil=True), time=6),
        layer_case("AveragePool1D-counted", lambda: AveragePool1D(4, 3, 1, ceil=True, count_padding=True), time=6),
        layer_case("AveragePool1D-dilation", lambda: AveragePool1D(2, 1, "same", dilation=2), time=5),
        layer_case("AveragePool1D-causal", lambda: AveragePool1D(3, 1, (2, 0)), time=6),
        layer_case(
            "AveragePool1D-causal-counted", lambda: AveragePool1D(2, 1, (2, 0), dilation=2, count_padding=True), time=6
        ),
        layer_case("GlobalMaxPool1D", GlobalMaxPool1D),
        layer_case("GlobalAveragePool1D", GlobalAveragePool1D),
    )


def _attention() -> tuple[LayerCase, ...]:
    masks, three = ("batch order", "inference"), ((5, 4, 3), (5, 4, 2), (5, 4, 6))
    return (
        layer_case("SelfAttention", lambda: SelfAttention(3)),
        layer_case("SelfAttention-causal", lambda: SelfAttention(2, 6, causal=True)),
        layer_case("SelfAttention-one-head", lambda: SelfAttention(1, 4, use_bias=False), time=6),
        layer_case("SelfAttention-two-rows", lambda: SelfAttention(2, 4, causal=True), batch=2, time=7),
        layer_case("SelfAttention-dropout", lambda: SelfAttention(2, 4, dropout=0.4), skip=masks),
        layer_case("SelfAttention-scores", lambda: SelfAttention(2, 4, return_scores=True), (4, 5, 3), (4, 5, 5)),
        layer_case("Attention", lambda: Attention(2, 4), (5, 4, 3), (5, 4, 2)),
        layer_case("Attention-values", lambda: Attention(2, 4, causal=True), (5, 4, 3), (5, 4, 2), (5, 4, 6)),
        layer_case(
            "Attention-everything",
            lambda: Attention(2, 4, causal=True, dropout=0.3, return_scores=True, additive_mask=True),
            *three,
            (5, 4, 4),
            skip=masks,
        ),
        layer_case("Attention-mask", lambda: Attention(1, 4, use_bias=False), *three, (5, 4, 4)),
        layer_case("Attention-bias", lambda: Attention(2, 4, additive_mask=True), *three, (5, 4, 2, 4)),
        layer_case("Attention-scores", lambda: Attention(2, return_scores=True), (5, 4, 4), (5, 4, 2)),
        layer_case("PositionalEncoding", PositionalEncoding),
        layer_case("PositionalEncoding-even", PositionalEncoding, (4, 6, 8)),
        layer_case(
            "Sequential-attention",
            lambda: Sequential(PositionalEncoding(), Residual(SelfAttention(3)), Dense(4), GlobalAveragePool1D()),
        ),
    )
