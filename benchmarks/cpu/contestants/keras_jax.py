"""Keras on JAX: its layers and its optimizer in a jitted stateless step.

That is Keras's own way to write a training step for JAX. ``train_on_batch`` does the same and more around it: it took
13 times as long for an LSTM at (2, 3, 2, 4), and 1.4 times at (32, 28, 28, 64).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import CLASSES, RATE, Training, Weights

__all__ = ["start", "training"]


def start(threads: int) -> None:
    """Check that Keras is on JAX; XLA makes as many threads as the process may use cores."""
    if keras.backend.backend() != "jax":
        raise RuntimeError("KERAS_BACKEND is not jax")


def _from_ours(kind: str, weights: Weights) -> list[np.ndarray]:
    """Return the weights in Keras's order: kernel, recurrent kernel, bias; Dense's kernel and bias."""
    w_x, w_h, b = (weights[f"0.{name}"] for name in ("w_x", "w_h", "b"))
    if kind == "GRU":  # gates z, r, h for r, z, n, and a second bias of all gates
        inside = np.zeros_like(b)
        inside[-len(weights["0.b_h"]) :] = weights["0.b_h"]
        w_x, w_h, b = _swapped(w_x), _swapped(w_h), np.stack([_swapped(b), _swapped(inside)])
    return [w_x, w_h, b, weights["1.w"], weights["1.b"]]


def _to_ours(kind: str, arrays: list[Any]) -> Weights:
    w_x, w_h, b, w, head_b = (np.asarray(array) for array in arrays)
    ours = {"1.w": w, "1.b": head_b}
    if kind == "GRU":
        ours["0.b_h"] = b[1, -w_h.shape[0] :]
        w_x, w_h, b = _swapped(w_x), _swapped(w_h), _swapped(b[0])
    return ours | {"0.w_x": w_x, "0.w_h": w_h, "0.b": b}


def _swapped(array: np.ndarray) -> np.ndarray:
    """Return the three gates in the last axis with the first two changed round."""
    first, second, third = np.split(array, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)


def training(work: Training) -> Prepared:
    """Return a training step."""
    x, y = work.data()
    layer = getattr(keras.layers, work.kind)(work.units)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer, keras.layers.Dense(CLASSES)])
    optimizer = keras.optimizers.SGD(RATE)
    optimizer.build(model.trainable_variables)
    for variable, array in zip(model.trainable_variables, _from_ours(work.kind, work.weights()), strict=True):
        variable.assign(array)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fixed = [variable.value for variable in model.non_trainable_variables]
    x, y = jnp.asarray(x), jnp.asarray(y)

    def loss(trainable: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        logits, _ = model.stateless_call(trainable, fixed, x, training=True)
        return cross_entropy(y, logits)

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(
        trainable: list[jax.Array], state: list[jax.Array], x: jax.Array, y: jax.Array
    ) -> tuple[list[jax.Array], list[jax.Array], jax.Array]:
        value, gradients = jax.value_and_grad(loss)(trainable, x, y)
        trainable, state = optimizer.stateless_apply(state, gradients, trainable)
        return trainable, state, value

    # Copies, as an array that is donated is gone, and the model still holds its own.
    trainable = [jnp.array(variable.value) for variable in model.trainable_variables]
    state = [jnp.array(variable.value) for variable in optimizer.variables]

    def step() -> None:
        nonlocal trainable, state
        trainable, state, value = update(trainable, state, x, y)
        value.block_until_ready()

    def results() -> dict[str, Any]:
        value, gradients = jax.jit(jax.value_and_grad(loss))(trainable, x, y)
        return {"loss": np.asarray(value)} | _to_ours(work.kind, gradients)

    return Prepared(step, results)
