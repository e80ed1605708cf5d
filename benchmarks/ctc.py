"""The CTC loss and its gradient: Lamina and PyTorch, on logits, float32 and float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import lamina
from benchmarks.harness import machine, measure, require_equal

__all__ = ["SHAPES", "by_lamina", "by_torch", "main"]

# (batch, time, classes, labels)
SHAPES = ((8, 50, 30, 10), (32, 200, 40, 30), (16, 500, 80, 60))

Gradients = Callable[[], dict[str, np.ndarray]]


def by_lamina(logits: np.ndarray, labels: np.ndarray, backend: str = "numpy") -> Gradients:
    """Return a function of the loss and its gradient."""
    loss = lamina.losses.CTC()

    def gradients() -> dict[str, np.ndarray]:
        with lamina.use_backend(backend):
            value, saved = loss.forward(logits, labels)
            return {"loss": value, "gradient": loss.backward(saved)}

    return gradients


def by_torch(logits: np.ndarray, labels: np.ndarray) -> Gradients:
    """Return PyTorch's, with everything it takes converted once."""
    import torch

    functional = torch.nn.functional
    batch, time, _ = logits.shape
    logits_t, labels_t = torch.tensor(logits, requires_grad=True), torch.tensor(labels)
    lengths, counts = torch.full((batch,), time), torch.full((batch,), labels.shape[1])

    def gradients() -> dict[str, np.ndarray]:
        logits_t.grad = None
        log_probability = functional.log_softmax(logits_t, dim=-1).transpose(0, 1)
        value = functional.ctc_loss(log_probability, labels_t, lengths, counts, reduction="none").mean()
        value.backward()
        assert logits_t.grad is not None
        return {"loss": value.detach().numpy(), "gradient": logits_t.grad.numpy()}

    return gradients


def main() -> None:
    """Print a table: milliseconds for loss and gradient, and PyTorch's time over Lamina's."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print("CTC loss and gradient; ratio = PyTorch's time / Lamina's, median of interleaved rounds\n")
    print(f"{'(batch, time, classes, labels)':32}{'dtype':9}{'lamina ms':>11}{'pytorch ms':>12}{'ratio':>7}")
    for batch, time, classes, width in SHAPES:
        for dtype in ("float32", "float64"):
            rng = np.random.default_rng(0)
            logits = rng.standard_normal((batch, time, classes)).astype(dtype)
            labels = rng.integers(1, classes, (batch, width))
            contestants = {"lamina": by_lamina(logits, labels)}
            try:
                contestants["pytorch"] = by_torch(logits, labels)
            except ImportError:
                print("PyTorch is not installed (pip install -e '.[parity]'): left out")
            require_equal({name: call() for name, call in contestants.items()}, tolerance=1e-2)
            times = measure(contestants)
            line = f"{(batch, time, classes, width)!s:32}{dtype:9}{times['lamina'].median * 1e3:11.3f}"
            if "pytorch" in times:
                ratio = times["pytorch"].ratio_to(times["lamina"])
                line += f"{times['pytorch'].median * 1e3:12.3f}{ratio:7.2f}"
            print(line, flush=True)
