"""JAX: the step as a whole compiled once, the input's products outside `lax.scan`, the parameters donated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cpu.model_work import Attending, Language
from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import RATE, Inference, Loop, Ragged, Training, Weights

__all__ = ["attending", "inference", "language", "loop", "ragged", "start", "training"]

Arrays = dict[str, jax.Array]
Loss = Callable[..., jax.Array]
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


def _compiled(loss: Loss) -> Callable[..., tuple[Arrays, jax.Array]]:
    """Return the whole step (weights, *data) -> (weights, loss), compiled; the weights before are gone then."""

    @partial(jax.jit, donate_argnums=0)
    def update(w: Arrays, *data: jax.Array) -> tuple[Arrays, jax.Array]:
        value, gradients = jax.value_and_grad(loss)(w, *data)
        return jax.tree.map(lambda array, gradient: array - RATE * gradient, w, gradients), value

    return update


def _stepping(loss: Loss, weights: Weights, *data: np.ndarray) -> Prepared:
    """Return a training step of a loss (weights, *data)."""
    update = _compiled(loss)
    w = {name: jnp.asarray(array) for name, array in weights.items()}
    given = [jnp.asarray(array) for array in data]

    def step() -> None:
        nonlocal w
        w, value = update(w, *given)
        value.block_until_ready()

    def results() -> dict[str, Any]:
        value, gradients = jax.jit(jax.value_and_grad(loss))(w, *given)
        return {"loss": np.asarray(value)} | {name: np.asarray(array) for name, array in gradients.items()}

    return Prepared(step, results)


def _cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[..., None], axis=-1).mean()


def _classifier(work: Training | Loop) -> Loss:
    def loss(w: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
        logits, _ = _logits(work.kind, w, x, _zeros(work.kind, work.batch, work.units))
        return _cross_entropy(logits, y)

    return loss


def training(work: Training) -> Prepared:
    """Return a training step. Unrolling the scan by 2, 4 or 8 made it no faster."""
    x, y = work.data()
    return _stepping(_classifier(work), work.weights(), np.ascontiguousarray(x.transpose(1, 0, 2)), y)


def ragged(work: Ragged) -> Prepared:
    """Return a training step in which a row that has ended keeps its states, by a mask."""
    x, y, lengths = work.data()

    def loss(w: Arrays, x: jax.Array, y: jax.Array, lengths: jax.Array) -> jax.Array:
        valid = jnp.arange(work.time)[:, None] < lengths

        def read(states: States, given: tuple[jax.Array, jax.Array]) -> tuple[States, None]:
            a, goes_on = given
            after = _step(work.kind, w, states, a)
            return tuple(jnp.where(goes_on[:, None], *both) for both in zip(after, states, strict=True)), None

        products = x @ w["0.w_x"] + w["0.b"]
        states, _ = jax.lax.scan(read, _zeros(work.kind, work.batch, work.units), (products, valid))
        return _cross_entropy(states[0] @ w["1.w"] + w["1.b"], y)

    return _stepping(loss, work.weights(), np.ascontiguousarray(x.transpose(1, 0, 2)), y, lengths)


def language(work: Language) -> Prepared:
    """Return a training step of the language model, time first."""
    x, y = work.data()

    def loss(w: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
        cell = {name.replace("1.", "0."): array for name, array in w.items() if name.startswith("1.")}

        def read(before: States, a: jax.Array) -> tuple[States, jax.Array]:
            after = _step("LSTM", cell, before, a)
            return after, after[0]

        products = w["0.w"][x] @ w["1.w_x"] + w["1.b"]
        _, outputs = jax.lax.scan(read, _zeros("LSTM", work.batch, work.units), products)
        return _cross_entropy(outputs @ w["2.w"] + w["2.b"], y)

    return _stepping(loss, work.weights(), np.ascontiguousarray(x.T), np.ascontiguousarray(y.T))


def attending(work: Attending) -> Prepared:
    """Return a training step of the attention model."""

    def loss(w: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
        heads = (work.batch, work.time, work.heads, work.units // work.heads)
        q, k, v = ((x @ w[f"0.w_{name}"] + w[f"0.b_{name}"]).reshape(heads) for name in "qkv")
        a = jax.nn.dot_product_attention(q, k, v).reshape(x.shape) @ w["0.w_o"] + w["0.b_o"]
        centred = a - a.mean(axis=-1, keepdims=True)
        spread = jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + work.epsilon)
        return _cross_entropy((centred / spread * w["1.scale"] + w["1.shift"]) @ w["2.w"] + w["2.b"], y)

    return _stepping(loss, work.weights(), *work.data())


def loop(work: Loop) -> Prepared:
    """Return compiled steps over batches that lie ready; the losses are waited for at the end."""
    batches = [(jnp.asarray(np.ascontiguousarray(x.transpose(1, 0, 2))), jnp.asarray(y)) for x, y in work.batches()]
    update = _compiled(_classifier(work))
    w = {name: jnp.asarray(array) for name, array in work.weights().items()}

    def epoch() -> list[jax.Array]:
        nonlocal w
        losses = []
        for x, y in batches:
            w, value = update(w, x, y)
            losses.append(value)
        jax.block_until_ready(losses)
        return losses

    return Prepared(epoch, lambda: {"loss": np.mean(epoch())}, work.steps)


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
