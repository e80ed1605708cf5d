"""A cell of one's own: an LSTM whose gates see its memory, through peepholes, and what they are good for.

Run it with ``python examples/peepholes.py``. It takes half a minute, proves the cell's gradients, and prints the test
errors of an `LSTM` and of the cell.

A row is two spikes, and its target the distance between them, from 10 to 30 steps: what an LSTM's gates do not see
while the output gate is closed, peepholes show them (Gers & Schmidhuber, 2000; Gers, Schraudolph & Schmidhuber, 2002).
The rows are of different lengths: each ends with its second spike.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import lamina
from lamina.layers import LSTM, Dense

SHORTEST, LONGEST = 10, 30
ROWS = 32


class PeepholeCell(lamina.Cell):
    """An LSTM's step with peepholes: weights p, one a unit, from the memory c to each gate.

    i, f = sigmoid(x w_x + h w_h + p c + b)    g = tanh(x w_x + h w_h + b)
    c' = f c + i g
    o = sigmoid(x w_x + h w_h + p c' + b)      h' = o tanh(c')
    """

    def __init__(self, units: int) -> None:
        self.units = units

    @property
    def state_sizes(self) -> tuple[int, int]:
        """Of h and c."""
        return self.units, self.units

    def build(self, x: Any, h: Any, c: Any) -> Any:
        """Create the weights, the gates side by side: i, f, g, o."""
        self.w_x = lamina.Parameter((self.size_of(x, -1), 4 * self.units), "glorot_uniform")
        self.w_h = lamina.Parameter((self.units, 4 * self.units), "orthogonal")
        self.b = lamina.Parameter((4 * self.units,), lamina.initializers.Side(["zeros", "ones", "zeros", "zeros"]))
        self.p = lamina.Parameter((3, self.units), "zeros")  # of i, f and o
        return h, c

    def forward(self, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
        """Return h' and c'."""
        backend, (p_i, p_f, p_o) = self.backend, self.p.data
        tanh = backend.xp.tanh

        def sigmoid(a: Any) -> Any:
            return tanh(a / 2) / 2 + 0.5

        sums = backend.matmul(x, self.w_x.data) + backend.matmul(h, self.w_h.data) + self.b.data
        i, f, g, o = backend.split(sums, [self.units] * 4, -1)
        i, f, g = sigmoid(i + p_i * c), sigmoid(f + p_f * c), tanh(g)
        new = f * c + i * g
        o, squashed = sigmoid(o + p_o * new), tanh(new)
        return (o * squashed, new), (x, h, c, i, f, g, o, new, squashed)

    def backward(self, gradients: Any, saved: Any) -> Any:
        """Return the gradients of x, h and c; add the weights'."""
        (dh, dc), (x, h, c, i, f, g, o, new, squashed) = gradients, saved
        backend, (p_i, p_f, p_o) = self.backend, self.p.data
        xp = backend.xp
        do = dh * squashed * o * (1 - o)
        dc = dc + dh * o * (1 - squashed * squashed) + do * p_o
        di, df, dg = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g)
        sums = backend.concatenate([di, df, dg, do], -1)
        self.w_x.grad += backend.matmul(x.T, sums)
        self.w_h.grad += backend.matmul(h.T, sums)
        self.b.grad += xp.sum(sums, axis=0)
        self.p.grad += xp.stack([xp.sum(one, axis=0) for one in (di * c, df * c, do * new)])
        return (
            backend.matmul(sums, self.w_x.data.T),
            backend.matmul(sums, self.w_h.data.T),
            dc * f + di * p_i + df * p_f,
        )


def draw_rows(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x (rows, time, 1), the lengths, and the distances (rows, 1), in units of the longest."""
    distances = rng.integers(SHORTEST, LONGEST + 1, rows)
    start = rng.integers(0, 5, rows)
    lengths = start + distances + 1
    x = np.zeros((rows, int(lengths.max()), 1), "float32")
    x[np.arange(rows), start] = x[np.arange(rows), lengths - 1] = 1
    return x, lengths, (distances / LONGEST)[:, None].astype("float32")


def test_error(layer: lamina.Layer, steps: int, seed: int) -> float:
    """Train a network of a recurrent layer, and return by how many steps it is wrong, on average, on new rows."""
    model = lamina.Sequential(layer, Dense(1))
    model.build((None, None, 1), seed=seed)
    loss, optimizer = (
        lamina.losses.MeanSquaredError(),
        lamina.optimizers.Adam(model.parameters(), lr=0.01, clip_norm=1.0),
    )
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        x, lengths, target = draw_rows(rng, ROWS)
        optimizer.zero_grad()
        prediction, saved = model.forward(x, lengths=lengths)
        _, loss_saved = loss.forward(prediction, target)
        model.backward(loss.backward(loss_saved), saved)
        optimizer.step()
    x, lengths, target = draw_rows(np.random.default_rng([seed, 1]), 500)
    return float(LONGEST * abs(model(x, lengths=lengths) - target).mean())


def main() -> None:
    """Prove the cell, train both networks, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=500, help="of training")
    parser.add_argument("--units", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()

    report = lamina.testing.check_layer(lamina.Recurrent(PeepholeCell(3)), (4, 5, 2))
    print(f"the cell as a layer: {len(report.passed)} checks passed")
    for name, make in (
        ("LSTM", lambda: LSTM(arguments.units)),
        ("peepholes", lambda: lamina.Recurrent(PeepholeCell(arguments.units))),
    ):
        began = time.perf_counter()
        errors = [test_error(make(), arguments.steps, seed) for seed in range(arguments.seeds)]
        each = ", ".join(f"{error:.2f}" for error in errors)
        print(f"{name:<9} wrong by {np.mean(errors):.2f} steps ({each}), {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
