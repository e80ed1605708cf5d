"""PyTorch in all its sections, run as it is written; those of ragged batches, whole models and loops are here."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.cpu.contestants.pytorch import (
    characters,
    gradients_of,
    inference,
    make,
    start,
    stepping,
    training,
    vowels,
)
from benchmarks.cpu.model_work import Attending, Language
from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import CLASSES, RATE, Loop, Ragged

__all__ = [
    "attending",
    "characters",
    "inference",
    "language",
    "loop",
    "ragged",
    "start",
    "training",
    "vowels",
]


def ragged(work: Ragged) -> Prepared:
    """Return a training step over packed sequences, packed in each step as batches come padded."""
    x, y, lengths = (torch.from_numpy(array) for array in work.data())
    x = x.transpose(0, 1).contiguous()
    layers = make(work.kind, work.features, work.units, CLASSES, work.weights())
    rnn, head = layers

    def loss() -> torch.Tensor:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        _, state = rnn(packed)
        last = state[0] if work.kind == "LSTM" else state
        return functional.cross_entropy(head(last[-1]), y)

    return stepping(loss, [*rnn.parameters(), *head.parameters()], lambda: gradients_of(layers))


def language(work: Language) -> Prepared:
    """Return a training step of the language model, time first."""
    x, y = (torch.from_numpy(np.ascontiguousarray(array.T)) for array in work.data())
    weights = work.weights()
    table = torch.nn.Embedding.from_pretrained(torch.from_numpy(weights["0.w"]), freeze=False)
    layers = make("LSTM", work.vectors, work.units, work.vocabulary, weights, place=1)
    rnn, head = layers

    def loss() -> torch.Tensor:
        outputs, _ = rnn(table(x))
        return functional.cross_entropy(head(outputs).flatten(0, 1), y.flatten())

    def gradients() -> dict[str, Any]:
        return {"0.w": table.weight.grad.numpy()} | gradients_of(layers, place=1)

    return stepping(loss, [*table.parameters(), *rnn.parameters(), *head.parameters()], gradients)


def attending(work: Attending) -> Prepared:
    """Return a training step of the attention model; that no scores are asked for lets PyTorch fuse them."""
    x, y = (torch.from_numpy(array) for array in work.data())
    weights = {name: torch.from_numpy(array) for name, array in work.weights().items()}
    attention = torch.nn.MultiheadAttention(work.units, work.heads, batch_first=True)
    norm, head = torch.nn.LayerNorm(work.units, work.epsilon), torch.nn.Linear(work.units, CLASSES)
    with torch.no_grad():
        attention.in_proj_weight.copy_(torch.cat([weights[f"0.w_{name}"].T for name in "qkv"]))
        attention.in_proj_bias.copy_(torch.cat([weights[f"0.b_{name}"] for name in "qkv"]))
        attention.out_proj.weight.copy_(weights["0.w_o"].T)
        attention.out_proj.bias.copy_(weights["0.b_o"])
        norm.weight.copy_(weights["1.scale"])
        norm.bias.copy_(weights["1.shift"])
        head.weight.copy_(weights["2.w"].T)
        head.bias.copy_(weights["2.b"])

    def loss() -> torch.Tensor:
        y_attention, _ = attention(x, x, x, need_weights=False)
        return functional.cross_entropy(head(norm(y_attention)).flatten(0, 1), y.flatten())

    def gradients() -> dict[str, Any]:
        w, b = attention.in_proj_weight.grad.numpy(), attention.in_proj_bias.grad.numpy()
        found = {f"0.w_{name}": part.T for name, part in zip("qkv", np.split(w, 3), strict=True)}
        found |= {f"0.b_{name}": part for name, part in zip("qkv", np.split(b, 3), strict=True)}
        found |= {"0.w_o": attention.out_proj.weight.grad.numpy().T, "0.b_o": attention.out_proj.bias.grad.numpy()}
        found |= {"1.scale": norm.weight.grad.numpy(), "1.shift": norm.bias.grad.numpy()}
        return found | {"2.w": head.weight.grad.numpy().T, "2.b": head.bias.grad.numpy()}

    return stepping(loss, [*attention.parameters(), *norm.parameters(), *head.parameters()], gradients)


def loop(work: Loop) -> Prepared:
    """Return steps over batches that lie ready."""
    layers = make(work.kind, work.features, work.units, CLASSES, work.weights())
    rnn, head = layers
    optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], lr=RATE)
    batches = [
        (torch.from_numpy(np.ascontiguousarray(x.transpose(1, 0, 2))), torch.from_numpy(y)) for x, y in work.batches()
    ]

    def epoch() -> list[torch.Tensor]:
        losses = []
        for x, y in batches:
            outputs, _ = rnn(x)
            loss = functional.cross_entropy(head(outputs[-1]), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return losses

    def results() -> dict[str, Any]:
        kept = torch.zeros_like(rnn.bias_hh_l0)  # what is compared is not to learn twice as fast by two biases
        if work.kind == "GRU":
            kept[2 * work.units :] = 1
        hook = rnn.bias_hh_l0.register_hook(lambda gradient: gradient * kept)
        losses = epoch()
        hook.remove()
        return {"loss": np.mean([loss.numpy() for loss in losses])}

    return Prepared(epoch, results, work.steps)
