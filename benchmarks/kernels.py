"""Convolution, normalization, attention and CTC beside PyTorch: forward and backward, one thread, float32.

Of Lamina, the backends numpy and numba.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lamina
from benchmarks.ctc import by_lamina, by_torch
from benchmarks.harness import machine, measure, require_equal

__all__ = ["SHAPES", "main"]

# (batch, time, channels)
SHAPES = ((32, 100, 64), (64, 500, 128))
_SIZE, _HEADS = 3, 4
_BACKENDS = ("numpy", "numba")

Gradients = Callable[[], dict[str, np.ndarray[Any, Any]]]


def _layers(channels: int) -> dict[str, tuple[lamina.Layer, Any]]:
    """Return each layer and PyTorch's, which takes the channels where it wants them."""
    import torch

    def turned(module: Any) -> Callable[[Any], Any]:
        return lambda x: module(x.transpose(1, 2)).transpose(1, 2)

    attention = torch.nn.MultiheadAttention(channels, _HEADS, batch_first=True)
    convolution = torch.nn.Conv1d(channels, channels, _SIZE, padding=1)
    norm, batch_norm = torch.nn.LayerNorm(channels), torch.nn.BatchNorm1d(channels)
    layers = lamina.layers
    return {
        "Conv1D": (layers.Conv1D(channels, _SIZE, padding="same"), (convolution, turned(convolution))),
        "LayerNorm": (layers.LayerNorm(), (norm, norm)),
        "BatchNorm": (layers.BatchNorm(), (batch_norm, turned(batch_norm))),
        "SelfAttention": (
            layers.SelfAttention(_HEADS),
            (attention, lambda x: attention(x, x, x, need_weights=False)[0]),
        ),
    }


def _lamina(layer: lamina.Layer, x: np.ndarray[Any, Any], dy: np.ndarray[Any, Any], backend: str) -> Gradients:
    layer.build((None, None, x.shape[2]), seed=0, backend=backend)

    def gradients() -> dict[str, np.ndarray[Any, Any]]:
        layer.zero_grad()
        y, saved = layer.forward(x)
        return {"y": y, "dx": layer.backward(dy, saved)}

    return gradients


def _torch(layer: lamina.Layer, pair: Any, x: np.ndarray[Any, Any], dy: np.ndarray[Any, Any]) -> Gradients:
    """Return PyTorch's, with the layer's weights."""
    import torch

    module, call = pair
    with torch.no_grad():
        if isinstance(layer, lamina.layers.SelfAttention):
            weights = [own.numpy().T for own in (layer.w_q, layer.w_k, layer.w_v)]
            module.in_proj_weight.copy_(torch.tensor(np.concatenate(weights)))
            module.out_proj.weight.copy_(torch.tensor(layer.w_o.numpy().T.copy()))
            module.in_proj_bias.zero_()
            module.out_proj.bias.zero_()
        elif isinstance(layer, lamina.layers.Conv1D):
            module.weight.copy_(torch.tensor(layer.w.numpy().transpose(2, 1, 0).copy()))
            module.bias.zero_()
    x_t, dy_t = torch.tensor(x, requires_grad=True), torch.tensor(dy)

    def gradients() -> dict[str, np.ndarray[Any, Any]]:
        module.zero_grad(set_to_none=False)
        x_t.grad = None
        y = call(x_t)
        y.backward(dy_t)
        assert x_t.grad is not None
        return {"y": y.detach().numpy(), "dx": x_t.grad.numpy()}

    return gradients


def main() -> None:
    """Print milliseconds for forward and backward, and PyTorch's time over Lamina's."""
    import torch

    torch.set_num_threads(1)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print("forward and backward, float32; ratio = PyTorch's time / Lamina's, median of interleaved rounds\n")
    columns = "".join(f"{backend + ' ms':>12}{'ratio':>7}" for backend in _BACKENDS)
    print(f"{'kernel':15}{'(batch, time, ...)':21}{'pytorch ms':>11}{columns}")
    for batch, time, channels in SHAPES:
        rng = np.random.default_rng(0)
        x, dy = (rng.standard_normal((batch, time, channels)).astype("float32") for _ in range(2))
        rivals = {
            name: {
                **{backend: _lamina(_layers(channels)[name][0], x, dy, backend) for backend in _BACKENDS[1:]},
                _BACKENDS[0]: _lamina(layer, x, dy, _BACKENDS[0]),
                "pytorch": _torch(layer, pair, x, dy),
            }
            for name, (layer, pair) in _layers(channels).items()
        }
        labels = rng.integers(1, channels, (batch, time // 10))
        rivals["CTC"] = {backend: by_lamina(x, labels, backend) for backend in _BACKENDS}
        rivals["CTC"]["pytorch"] = by_torch(x, labels)
        for name, contestants in rivals.items():
            require_equal({own: call() for own, call in contestants.items()}, tolerance=1e-2)
            times = measure(contestants, rounds=9)
            line = f"{name:15}{(batch, time, channels)!s:21}{times['pytorch'].median * 1e3:11.2f}"
            for backend in _BACKENDS:
                line += f"{times[backend].median * 1e3:12.2f}{times['pytorch'].ratio_to(times[backend]):7.2f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
