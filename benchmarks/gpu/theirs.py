"""PyTorch on the other side of the comparison: ``torch.nn.RNN``, ``LSTM`` and ``GRU``, which are cuDNN's on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from benchmarks.gpu.torch_device import open_torch
from benchmarks.gpu.work import CLASSES, RATE, Weights, Work

__all__ = ["Theirs"]

_WARM_UPS = 3


class Theirs:
    """PyTorch's layers for some work, its data on the device, and what is done with them.

    Input is time-major, which is what cuDNN takes as it is. The last state goes to a linear layer.

    Parameters
    ----------
    work : Work
    weights : mapping of str to array
        By Lamina's names.
    precision : str
        In "tf32" cuDNN and cuBLAS may round products' factors; in "bf16" the forward pass runs under `torch.autocast`
        with bfloat16, of which `dtype` tells what became.
    converted : bool
        Whether the weights and the data are bfloat16 themselves, in place of autocast.
    packed_before : bool
        Whether ragged rows are packed once, and not in each call: a graph cannot capture it.

    Raises
    ------
    NotThere
        If PyTorch is not installed, or finds no GPU.
    """

    def __init__(
        self, work: Work, weights: Weights, precision: str, converted: bool = False, packed_before: bool = False
    ) -> None:
        self._torch, device = open_torch()
        torch = self._torch
        self._device, self._precision, self._converted = device, precision, converted
        self._work = work
        of = getattr(torch.nn, work.cell.removeprefix("Simple"))
        self.rnn = of(work.units, work.units, work.layers, bidirectional=work.bidirectional)
        self.head = torch.nn.Linear(work.units * (1 + work.bidirectional), CLASSES)
        with torch.no_grad():
            for name, parameter in self.rnn.named_parameters():
                if name.startswith("bias_hh"):
                    parameter.zero_()
            for name, parameter in self._pairs(lambda parameter: parameter):
                parameter.copy_(torch.from_numpy(weights[name]))
        x, labels, lengths = work.data()
        x = torch.from_numpy(np.ascontiguousarray(x.transpose(1, 0, 2))).to(device)
        for module in (self.rnn, self.head):
            module.to(device)
            if converted:
                module.bfloat16()
        self.rnn.flatten_parameters()
        self._x = x.bfloat16() if converted else x
        self._labels = torch.from_numpy(labels).to(device)
        self._lengths = None if lengths is None else torch.from_numpy(lengths)
        self._packed = self._pack() if packed_before and work.ragged else None
        parameters = [*self.rnn.parameters(), *self.head.parameters()]
        self._optimizer = torch.optim.SGD(parameters, lr=RATE, fused=True)
        self.dtype = ""

    def precise(self) -> None:
        """Make the process compute products in this precision: PyTorch has one setting for all."""
        allowed = self._precision != "fp32"
        self._torch.backends.cuda.matmul.allow_tf32 = allowed
        self._torch.backends.cudnn.allow_tf32 = allowed

    def forward(self) -> Any:
        """Return the logits, keeping nothing."""
        self.rnn.training = False  # it then keeps nothing for a backward pass
        with self._torch.no_grad(), self._autocast():
            return self._logits()

    def gradients(self) -> None:
        """Compute the gradients, into memory that a graph may keep."""
        self.rnn.training = True
        self._optimizer.zero_grad(set_to_none=False)
        with self._autocast():
            loss = self._torch.nn.functional.cross_entropy(self._logits().float(), self._labels)
        loss.backward()

    def step(self) -> None:
        """Take a training step."""
        self.gradients()
        self._optimizer.step()

    def captured(self, call: Callable[[], object]) -> Callable[[], object]:
        """Return what replays a call from a CUDA graph; what it returned is overwritten by each replay."""
        cuda = self._torch.cuda
        self.precise()
        aside = cuda.Stream()
        aside.wait_stream(cuda.current_stream())
        with cuda.stream(aside):
            for _ in range(_WARM_UPS):
                call()
        cuda.current_stream().wait_stream(aside)
        graph = cuda.CUDAGraph()
        kept: list[object] = []
        with cuda.graph(graph):
            kept.append(call())

        def replay() -> object:
            graph.replay()
            return kept[0]

        return replay

    def results(self) -> dict[str, np.ndarray]:
        """Return the logits, and the gradients by Lamina's names of the parameters."""
        self.precise()
        found = {"logits": self._host(self.forward())}
        self.gradients()
        return found | dict(self._pairs(lambda parameter: self._host(parameter.grad)))

    def _host(self, tensor: Any) -> np.ndarray:
        host: np.ndarray = tensor.detach().float().cpu().numpy()
        return host

    def _pack(self) -> Any:
        return self._torch.nn.utils.rnn.pack_padded_sequence(self._x, self._lengths)

    def _logits(self) -> Any:
        inputs = self._x
        if self._work.ragged:
            inputs = self._pack() if self._packed is None else self._packed
        outputs, state = self.rnn(inputs)
        if not self.dtype:
            self.dtype = str((outputs.data if self._work.ragged else outputs).dtype).removeprefix("torch.")
        last = state[0] if self._work.cell == "LSTM" else state
        return self.head(self._torch.cat((last[-2], last[-1]), 1) if self._work.bidirectional else last[-1])

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._precision != "bf16" or self._converted:
            return nullcontext()
        # A cast that is cached would be captured once, and the weights change.
        context: AbstractContextManager[Any] = self._torch.autocast(
            self._device, dtype=self._torch.bfloat16, cache_enabled=False
        )
        return context

    def _pairs(self, of: Callable[[Any], Any]) -> Iterator[tuple[str, Any]]:
        """Yield Lamina's names of the parameters with what ``of`` makes of PyTorch's.

        Both order the gates r, z, n and i, f, g, o. PyTorch's two biases add up, but for the GRU's candidate's.
        """
        work = self._work
        for place in range(work.layers):
            for reverse in (False, True)[: 1 + work.bidirectional]:
                end = f"_l{place}" + "_reverse" * reverse
                owner = f"{place}." + ("backward." if reverse else "forward.") * work.bidirectional
                yield f"{owner}w_x", of(getattr(self.rnn, f"weight_ih{end}")).T
                yield f"{owner}w_h", of(getattr(self.rnn, f"weight_hh{end}")).T
                yield f"{owner}b", of(getattr(self.rnn, f"bias_ih{end}"))
                if work.cell == "GRU":
                    yield f"{owner}b_h", of(getattr(self.rnn, f"bias_hh{end}"))[2 * work.units :]
        yield f"{work.layers}.w", of(self.head.weight).T
        yield f"{work.layers}.b", of(self.head.bias)
