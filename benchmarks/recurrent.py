"""One training step of LSTM and GRU classifiers, of one layer and of two: Lamina and PyTorch.

The work of a step is that of `benchmarks.simple_rnn`: forward over the sequence, a Dense layer on the last
state, softmax cross-entropy, the backward pass to all parameters, and an SGD update; float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import lamina
from benchmarks.harness import Times, machine, measure, require_equal

__all__ = ["SHAPES", "main"]

# (batch, time, features, units)
SHAPES = ((2, 3, 2, 4), (32, 8, 8, 32), (32, 28, 28, 64), (64, 100, 64, 128), (128, 128, 128, 512))
_CLASSES = 10
_RATE = 0.01

Step = Callable[[], Any]
Gradients = Callable[[], dict[str, np.ndarray]]


class _Work:
    """The data and first weights that both contestants get."""

    def __init__(self, kind: str, layers: int, batch: int, time: int, features: int, units: int) -> None:
        rng = np.random.default_rng(0)
        self.kind, self.layers = kind, layers
        self.x = rng.standard_normal((batch, time, features)).astype(np.float32)
        self.y = rng.integers(0, _CLASSES, batch)
        layer = getattr(lamina.layers, kind)
        self.model = lamina.Sequential(
            *(layer(units, return_sequences=True) for _ in range(layers - 1)),
            layer(units),
            lamina.layers.Dense(_CLASSES),
        )
        self.model.build(self.x.shape, backend="numpy", seed=0)
        self.weights = self.model.state_dict()


def _lamina(work: _Work) -> tuple[Step, Gradients]:
    model, loss = work.model, lamina.losses.SoftmaxCrossEntropy()
    optimizer = lamina.optimizers.SGD(model.parameters(), lr=_RATE)

    def backward() -> Any:
        optimizer.zero_grad()
        prediction, saved = model.forward(work.x)
        value, loss_saved = loss.forward(prediction, work.y)
        model.backward(loss.backward(loss_saved), saved)
        return value

    def step() -> None:
        backward()
        optimizer.step()

    def gradients() -> dict[str, np.ndarray]:
        return {"loss": backward(), **{p.name: p.grad for p in model.parameters()}}

    return step, gradients


def _torch(work: _Work) -> tuple[Step, Gradients]:
    """Return PyTorch's step as its users would set it up at its best: time-major input, converted once."""
    import torch

    _, _, features = work.x.shape
    dense = str(work.layers)
    units = work.weights["0.w_h"].shape[0]
    rnn, head = getattr(torch.nn, work.kind)(features, units, work.layers), torch.nn.Linear(units, _CLASSES)

    def pairs(of: Callable[[Any], Any]) -> Iterator[tuple[str, Any]]:
        """Yield our names of the parameters with what ``of`` returns for PyTorch's."""
        for n in range(work.layers):
            yield f"{n}.w_x", of(getattr(rnn, f"weight_ih_l{n}")).T
            yield f"{n}.w_h", of(getattr(rnn, f"weight_hh_l{n}")).T
            yield f"{n}.b", of(getattr(rnn, f"bias_ih_l{n}"))
            if work.kind == "GRU":  # the only bias that does not add up with the other one
                yield f"{n}.b_h", of(getattr(rnn, f"bias_hh_l{n}"))[2 * units :]
        yield f"{dense}.w", of(head.weight).T
        yield f"{dense}.b", of(head.bias)

    with torch.no_grad():
        for n in range(work.layers):
            getattr(rnn, f"bias_hh_l{n}").zero_()
        for name, parameter in pairs(lambda parameter: parameter):
            parameter.copy_(torch.from_numpy(work.weights[name]))
    # PyTorch orders GRU gates r, z, n and LSTM gates i, f, g, o: as Lamina does.
    x = torch.from_numpy(np.ascontiguousarray(work.x.transpose(1, 0, 2)))
    y = torch.from_numpy(work.y)
    optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], lr=_RATE)

    def backward() -> Any:
        optimizer.zero_grad()
        outputs, _ = rnn(x)
        value = torch.nn.functional.cross_entropy(head(outputs[-1]), y)
        value.backward()
        return value

    def step() -> None:
        backward()
        optimizer.step()

    def gradients() -> dict[str, np.ndarray]:
        return {"loss": backward().detach().numpy(), **dict(pairs(lambda parameter: parameter.grad.numpy()))}

    return step, gradients


def run(kind: str, layers: int, shape: tuple[int, int, int, int]) -> dict[str, Times]:
    """Check that the contestants compute the same gradients, then time their steps in turn."""
    work = _Work(kind, layers, *shape)
    contestants = {"lamina": _lamina(work)}
    try:
        contestants["pytorch"] = _torch(work)
    except ImportError:
        print("PyTorch is not installed (pip install 'lamina[parity]'): left out")
    require_equal({name: gradients() for name, (_, gradients) in contestants.items()}, tolerance=1e-3)
    rounds = 5 if shape[-1] > 256 else 15
    return measure({name: step for name, (step, _) in contestants.items()}, rounds=rounds)


def main() -> None:
    """Print a table for each kind of layer: milliseconds a step, and PyTorch's time over Lamina's."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print("Training step, float32; ratio = PyTorch's time / Lamina's, median of interleaved rounds")
    for kind in ("LSTM", "GRU"):
        for layers in (1, 2):
            print(f"\n{f'{kind}, {layers} layer' + 's' * (layers > 1)}")
            print(f"{'(batch, time, features, units)':32}{'lamina ms':>11}{'pytorch ms':>12}{'ratio':>7}")
            for shape in SHAPES:
                times = run(kind, layers, shape)
                ours = times["lamina"]
                line = f"{shape!s:32}{ours.median * 1e3:11.3f}"
                if "pytorch" in times:
                    line += f"{times['pytorch'].median * 1e3:12.3f}{times['pytorch'].ratio_to(ours):7.2f}"
                print(line, flush=True)
