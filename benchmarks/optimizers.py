"""Every optimizer on the Japanese vowels: what it learns in so many epochs, beside PyTorch's where that has it.

Both start from the same weights and see the same rows in the same order, in float64, so that they stay together for as
long as rounding lets them: where the loss leaps up on the way, they part, and end equally well, not equal. Torch's Muon
iterates in bfloat16. Gradients are clipped to a norm of 1, but for L-BFGS, which takes all rows as one batch, and one
step an epoch. The rates are round numbers near the usual ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import lamina
from benchmarks.harness import machine
from lamina.backends.numpy.threads import own_threads
from lamina.layers import LSTM, Dense
from lamina.losses import SoftmaxCrossEntropy
from lamina.optimizers import (
    LBFGS,
    SGD,
    AdaDelta,
    Adafactor,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    Lion,
    Lookahead,
    Muon,
    NAdam,
    RAdam,
    RMSprop,
)

__all__ = ["main"]

_SEEDS = (0, 1, 2)
_UNITS, _EPOCHS, _BATCH, _CLASSES = 32, 30, 30, 9

Make = Callable[[Any], Any]


def _muon(torch: Any, tensors: Sequence[Any]) -> list[Any]:
    """Return torch's Muon over the matrices, and its AdamW over the rest."""
    matrices = [one for one in tensors if one.ndim == 2]
    rest = [one for one in tensors if one.ndim != 2]
    made = torch.optim.Muon(matrices, 0.005, adjust_lr_fn="match_rms_adamw")
    return [made, torch.optim.AdamW(rest, 0.005, weight_decay=0.1)]


# Ours, and torch's of its module and tensors; None where it has none.
_OPTIMIZERS: dict[str, tuple[Make, Callable[[Any, Any], Any] | None]] = {
    "SGD, momentum 0.9": (lambda p: SGD(p, 0.05, momentum=0.9), lambda t, p: t.optim.SGD(p, 0.05, momentum=0.9)),
    "AdaGrad": (lambda p: AdaGrad(p, 0.05), lambda t, p: t.optim.Adagrad(p, 0.05)),
    "RMSprop": (lambda p: RMSprop(p, 0.003), lambda t, p: t.optim.RMSprop(p, 0.003)),
    "AdaDelta": (lambda p: AdaDelta(p, 1.0), lambda t, p: t.optim.Adadelta(p, 1.0)),
    "Adam": (lambda p: Adam(p, 0.005), lambda t, p: t.optim.Adam(p, 0.005)),
    "AdamW": (lambda p: AdamW(p, 0.005), lambda t, p: t.optim.AdamW(p, 0.005)),
    "AMSGrad": (lambda p: AMSGrad(p, 0.005), lambda t, p: t.optim.Adam(p, 0.005, amsgrad=True)),
    "AMSGrad, decoupled": (
        lambda p: AMSGrad(p, 0.005, weight_decay=0.01, decoupled=True),
        lambda t, p: t.optim.AdamW(p, 0.005, amsgrad=True),
    ),
    "NAdam": (lambda p: NAdam(p, 0.005), lambda t, p: t.optim.NAdam(p, 0.005)),
    "RAdam": (lambda p: RAdam(p, 0.005), lambda t, p: t.optim.RAdam(p, 0.005)),
    "Adamax": (lambda p: Adamax(p, 0.01), lambda t, p: t.optim.Adamax(p, 0.01)),
    "Lion": (lambda p: Lion(p, 0.001), None),
    "Adafactor": (lambda p: Adafactor(p, 0.05), lambda t, p: t.optim.Adafactor(p, 0.05)),
    "Muon, and AdamW": (lambda p: Muon(p, 0.005), _muon),
    "Lookahead of Adam": (lambda p: Lookahead(Adam(p, 0.01)), None),
    "L-BFGS, full batch": (
        lambda p: LBFGS(p, max_iterations=10),
        lambda t, p: t.optim.LBFGS(p, max_iter=10, history_size=10, line_search_fn="strong_wolfe"),
    ),
}


def _batches(rows: int, needs_closure: bool, seed: int) -> Iterable[np.ndarray[Any, Any]]:
    """Yield the places of each batch's rows, of all epochs."""
    rng = np.random.default_rng(seed)
    for _ in range(_EPOCHS):
        order = rng.permutation(rows)
        yield from [order] if needs_closure else np.array_split(order, -(-rows // _BATCH))


def _model(features: int, seed: int) -> lamina.Sequential:
    model = lamina.Sequential(LSTM(_UNITS), Dense(_CLASSES))
    model.build((None, None, features), dtype="float64", seed=seed)
    return model


def _ours(make: Make, data: Any, seed: int) -> tuple[float, float, float]:
    """Return the loss over the rows to train on, the accuracy over the others, and the seconds it took."""
    model, loss = _model(data.x_train.shape[-1], seed), SoftmaxCrossEntropy()
    optimizer: Any = make(model.parameters())
    started = time.perf_counter()
    for rows in _batches(len(data.x_train), optimizer.needs_closure, seed):
        x, y, lengths = data.x_train[rows], data.y_train[rows], data.lengths_train[rows]

        def closure(x: Any = x, y: Any = y, lengths: Any = lengths) -> Any:
            optimizer.zero_grad()
            prediction, saved = model.forward(x, lengths=lengths)
            value, loss_saved = loss.forward(prediction, y)
            model.backward(loss.backward(loss_saved), saved, input_gradient=False)
            return value

        if optimizer.needs_closure:
            optimizer.step(closure)
        else:
            closure()
            lamina.optimizers.clip_global_norm(optimizer.parameters, 1.0)
            optimizer.step()
    seconds = time.perf_counter() - started
    value = loss.forward(model(data.x_train, lengths=data.lengths_train), data.y_train)[0]
    right = model(data.x_test, lengths=data.lengths_test).argmax(axis=1) == data.y_test
    return float(value), float(right.mean()), seconds


def _theirs(torch: Any, make: Callable[[Any, Any], Any], data: Any, seed: int) -> tuple[float, float, float]:
    """Return the same of PyTorch, from our first weights."""
    features = data.x_train.shape[-1]
    own = {name: torch.tensor(array) for name, array in _model(features, seed).state_dict().items()}
    cell = torch.nn.LSTM(features, _UNITS, batch_first=True, dtype=torch.float64)
    head = torch.nn.Linear(_UNITS, _CLASSES, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih_l0.copy_(own["0.w_x"].T)
        cell.weight_hh_l0.copy_(own["0.w_h"].T)
        cell.bias_ih_l0.copy_(own["0.b"])
        cell.bias_hh_l0.zero_()
        head.weight.copy_(own["1.w"].T)
        head.bias.copy_(own["1.b"])
    cell.bias_hh_l0.requires_grad_(False)  # there is one bias here
    tensors = [one for one in (*cell.parameters(), *head.parameters()) if one.requires_grad]
    made = make(torch, tensors)
    optimizers = made if isinstance(made, list) else [made]
    needs_closure = isinstance(made, torch.optim.LBFGS)
    parts = [torch.tensor(np.asarray(one)) for one in (data.x_train, data.y_train, data.lengths_train)]

    def predicted(x: Any, lengths: Any) -> Any:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return head(cell(packed)[1][0][0])

    started = time.perf_counter()
    for rows in _batches(len(data.x_train), needs_closure, seed):
        x, y, lengths = (one[torch.tensor(rows)] for one in parts)

        def closure(x: Any = x, y: Any = y, lengths: Any = lengths) -> Any:
            for one in optimizers:
                one.zero_grad()
            value = torch.nn.functional.cross_entropy(predicted(x, lengths), y)
            value.backward()
            return value

        if needs_closure:
            made.step(closure)
        else:
            closure()
            norm = float(torch.nn.utils.get_total_norm([one.grad for one in tensors]))
            for tensor in tensors:
                tensor.grad /= max(norm, 1.0)
            for one in optimizers:
                one.step()
    seconds = time.perf_counter() - started
    with torch.no_grad():
        x, y, lengths = parts
        value = torch.nn.functional.cross_entropy(predicted(x, lengths), y)
        guess = predicted(torch.tensor(data.x_test), torch.tensor(data.lengths_test)).argmax(dim=1).numpy()
    return float(value), float((guess == data.y_test).mean()), seconds


def _line(name: str, found: list[tuple[float, float, float]]) -> str:
    losses, accuracies, seconds = zip(*found, strict=True)
    span = f"({min(accuracies):.3f} to {max(accuracies):.3f})"
    return f"  {name:22} {np.mean(losses):9.5f}  {np.mean(accuracies):8.3f}  {span}  {np.mean(seconds):7.2f} s"


def main() -> None:
    """Print the last training loss and the test accuracy of each optimizer, ours and PyTorch's, over three seeds."""
    try:
        import torch
    except ImportError:
        torch = None  # type: ignore[assignment]
    data = lamina.datasets.japanese_vowels("float64")
    facts = machine()
    print(f"{facts['processor']}, one thread; `python -m benchmarks optimizers`; NumPy {facts['numpy']}", end="")
    print("" if torch is None else f", PyTorch {torch.__version__}")
    print(f"LSTM({_UNITS}), Dense; float64, {_EPOCHS} epochs, batches of {_BATCH}; means of {len(_SEEDS)} seeds")
    print(f"  {'':22} {'loss':>9}  {'accuracy':>8}  {'(least to most)':>16}  {'time':>9}")
    with own_threads():
        for name, (make, make_theirs) in _OPTIMIZERS.items():
            print(_line(name, [_ours(make, data, seed) for seed in _SEEDS]), flush=True)
            if torch is not None and make_theirs is not None:
                torch.set_num_threads(1)
                print(_line("  PyTorch's", [_theirs(torch, make_theirs, data, seed) for seed in _SEEDS]), flush=True)


if __name__ == "__main__":
    main()
