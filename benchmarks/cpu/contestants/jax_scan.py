"""JAX: the step as a whole compiled once, the input's products outside `lax.scan`, the parameters donated."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import RATE, Inference, Training

__all__ = ["inference", "start", "training"]

Arrays = dict[str, jax.Array]
States = tuple[jax.Array, ...]


def start(threads: int) -> None:
    """Do nothing: XLA makes as many threads as the process may use cores."""


def _step(kind: str, w: Arrays, states: States, a: jax.Array) -> States:
    """Return the states after a step, of whose input ``a`` is the product with w_x, plus b."""
    k = states[0] @ w["0.w_h"]
    if kind == "SimpleRNN":
        return (jnp.tanh(a + k),)
    if kind == "LSTM":
        i, f, g, o = jnp.split(a + k, 4, axis=1)
        c = jax.nn.sigmoid(f) * states[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c
    r, z, n = jnp.split(a, 3, axis=1)
    k_r, k_z, k_n = jnp.split(k, 3, axis=1)
    r, z = jax.nn.sigmoid(r + k_r), jax.nn.sigmoid(z + k_z)
    n = jnp.tanh(n + r * (k_n + w["0.b_h"]))
    return (n + z * (states[0] - n),)


def _zeros(kind: str, batch: int, units: int) -> States:
    return tuple(jnp.zeros((batch, units)) for _ in range(2 if kind == "LSTM" else 1))


def _logits(kind: str, w: Arrays, x: jax.Array, states: States) -> tuple[jax.Array, States]:
    """Return the logits after x (time, batch, features), and the states."""
    products = x @ w["0.w_x"] + w["0.b"]
    states, _ = jax.lax.scan(lambda before, a: (_step(kind, w, before, a), None), states, products)
    return states[0] @ w["1.w"] + w["1.b"], states


def training(work: Training) -> Prepared:
    """Return a training step. Unrolling the scan by 2, 4 or 8 made it no faster."""
    x, y = work.data()
    x, y = jnp.asarray(np.ascontiguousarray(x.transpose(1, 0, 2))), jnp.asarray(y)

    def loss(w: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
        logits, _ = _logits(work.kind, w, x, _zeros(work.kind, work.batch, work.units))
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1).mean()

    @partial(jax.jit, donate_argnums=0)
    def update(w: Arrays, x: jax.Array, y: jax.Array) -> tuple[Arrays, jax.Array]:
        value, gradients = jax.value_and_grad(loss)(w, x, y)
        return jax.tree.map(lambda array, gradient: array - RATE * gradient, w, gradients), value

    w = {name: jnp.asarray(array) for name, array in work.weights().items()}

    def step() -> None:
        nonlocal w
        w, value = update(w, x, y)
        value.block_until_ready()

    def results() -> dict[str, Any]:
        value, gradients = jax.jit(jax.value_and_grad(loss))(w, x, y)
        return {"loss": np.asarray(value)} | {name: np.asarray(array) for name, array in gradients.items()}

    return Prepared(step, results)


def inference(work: Inference) -> Prepared:
    """Return the compiled model of a whole sequence, or of a step; inputs and logits stay JAX's own."""
    w = {name: jnp.asarray(array) for name, array in work.weights().items()}
    x = jnp.asarray(work.data().transpose(1, 0, 2))
    zeros = _zeros(work.kind, 1, work.units)

    @jax.jit
    def whole(x: jax.Array) -> jax.Array:  # the weights are constants, which takes less time than to hand them in
        return _logits(work.kind, w, x, zeros)[0]

    if work.time > 1:
        return Prepared(lambda: whole(x).block_until_ready(), lambda: {"logits": np.asarray(whole(x))})

    @jax.jit
    def read(x: jax.Array, states: States) -> tuple[jax.Array, States]:
        return _logits(work.kind, w, x, states)

    first, kept = x[:1], zeros

    def step() -> None:
        nonlocal kept
        logits, kept = read(first, kept)
        logits.block_until_ready()

    def results() -> dict[str, Any]:
        found, own = {}, zeros
        for t in range(len(x)):
            logits, own = read(x[t : t + 1], own)
            found[f"logits {t}"] = np.asarray(logits)
        return found

    return Prepared(step, results)
