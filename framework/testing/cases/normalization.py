"""The cases of normalization over rows, by the root mean square, in groups, and by measured statistics."""

from __future__ import annotations

import numpy as np

from lamina.layers import GroupNorm, LayerNorm, RMSNorm, Standardize
from lamina.testing.cases.case import LayerCase, layer_case

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of these layers."""
    plain = {"use_scale": False, "use_shift": False}
    return (
        layer_case("LayerNorm-time", lambda: LayerNorm(axis=1, **plain)),
        layer_case("LayerNorm-fixed-time", lambda: LayerNorm(axis=1)),
        layer_case("LayerNorm-row", lambda: LayerNorm(axis=(1, 2))),
        layer_case("LayerNorm-open-row", lambda: LayerNorm(axis=(-1, -2), epsilon=0.1, **plain)),
        layer_case("LayerNorm-step", lambda: LayerNorm(axis=(2, 3)), (5, 4, 2, 3), lengths=True),
        layer_case("LayerNorm-middle", lambda: LayerNorm(axis=2, use_shift=False), (5, 4, 2, 3), lengths=True),
        layer_case("RMSNorm", RMSNorm),
        layer_case("RMSNorm-rows", lambda: RMSNorm(epsilon=0.1), (5, 7)),
        layer_case("RMSNorm-plain", lambda: RMSNorm(use_scale=False)),
        layer_case("GroupNorm", lambda: GroupNorm(2), (5, 4, 6)),
        layer_case("GroupNorm-one", lambda: GroupNorm(1)),
        layer_case("GroupNorm-each", lambda: GroupNorm(3, use_shift=False)),
        layer_case("GroupNorm-rows", lambda: GroupNorm(2, epsilon=0.1), (5, 8)),
        layer_case("GroupNorm-four-axes", lambda: GroupNorm(2), (4, 3, 2, 4), lengths=True),
        layer_case("GroupNorm-plain", lambda: GroupNorm(2, **plain), (5, 4, 6)),
        layer_case("Standardize", Standardize),
        layer_case("Standardize-adapted", lambda: Standardize().adapt(_DATA)),
        layer_case("Standardize-rows", lambda: Standardize().adapt(_DATA[:, 0]), (5, 3)),
    )


_DATA = np.random.default_rng(8).normal(size=(20, 3, 3)) * [0.5, 2.0, 3.0] + [1.0, -2.0, 0.0]
