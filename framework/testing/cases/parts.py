"""The cases of further activations, of layers that change shapes, of normalization and of dropout."""

from __future__ import annotations

from lamina.compose.sequential import Sequential
from lamina.layers import (
    ELU,
    GELU,
    Add,
    BatchNorm,
    Dense,
    Dropout,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    Multiply,
    Permute,
    RecurrentDropout,
    RepeatVector,
    Reshape,
    SiLU,
    SimpleRNN,
)
from lamina.testing.cases.case import LayerCase, layer_case

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of these layers."""
    shape = (5, 4, 3)
    statistics, masks = ("row alone", "inference"), ("batch order", "inference")
    return (
        layer_case("GELU", GELU),
        layer_case("GELU-rows", GELU, (5, 7)),
        layer_case("GELU-tanh", lambda: GELU(approximate="tanh")),
        layer_case("SiLU", SiLU),
        layer_case("LeakyReLU", LeakyReLU),
        layer_case("LeakyReLU-slope", lambda: LeakyReLU(-0.5), (5, 7)),
        layer_case("ELU", ELU),
        layer_case("ELU-alpha", lambda: ELU(0.3), (5, 7)),
        layer_case("LogSoftmax", LogSoftmax),
        layer_case("LogSoftmax-rows", LogSoftmax, (5, 7)),
        layer_case("Add", Add, shape, shape, ignores_padding=False),
        layer_case("Add-three", Add, (5, 3), (5, 3), (5, 3)),
        layer_case("Multiply", Multiply, shape, shape, ignores_padding=False),
        layer_case("Multiply-three", Multiply, shape, shape, shape, ignores_padding=False),
        layer_case("Reshape", lambda: Reshape((6, 2))),
        layer_case("Reshape-rows", lambda: Reshape((2, -1, 1)), (5, 6)),
        layer_case("Reshape-steps", lambda: Reshape((-1, 1, 3))),
        layer_case("Permute", lambda: Permute((2, 1))),
        layer_case("Permute-steps", lambda: Permute((1, 3, 2)), (5, 4, 3, 2), lengths=True),
        layer_case("RepeatVector", lambda: RepeatVector(4), (5, 3)),
        layer_case("LayerNorm", LayerNorm),
        layer_case("LayerNorm-rows", lambda: LayerNorm(epsilon=0.1), (5, 7)),
        layer_case("LayerNorm-scale", lambda: LayerNorm(use_shift=False)),
        layer_case("LayerNorm-shift", lambda: LayerNorm(use_scale=False)),
        layer_case("LayerNorm-plain", lambda: LayerNorm(use_scale=False, use_shift=False)),
        # Rows are normalized with one another, and inference uses other statistics.
        layer_case("BatchNorm", BatchNorm, skip=statistics),
        layer_case("BatchNorm-rows", lambda: BatchNorm(epsilon=0.1), (5, 7), skip=("inference",)),
        layer_case("BatchNorm-four-axes", BatchNorm, (3, 4, 2, 3), lengths=True, skip=statistics),
        layer_case("BatchNorm-scale", lambda: BatchNorm(use_shift=False), skip=statistics),
        layer_case("BatchNorm-shift", lambda: BatchNorm(use_scale=False), skip=statistics),
        layer_case("BatchNorm-plain", lambda: BatchNorm(use_scale=False, use_shift=False), skip=statistics),
        # A mask belongs to a place in the batch, and inference has none.
        layer_case("Dropout", lambda: Dropout(0.4), skip=masks),
        layer_case("Dropout-rows", lambda: Dropout(0.2), (5, 7), skip=masks),
        layer_case("Dropout-nothing", lambda: Dropout(0.0)),
        layer_case("RecurrentDropout", lambda: RecurrentDropout(0.4), skip=masks),
        layer_case("Sequential-dropout", _dropped, skip=("row alone", *masks), ignores_padding=True),
    )


def _dropped() -> Sequential:
    return Sequential(
        Dropout(0.3), SimpleRNN(4, return_sequences=True), RecurrentDropout(0.3), SimpleRNN(3), Dropout(0.3), Dense(2)
    )
