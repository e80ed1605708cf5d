"""Keras on JAX: its layers and its optimizer in a jitted stateless step.

That is Keras's own way to write a training step for JAX. ``train_on_batch`` does the same and more around it: it took
13 times as long for an LSTM at (2, 3, 2, 4), and 1.4 times at (32, 28, 28, 64).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from benchmarks.cpu.model_work import Attending, Language
from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import CLASSES, RATE, Loop, Ragged, Training, Weights

__all__ = ["attending", "language", "loop", "ragged", "start", "training"]


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


class _Step:
    """A model, its weights and optimizer state outside of it, and the jitted step over them.

    Parameters
    ----------
    model : keras.Model
        With the first weights.
    """

    def __init__(self, model: keras.Model) -> None:
        optimizer = keras.optimizers.SGD(RATE)
        optimizer.build(model.trainable_variables)
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        fixed = [variable.value for variable in model.non_trainable_variables]

        def loss(trainable: list[jax.Array], x: Any, y: jax.Array) -> jax.Array:
            logits, _ = model.stateless_call(trainable, fixed, x, training=True)
            return cross_entropy(y, logits)

        @partial(jax.jit, donate_argnums=(0, 1))
        def update(
            trainable: list[jax.Array], state: list[jax.Array], x: Any, y: jax.Array
        ) -> tuple[list[jax.Array], list[jax.Array], jax.Array]:
            value, gradients = jax.value_and_grad(loss)(trainable, x, y)
            trainable, state = optimizer.stateless_apply(state, gradients, trainable)
            return trainable, state, value

        self._loss, self._update = loss, update
        # Copies, as an array that is donated is gone, and the model still holds its own.
        self._trainable = [jnp.array(variable.value) for variable in model.trainable_variables]
        self._state = [jnp.array(variable.value) for variable in optimizer.variables]

    def __call__(self, x: Any, y: jax.Array) -> jax.Array:
        """Take a step; return the loss, which may not be there yet."""
        self._trainable, self._state, value = self._update(self._trainable, self._state, x, y)
        return value

    def prepared(self, x: Any, y: jax.Array, names: Callable[[list[Any]], Weights]) -> Prepared:
        """Return steps on a batch, with what names the gradients."""

        def results() -> dict[str, Any]:
            value, gradients = jax.jit(jax.value_and_grad(self._loss))(self._trainable, x, y)
            return {"loss": np.asarray(value)} | names(gradients)

        return Prepared(lambda: self(x, y).block_until_ready(), results)


def _assign(model: keras.Model, arrays: list[np.ndarray]) -> None:
    for variable, array in zip(model.trainable_variables, arrays, strict=True):
        variable.assign(array)


def _classifier(work: Training | Ragged | Loop, masked: bool = False) -> _Step:
    inputs = keras.Input((work.time, work.features))
    mask = keras.Input((work.time,), dtype="bool") if masked else None
    state = getattr(keras.layers, work.kind)(work.units)(inputs, mask=mask)
    model = keras.Model([inputs, mask] if masked else inputs, keras.layers.Dense(CLASSES)(state))
    _assign(model, _from_ours(work.kind, work.weights()))
    return _Step(model)


def training(work: Training) -> Prepared:
    """Return a training step."""
    x, y = map(jnp.asarray, work.data())
    return _classifier(work).prepared(x, y, partial(_to_ours, work.kind))


def ragged(work: Ragged) -> Prepared:
    """Return a training step with the layer's mask."""
    x, y, lengths = work.data()
    mask = jnp.asarray(np.arange(work.time) < lengths[:, None])
    return _classifier(work, masked=True).prepared([jnp.asarray(x), mask], jnp.asarray(y), partial(_to_ours, work.kind))


def language(work: Language) -> Prepared:
    """Return a training step of the language model."""
    x, y = map(jnp.asarray, work.data())
    weights = work.weights()
    model = keras.Sequential(
        [
            keras.Input((work.time,), dtype="int32"),
            keras.layers.Embedding(work.vocabulary, work.vectors),
            keras.layers.LSTM(work.units, return_sequences=True),
            keras.layers.Dense(work.vocabulary),
        ]
    )
    names = ("0.w", "1.w_x", "1.w_h", "1.b", "2.w", "2.b")
    _assign(model, [weights[name] for name in names])
    return _Step(model).prepared(x, y, lambda arrays: dict(zip(names, map(np.asarray, arrays), strict=True)))


def attending(work: Attending) -> Prepared:
    """Return a training step of the attention model."""
    x, y = map(jnp.asarray, work.data())
    weights, heads, size = work.weights(), work.heads, work.units // work.heads
    inputs = keras.Input((work.time, work.units))
    attended = keras.layers.MultiHeadAttention(heads, size)(inputs, inputs)
    normed = keras.layers.LayerNormalization(epsilon=work.epsilon)(attended)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(normed))
    names = [f"0.{kind}_{name}" for name in "qkv" for kind in "wb"] + ["0.w_o", "0.b_o"]
    names += ["1.scale", "1.shift", "2.w", "2.b"]
    shapes = [variable.shape for variable in model.trainable_variables]
    _assign(model, [weights[name].reshape(shape) for name, shape in zip(names, shapes, strict=True)])

    def to_ours(arrays: list[Any]) -> Weights:
        return {name: np.asarray(array).reshape(weights[name].shape) for name, array in zip(names, arrays, strict=True)}

    return _Step(model).prepared(x, y, to_ours)


def loop(work: Loop) -> Prepared:
    """Return steps over batches that lie ready; the losses are waited for at the end."""
    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in work.batches()]
    step = _classifier(work)

    def epoch() -> list[jax.Array]:
        losses = [step(x, y) for x, y in batches]
        jax.block_until_ready(losses)
        return losses

    return Prepared(epoch, lambda: {"loss": np.mean(epoch())}, work.steps)
