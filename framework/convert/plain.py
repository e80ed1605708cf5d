"""Layers whose arrays differ in names and the order of axes alone: dense ones, tables, convolutions, norms, slopes."""

from __future__ import annotations

from lamina.convert.translation import Arrays, Format, Translation, axes, translates
from lamina.core.layer import Layer
from lamina.layers.batch_norm import BatchNorm
from lamina.layers.conv1d import Conv1D
from lamina.layers.conv1d_transpose import Conv1DTranspose
from lamina.layers.dense import Dense
from lamina.layers.embedding import Embedding
from lamina.layers.group_norm import GroupNorm
from lamina.layers.layer_norm import LayerNorm
from lamina.layers.prelu import PReLU
from lamina.layers.rms_norm import RMSNorm


def _slopes(layer: Layer, own: Arrays) -> Arrays:
    """Return Keras's slopes, which have an axis of 1 for the time."""
    slope = own["slope"]
    return {"alpha": slope.reshape((1,) * (len(layer.input_shapes[0]) - 2) + slope.shape)}


translates(
    Dense,
    Translation(
        axes({"w": ("weight", (1, 0)), "b": "bias"}),
        axes({"w": "kernel", "b": "bias"}),
        "Dense",
    ),
)
translates(Embedding, Translation(axes({"w": "weight"}), axes({"w": "embeddings"}), "Embedding"))
translates(
    Conv1D,
    # PyTorch: (units, features / groups, size).
    Translation(axes({"w": ("weight", (2, 1, 0)), "b": "bias"}), axes({"w": "kernel", "b": "bias"}), "Conv1D"),
)
translates(
    Conv1DTranspose,
    # PyTorch: (features, units / groups, size); Keras: (size, units, features).
    Translation(
        axes({"w": ("weight", (1, 2, 0)), "b": "bias"}),
        axes({"w": ("kernel", (0, 2, 1)), "b": "bias"}),
        "Conv1DTranspose",
    ),
)
translates(
    BatchNorm,
    Translation(
        axes({"scale": "weight", "shift": "bias", "running_mean": "running_mean", "running_variance": "running_var"}),
        axes({"scale": "gamma", "shift": "beta", "running_mean": "moving_mean", "running_variance": "moving_variance"}),
        "BatchNormalization",
    ),
)
for _norm, _name in ((LayerNorm, "LayerNormalization"), (GroupNorm, "GroupNormalization")):
    translates(
        _norm,
        Translation(axes({"scale": "weight", "shift": "bias"}), axes({"scale": "gamma", "shift": "beta"}), _name),
    )
translates(RMSNorm, Translation(axes({"scale": "weight"}), axes({"scale": "scale"}), "RMSNormalization"))
translates(
    PReLU,
    Translation(
        axes({"slope": "weight"}),
        Format(_slopes, lambda layer, theirs: {"slope": theirs["alpha"].reshape(-1)}),
        "PReLU",
    ),
)
