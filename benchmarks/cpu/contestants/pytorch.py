"""PyTorch as its users set it up at its best: time-major input, converted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import CLASSES, RATE, Characters, Inference, Training, Vowels, Weights

__all__ = [
    *("characters", "gradients_of", "inference", "make", "pairs", "start", "stepping", "train", "training", "vowels"),
]

Layers = tuple[torch.nn.RNNBase, torch.nn.Linear]


def start(threads: int) -> None:
    """Set the number of threads."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


def pairs(layers: Layers, of: Callable[[Any], Any], place: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield Lamina's names of the parameters with what ``of`` makes of PyTorch's.

    Both order the gates r, z, n and i, f, g, o. PyTorch's two biases add up, but for the GRU's candidate's.
    """
    rnn, head = layers
    yield f"{place}.w_x", of(rnn.weight_ih_l0).T
    yield f"{place}.w_h", of(rnn.weight_hh_l0).T
    yield f"{place}.b", of(rnn.bias_ih_l0)
    if isinstance(rnn, torch.nn.GRU):
        yield f"{place}.b_h", of(rnn.bias_hh_l0)[2 * rnn.hidden_size :]
    yield f"{place + 1}.w", of(head.weight).T
    yield f"{place + 1}.b", of(head.bias)


def make(kind: str, features: int, units: int, classes: int, weights: Weights, place: int = 0) -> Layers:
    """Return a recurrent layer and a linear one with these weights."""
    rnn = getattr(torch.nn, kind.removeprefix("Simple"))(features, units)
    layers = rnn, torch.nn.Linear(units, classes)
    with torch.no_grad():
        rnn.bias_hh_l0.zero_()
        for name, parameter in pairs(layers, lambda parameter: parameter, place):
            parameter.copy_(torch.from_numpy(weights[name]))
    return layers


def stepping(
    loss: Callable[[], torch.Tensor], parameters: list[torch.nn.Parameter], gradients: Callable[[], dict[str, Any]]
) -> Prepared:
    """Return a training step, of a loss and what of it is compared."""
    optimizer = torch.optim.SGD(parameters, lr=RATE)

    def backward() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    def step() -> None:
        backward()
        optimizer.step()

    def results() -> dict[str, Any]:
        return {"loss": backward().detach().numpy()} | gradients()

    return Prepared(step, results)


def train(work: Training, compiled: bool = False) -> Prepared:
    """Return a training step, whose forward pass and loss may be compiled."""
    x, y = work.data()
    x, y = torch.from_numpy(np.ascontiguousarray(x.transpose(1, 0, 2))), torch.from_numpy(y)
    layers = make(work.kind, work.features, work.units, CLASSES, work.weights())
    rnn, head = layers

    def loss() -> torch.Tensor:
        outputs, _ = rnn(x)
        return functional.cross_entropy(head(outputs[-1]), y)

    parameters = [*rnn.parameters(), *head.parameters()]
    return stepping(torch.compile(loss) if compiled else loss, parameters, lambda: gradients_of(layers))


def gradients_of(layers: Layers, place: int = 0) -> dict[str, Any]:
    """Return the gradients by Lamina's names."""
    return dict(pairs(layers, lambda parameter: parameter.grad.numpy(), place))


def training(work: Training) -> Prepared:
    """Return a training step, run as it is written."""
    return train(work)


def inference(work: Inference) -> Prepared:
    """Return the layers under `torch.inference_mode`; step by step, PyTorch's cells, which take less time there."""
    weights, x = work.weights(), torch.from_numpy(work.data().transpose(1, 0, 2).copy())
    rnn, head = make(work.kind, work.features, work.units, CLASSES, weights)
    if work.time > 1:

        def whole() -> torch.Tensor:
            with torch.inference_mode():
                outputs, _ = rnn(x)
                return head(outputs[-1])

        return Prepared(whole, lambda: {"logits": whole().numpy()})
    cell = getattr(torch.nn, f"{work.kind.removeprefix('Simple')}Cell")(work.features, work.units)
    cell.load_state_dict({name.removesuffix("_l0"): array for name, array in rnn.state_dict().items()})
    first, kept = x[0], None

    def read(x: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        with torch.inference_mode():
            state = cell(x, state)
            return head(state[0] if work.kind == "LSTM" else state), state

    def step() -> None:
        nonlocal kept
        _, kept = read(first, kept)

    def results() -> dict[str, Any]:
        found, own = {}, None
        for t in range(len(x)):
            logits, own = read(x[t], own)
            found[f"logits {t}"] = logits.numpy()
        return found

    return Prepared(step, results)


def vowels(work: Vowels) -> Prepared:
    """Return epochs of a loop over packed sequences, which counts loss and accuracy as Lamina's Trainer does."""
    x, y, lengths = (torch.from_numpy(array) for array in work.data())
    layers = make("SimpleRNN", work.features, work.units, work.classes, work.weights())
    rnn, head = layers
    rnn.batch_first = True
    rnn.bias_hh_l0.requires_grad_(False)  # two biases would learn twice as fast as one
    parameters = [parameter for layer in layers for parameter in layer.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        parameters, lr=work.learning_rate, momentum=work.momentum, weight_decay=work.weight_decay
    )

    def epoch(order: torch.Tensor) -> tuple[float, float]:
        total = correct = 0.0
        for rows in order.split(work.batch):
            packed = torch.nn.utils.rnn.pack_padded_sequence(
                x[rows], lengths[rows], batch_first=True, enforce_sorted=False
            )
            _, state = rnn(packed)
            logits, target = head(state[-1]), y[rows]
            loss = functional.cross_entropy(logits, target, label_smoothing=work.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, work.clip_norm)
            optimizer.step()
            total += loss.item() * len(rows)
            correct += (logits.argmax(1) == target).sum().item()
        return total / len(x), correct / len(x)

    def epochs() -> None:
        for _ in range(work.epochs):
            epoch(torch.randperm(len(x)))

    def results() -> dict[str, Any]:
        loss, _ = epoch(torch.arange(len(x)))
        return {"loss": np.array(loss)} | dict(pairs(layers, lambda parameter: parameter.detach().numpy()))

    return Prepared(epochs, results, work.epochs)


def characters(work: Characters) -> Prepared:
    """Return an epoch of truncated backpropagation through time, the state detached between steps."""
    x, y, alphabet = work.data()
    x, y = (torch.from_numpy(np.ascontiguousarray(array.T)) for array in (x, y))
    weights = work.weights(alphabet)
    table = torch.nn.Embedding.from_pretrained(torch.from_numpy(weights["0.w"]), freeze=False)
    rnn, head = make("LSTM", work.vectors, work.units, alphabet, weights, place=1)
    rnn.bias_hh_l0.requires_grad_(False)
    parameters = [
        parameter for layer in (table, rnn, head) for parameter in layer.parameters() if parameter.requires_grad
    ]
    optimizer = torch.optim.Adam(parameters, lr=work.learning_rate)

    def epoch(end: int) -> float:
        total, state = 0.0, None
        for first in range(0, end, work.steps):
            piece = slice(first, min(first + work.steps, end))
            outputs, state = rnn(table(x[piece]), state)
            state = tuple(part.detach() for part in state)
            loss = functional.cross_entropy(head(outputs).flatten(0, 1), y[piece].flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, work.clip_norm)
            optimizer.step()
            total += loss.item() * (piece.stop - piece.start)
        return total / end

    return Prepared(
        lambda: epoch(len(x)), lambda: {"loss": np.array(epoch(min(len(x), work.compared_steps * work.steps)))}
    )
