"""A PyTorch twin of a model: the same function, written without Lamina's kernels, and without lengths or padding.

It walks a built model (classes, arguments, children, parameters) and runs each row of a batch alone, cut to its own
length, as a batch of one. What it cannot say raises `NotExpressible`.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

import tests.parity.twin_arithmetic
import tests.parity.twin_containers
import tests.parity.twin_layers
import tests.parity.twin_parts
import tests.parity.twin_recurrent
import tests.parity.twin_windows  # noqa: F401 (each notes what it expresses)
from tests.parity.twin_losses import loss_of
from tests.parity.twin_optimizers import TwinOptimizer
from tests.parity.twin_rows import NotExpressible, Pass, Rows, as_tuple

__all__ = ["NotExpressible", "Rows", "Trained", "Twin", "padded", "rounded"]

# Of the largest gradient, or of 1: what is below is a difference of larger numbers, and as good as 0. Its sign is a
# matter of rounding, and an optimizer that divides by its size, with an epsilon of 1e-10, makes a step of it.
ROUNDING = 1e-9


def rounded(gradients):
    """Return, for gradients by path, where they are as good as 0, but not 0."""
    largest = max([1.0, *(float(np.abs(one).max(initial=0.0)) for one in gradients.values())])
    return {name: (one != 0) & (np.abs(one) < ROUNDING * largest) for name, one in gradients.items()}


@contextmanager
def one_thread():
    """Within it, torch computes in this thread: over rows of a few numbers others only wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Trained:
    """What a forward and a backward pass gave, or some steps of an optimizer.

    Attributes
    ----------
    losses : list of float
        One a step.
    gradients : dict of str to array
        Of the last step, by path.
    inputs : list of array or None
        The gradients of the inputs in the last step, 0 past each row's end; None for integers.
    weights : dict of str to array
        After the last step.
    rounded : dict of str to bool array
        Where weights are not to be compared: a gradient was as good as 0, but not 0, in any step.
    """

    losses: list
    gradients: dict
    inputs: list
    weights: dict
    rounded: dict


class Twin:
    """A model in PyTorch, float64, with weights of its own from the model's as they are now.

    Parameters
    ----------
    model : Layer
        Built.
    """

    def __init__(self, model):
        self.model = model
        self.parameters = model.named_parameters()
        self.tensors = {
            name: torch.tensor(parameter.numpy().astype(np.float64), requires_grad=True)
            for name, parameter in self.parameters.items()
        }
        # By identity: a parameter that stands in several places is one tensor.
        self._by_id = {id(parameter): self.tensors[name] for name, parameter in self.parameters.items()}

    @one_thread()
    def outputs(self, inputs, lengths=None):
        """Return the outputs outside of training, as a tuple of `Rows`."""
        with torch.no_grad():
            return as_tuple(Pass(self._by_id, len(inputs[0]))(self.model, *_cut(inputs, lengths)[0]))

    @one_thread()
    def training(self, inputs, lengths, loss, target, mask=None):
        """Return the loss and all gradients of one forward and backward pass, as `Trained`.

        Parameters
        ----------
        inputs, lengths : as the model takes them
        loss : Loss, or a tuple of a loss or None for each output
            Several are added up.
        target : target, or a tuple of one for each output
        mask : array, optional
        """
        _, value, leaves = self._forward(inputs, lengths, loss, target, mask)
        self._backward(value)
        return self._trained([value.item()], inputs, leaves, {})

    @one_thread()
    def train(self, inputs, lengths, loss, target, optimizer, steps=3, mask=None, rates=None):
        """Return what some steps over one batch give, as `Trained`, by the settings of a Lamina optimizer.

        The masks of a step are those of `fixed_draws` with the step's number. ``rates`` are the learning rates of
        the steps, the optimizer's own if not given.
        """
        names = {id(parameter): name for name, parameter in self.parameters.items()}
        over = [names[id(parameter)] for parameter in optimizer.parameters]
        twin = TwinOptimizer(optimizer, {name: self.tensors[name] for name in over})
        values, found = [], {}
        for step in range(steps):
            run, value, leaves = self._forward(inputs, lengths, loss, target, mask, draws=step)
            self._backward(value)
            values.append(value.item())
            for name, own in rounded({name: tensor.grad.numpy() for name, tensor in self.tensors.items()}).items():
                found[name] = found.get(name, False) | own
            for key, rows in run.named.items():
                # What the loss does not depend on may get a gradient of 0, and with that a step, or none.
                idle = sorted(rows - run.used.get(key, set()))
                found[names[key]][idle] |= ~self.tensors[names[key]].grad.numpy()[idle].any(1)[:, None]
            trained = self._trained(values, inputs, leaves, found)
            twin.step({names[key]: ids for key, ids in run.used.items()}, None if rates is None else rates[step])
        trained.weights = {name: tensor.detach().numpy().copy() for name, tensor in self.tensors.items()}
        return trained

    def _forward(self, inputs, lengths, loss, target, mask, draws=0):
        for tensor in self.tensors.values():
            tensor.grad = None
        cut, leaves = _cut(inputs, lengths, gradients=True)
        run = Pass(self._by_id, len(inputs[0]), training=True, draws=draws)
        outputs = as_tuple(run(self.model, *cut))
        several = isinstance(loss, tuple)
        pairs = zip(loss, target, strict=True) if several else [(loss, target)]
        value = torch.zeros((), dtype=torch.float64)
        for rows, (own, wanted) in zip(outputs, pairs, strict=several):
            if own is not None:
                value = value + loss_of(own, rows, wanted, mask)
        return run, value, leaves

    def _backward(self, value):
        if value.requires_grad:
            value.backward()
        for tensor in self.tensors.values():
            if tensor.grad is None:  # torch leaves out what nothing depends on
                tensor.grad = torch.zeros_like(tensor)

    def _trained(self, values, inputs, leaves, rounded):
        return Trained(
            list(values),
            {name: tensor.grad.numpy().copy() for name, tensor in self.tensors.items()},
            [_gathered(x, rows) for x, rows in zip(inputs, leaves, strict=True)],
            {name: tensor.detach().numpy().copy() for name, tensor in self.tensors.items()},
            rounded,
        )


def padded(rows, shape):
    """Return rows as one array of a shape, 0 past each row's end; raise where one does not fit."""
    array = np.zeros(shape)
    for place, (row, cut) in enumerate(zip(rows.each, rows.cut, strict=True)):
        own = row[0].detach().numpy()
        target = array[place][: len(own)] if cut else array[place]
        if cut and target.ndim == own.ndim > 2:  # an attention's scores: as many as there are keys
            target = target[tuple(slice(size) for size in own.shape)]
        if target.shape != own.shape:
            raise AssertionError(f"row {place}: expected {target.shape}, the twin gives {own.shape}")
        target[...] = own
    return array


def _cut(inputs, lengths, gradients=False):
    """Return each input as rows cut to their lengths, None where it is None, and the rows that are leaves."""
    cut, leaves = [], []
    for place, x in enumerate(inputs):
        if x is None:
            cut.append(None)
            leaves.append([])
            continue
        whole = x.dtype.kind in "iu"
        x = torch.from_numpy(np.array(x, np.int64 if whole else np.float64))
        own = lengths[place] if isinstance(lengths, tuple) else lengths
        timed = x.ndim > 2 or (whole and x.ndim == 2)
        ends = [None] * len(x) if own is None or not timed else [int(end) for end in own]
        rows = [x[row : row + 1] if end is None else x[row : row + 1, :end] for row, end in enumerate(ends)]
        rows = [row.clone().requires_grad_(gradients and not whole) for row in rows]
        cut.append(Rows(tuple(rows), tuple(end is not None and end < x.shape[1] for end in ends)))
        leaves.append([] if whole else rows)
    return cut, leaves


def _gathered(x, rows):
    """Return the gradients of an input's rows as an array like it, 0 past each row's end."""
    if x is None or not rows:
        return None
    array = np.zeros(x.shape)
    for place, row in enumerate(rows):
        own = np.zeros(row.shape[1:]) if row.grad is None else row.grad[0].numpy()
        target = array[place, : len(own)] if own.ndim else array[place]
        target[...] = own
    return array
