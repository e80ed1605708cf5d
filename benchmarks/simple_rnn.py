"""One training step of a SimpleRNN classifier: Lamina, a hand-written NumPy loop, and PyTorch.

The work of a step: forward over the sequence, a Dense layer on the last state, softmax cross-entropy, the
backward pass to all parameters, and an SGD update; float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lamina
from benchmarks.harness import Times, machine, measure, require_equal

__all__ = ["SHAPES", "main"]

# (batch, time, features, units)
SHAPES = ((2, 3, 2, 4), (32, 8, 8, 32), (32, 28, 28, 64), (64, 100, 64, 128))
_CLASSES = 10
_RATE = 0.01

Step = Callable[[], Any]
Gradients = Callable[[], dict[str, np.ndarray]]


class _Work:
    """The data and first weights that every contestant gets."""

    def __init__(self, batch: int, time: int, features: int, units: int) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((batch, time, features)).astype(np.float32)
        self.y = rng.integers(0, _CLASSES, batch)
        model = lamina.Sequential(lamina.layers.SimpleRNN(units), lamina.layers.Dense(_CLASSES))
        model.build(self.x.shape, backend="numpy", seed=0)
        self.model = model
        self.weights = model.state_dict()


def _lamina(work: _Work) -> tuple[Step, Gradients]:
    model, loss = work.model, lamina.losses.SoftmaxCrossEntropy()
    optimizer = lamina.optimizers.SGD(model.parameters(), lr=_RATE)

    def gradients() -> dict[str, np.ndarray]:
        optimizer.zero_grad()
        prediction, saved = model.forward(work.x)
        value, loss_saved = loss.forward(prediction, work.y)
        model.backward(loss.backward(loss_saved), saved)
        return {"loss": value, **{p.name: p.grad for p in model.parameters()}}

    def step() -> None:
        optimizer.zero_grad()
        prediction, saved = model.forward(work.x)
        _, loss_saved = loss.forward(prediction, work.y)
        model.backward(loss.backward(loss_saved), saved)
        optimizer.step()

    return step, gradients


def _by_hand(work: _Work) -> tuple[Step, Gradients]:
    """Return what one would write down from the equations, with the care of someone who knows NumPy."""
    w = {name: array.copy() for name, array in work.weights.items()}
    x, y = work.x, work.y
    batch, time, _ = x.shape
    rows = np.arange(batch)

    def gradients() -> dict[str, np.ndarray]:
        h = np.zeros((batch, w["0.w_h"].shape[0]), np.float32)
        states = [h]
        for t in range(time):
            h = np.tanh(x[:, t] @ w["0.w_x"] + h @ w["0.w_h"] + w["0.b"])
            states.append(h)
        logits = h @ w["1.w"] + w["1.b"]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, y]).mean()
        p[rows, y] -= 1
        p /= batch
        g = {name: np.zeros_like(array) for name, array in w.items()}
        g["1.w"] = h.T @ p
        g["1.b"] = p.sum(axis=0)
        dh = p @ w["1.w"].T
        for t in range(time - 1, -1, -1):
            da = dh * (1 - states[t + 1] ** 2)
            g["0.w_x"] += x[:, t].T @ da
            g["0.w_h"] += states[t].T @ da
            g["0.b"] += da.sum(axis=0)
            dh = da @ w["0.w_h"].T
        return {"loss": loss, **g}

    def step() -> None:
        for name, gradient in gradients().items():
            if name in w:
                w[name] -= _RATE * gradient

    return step, gradients


def _torch(work: _Work) -> tuple[Step, Gradients]:
    """Return PyTorch's step as its users would set it up at its best: time-major input, converted once."""
    import torch

    features = work.x.shape[-1]
    units = work.weights["0.w_h"].shape[0]
    rnn, head = torch.nn.RNN(features, units), torch.nn.Linear(units, _CLASSES)
    with torch.no_grad():
        rnn.weight_ih_l0.copy_(torch.from_numpy(work.weights["0.w_x"].T))
        rnn.weight_hh_l0.copy_(torch.from_numpy(work.weights["0.w_h"].T))
        rnn.bias_ih_l0.zero_()
        rnn.bias_hh_l0.zero_()
        head.weight.copy_(torch.from_numpy(work.weights["1.w"].T))
        head.bias.zero_()
    x = torch.from_numpy(np.ascontiguousarray(work.x.transpose(1, 0, 2)))
    y = torch.from_numpy(work.y)
    optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], lr=_RATE)

    def loss() -> Any:
        optimizer.zero_grad()
        _, last = rnn(x)
        value = torch.nn.functional.cross_entropy(head(last[0]), y)
        value.backward()
        return value

    def step() -> None:
        loss()
        optimizer.step()

    def gradients() -> dict[str, np.ndarray]:
        value = loss().detach().numpy()
        return {
            "loss": value,
            "0.w_x": rnn.weight_ih_l0.grad.numpy().T,
            "0.w_h": rnn.weight_hh_l0.grad.numpy().T,
            "0.b": rnn.bias_ih_l0.grad.numpy(),
            "1.w": head.weight.grad.numpy().T,
            "1.b": head.bias.grad.numpy(),
        }

    return step, gradients


def run(shape: tuple[int, int, int, int]) -> dict[str, Times]:
    """Check that all contestants compute the same gradients, then time their steps in turn."""
    work = _Work(*shape)
    contestants = {"lamina": _lamina(work), "by hand": _by_hand(work)}
    try:
        contestants["pytorch"] = _torch(work)
    except ImportError:
        print("PyTorch is not installed (pip install 'lamina[parity]'): left out")
    require_equal({name: gradients() for name, (_, gradients) in contestants.items()}, tolerance=1e-3)
    return measure({name: step for name, (step, _) in contestants.items()})


def main() -> None:
    """Print a table: milliseconds a step, and the rivals' time over Lamina's."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print("SimpleRNN training step, float32; ratio = their time / Lamina's, median of interleaved rounds\n")
    print(f"{'(batch, time, features, units)':32}{'lamina ms':>11}{'by hand ms':>12}{'ratio':>7}", end="")
    print(f"{'pytorch ms':>12}{'ratio':>7}")
    for shape in SHAPES:
        times = run(shape)
        ours = times["lamina"]
        line = f"{shape!s:32}{ours.median * 1e3:11.3f}"
        for name in ("by hand", "pytorch"):
            if name in times:
                line += f"{times[name].median * 1e3:12.3f}{times[name].ratio_to(ours):7.2f}"
        print(line, flush=True)
