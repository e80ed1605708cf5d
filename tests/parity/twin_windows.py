"""Layers over windows of the time axis in PyTorch: each on a single row (1, ...) that has no padding."""

import math

import torch
from torch.nn import functional as F

from lamina import layers
from tests.parity.twin_rows import each_row, expresses

__all__ = []


def _sides(layer, reach):
    """Return how many steps the windows of a layer may stand over a row's begin and its end."""
    if isinstance(layer.padding, str):
        before = {"valid": 0, "same": (reach - 1) // 2, "causal": reach - 1}[layer.padding]
        return before, 0 if layer.padding == "valid" else reach - 1 - before
    return (layer.padding, layer.padding) if isinstance(layer.padding, int) else layer.padding


def _padded(layer, x, size, fill):
    """Return a row as (1, features, time) with what its windows reach over its ends filled, and their number."""
    time, reach, stride = x.shape[1], (size - 1) * layer.dilation + 1, layer.stride
    before, after = _sides(layer, reach)
    whole = before + time + after

    def is_one(begin):
        cut = layer.ceil and begin < before + time and begin - stride + reach < whole
        return begin + reach <= whole or cut

    count = sum(map(is_one, range(0, whole, stride))) if time else 0
    after = max((count - 1) * stride + reach - before - time, 0)
    return F.pad(x.transpose(1, 2), (before, after), value=fill), count


@expresses(layers.Conv1D)
@each_row
def conv1d(run, layer, x):
    padded, count = _padded(layer, x, layer.kernel_size, 0.0)
    if not count:
        return x.new_zeros(1, 0, layer.units)
    w = run.of(layer.w).permute(2, 1, 0)
    y = F.conv1d(padded, w, run.of(layer.b), layer.stride, dilation=layer.dilation, groups=layer.groups)
    return y[..., :count].transpose(1, 2)


@expresses(layers.Conv1DTranspose)
@each_row
def conv1d_transpose(run, layer, x):
    time, reach = x.shape[1], (layer.kernel_size - 1) * layer.dilation + 1
    before, after = (0, 0) if layer.padding == "causal" else _sides(layer, reach)
    steps = (time - 1) * layer.stride + reach - before - after + layer.output_padding
    steps = time * layer.stride if layer.padding in ("same", "causal") else steps
    if not time or steps < 1:
        return x.new_zeros(1, 0, layer.units)
    w = run.of(layer.w).permute(1, 2, 0)
    y = F.conv_transpose1d(
        x.transpose(1, 2), w, None, layer.stride, groups=layer.groups, dilation=layer.dilation
    ).transpose(1, 2)
    y = F.pad(y, (0, 0, 0, max(before + steps - y.shape[1], 0)))[:, before : before + steps]
    return y if layer.b is None else y + run.of(layer.b)


@expresses(layers.MaxPool1D)
@each_row
def max_pool(run, layer, x):
    padded, count = _padded(layer, x, layer.pool, -math.inf)
    if not count:
        return x[:, :0]
    y = F.max_pool1d(padded, layer.pool, layer.stride, dilation=layer.dilation)[..., :count].transpose(1, 2)
    return torch.where(y == -math.inf, 0.0, y)  # of windows in which no step is


@expresses(layers.AveragePool1D)
@each_row
def average_pool(run, layer, x):
    padded, count = _padded(layer, x, layer.pool, 0.0)
    if not count:
        return x[:, :0]
    before, after = _sides(layer, (layer.pool - 1) * layer.dilation + 1) if layer.count_padding else (0, 0)
    begin = _sides(layer, (layer.pool - 1) * layer.dilation + 1)[0] - before
    counted = torch.zeros_like(padded)
    counted[..., begin : begin + before + x.shape[1] + after] = 1
    # A sum as a convolution: torch's average knows no dilation.
    ones = padded.new_ones(padded.shape[1], 1, layer.pool)
    total, steps = (
        F.conv1d(one, ones, None, layer.stride, dilation=layer.dilation, groups=padded.shape[1])[..., :count]
        for one in (padded, counted)
    )
    return (total / steps.clamp(min=1)).transpose(1, 2)
