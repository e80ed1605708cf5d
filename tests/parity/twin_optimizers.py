"""The optimizers, in PyTorch: torch's own, with groups and clipping, and tables of which only rows are updated."""

from fnmatch import fnmatchcase

import torch

from lamina import optimizers
from tests.parity.twin_rows import NotExpressible

__all__ = ["OPTIMIZERS", "TwinOptimizer"]

_SAME = {name: name for name in ("lr", "weight_decay", "momentum", "nesterov", "centered", "momentum_decay")}
_RENAMED = {"epsilon": "eps", "initial_accumulator": "initial_accumulator_value", "decoupled": "decoupled_weight_decay"}


class Lion(torch.optim.Optimizer):
    """Lion (Chen et al., 2023), which torch has not."""

    def __init__(self, tensors, lr, betas, weight_decay):
        super().__init__(tensors, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (first, second), rate = group["betas"], group["lr"]
            for tensor in group["params"]:
                mean = self.state[tensor].setdefault("mean", torch.zeros_like(tensor))
                move = torch.sign(first * mean + (1 - first) * tensor.grad) + group["weight_decay"] * tensor
                tensor -= rate * move
                self.state[tensor]["mean"] = second * mean + (1 - second) * tensor.grad


def adafactor(
    tensors, lr, weight_decay, decay_power, epsilon_step, relative_step, betas, clip_threshold=1e300, eps=None
):
    """Return torch's Adafactor, by our names; it has no first moment, and its step is relative."""
    if betas[0] or not relative_step:
        raise NotExpressible("Adafactor with a first moment, or a rate of its own")
    return torch.optim.Adafactor(tensors, lr, -decay_power, (eps, epsilon_step), clip_threshold, weight_decay)


# Torch's optimizer, what it calls our decay, and what it is always given.
OPTIMIZERS = {
    optimizers.SGD: (torch.optim.SGD, "", {}),
    optimizers.AdaGrad: (torch.optim.Adagrad, "", {}),
    optimizers.RMSprop: (torch.optim.RMSprop, "alpha", {}),
    optimizers.AdaDelta: (torch.optim.Adadelta, "rho", {}),
    optimizers.Adam: (torch.optim.Adam, "", {}),
    optimizers.AdamW: (torch.optim.AdamW, "", {}),
    optimizers.AMSGrad: (torch.optim.Adam, "", {"amsgrad": True}),
    optimizers.NAdam: (torch.optim.NAdam, "", {}),
    optimizers.RAdam: (torch.optim.RAdam, "", {}),
    optimizers.Adamax: (torch.optim.Adamax, "", {}),
    optimizers.Lion: (Lion, "", {}),
    optimizers.Adafactor: (adafactor, "", {}),
}
_OURS = ("decay_power", "epsilon_step", "clip_threshold", "relative_step")
_SETTINGS = (*_SAME, *_RENAMED, *_OURS, "decay", "beta1", "beta2")


class TwinOptimizer:
    """Torch's optimizer with the settings of one of ours.

    Parameters
    ----------
    optimizer : Optimizer
    tensors : dict of str to tensor
        What stands for each parameter that the optimizer is over, by path.
    """

    def __init__(self, optimizer, tensors):
        if type(optimizer) not in OPTIMIZERS:
            raise NotExpressible(f"optimizer {type(optimizer).__name__}")
        cls, decay, fixed = OPTIMIZERS[type(optimizer)]
        settings = {
            name: value for name, value in optimizer.config().items() if name in _SETTINGS and value is not None
        }
        self.clip_norm, self.clip_value = optimizer.clip_norm, optimizer.clip_value
        parameters = {parameter.name: parameter for parameter in optimizer.parameters}
        self.trained = {name: tensor for name, tensor in tensors.items() if parameters[name].trainable}
        self.tables = {name for name in self.trained if parameters[name].row_wise and optimizer.elementwise}
        # An optimizer each, as momentum may be in one group alone.
        self.each = {}
        self.first, self.own = optimizer.lr, {}
        for name, tensor in self.trained.items():
            own = dict(settings)
            for pattern, options in (optimizer.groups or {}).items():
                if fnmatchcase(name, pattern):
                    own |= options
            renamed = {other: own[ours] for ours, other in (_SAME | _RENAMED).items() if ours in own}
            if decay:
                renamed[decay] = own["decay"]
            renamed |= {name: own[name] for name in _OURS if name in own}
            if "beta1" in own:
                renamed["betas"] = (own["beta1"], own.get("beta2"))
            self.each[name] = cls([tensor], **renamed, **fixed)
            self.own[name] = own["lr"]

    def step(self, used, rate=None):
        """Step all tensors along their gradients.

        Parameters
        ----------
        used : dict of str to set of int
            Of tables that are updated by rows, the rows that ids named.
        rate : float, optional
            What a schedule sets; that of a group stays in its proportion to it.
        """
        gradients = [tensor.grad for tensor in self.trained.values()]
        if self.clip_value is not None:
            for gradient in gradients:
                gradient.clamp_(-self.clip_value, self.clip_value)
        if self.clip_norm is not None and gradients:
            norm = torch.nn.utils.get_total_norm(gradients)
            for gradient in gradients:
                gradient *= self.clip_norm / max(norm.item(), self.clip_norm)
        for name, optimizer in self.each.items():
            if rate is not None:
                optimizer.param_groups[0]["lr"] = self.own[name] * (rate / self.first)
            if name in self.tables:
                self._step_rows(optimizer, self.trained[name], used.get(name, set()))
            else:
                optimizer.step()

    def _step_rows(self, optimizer, table, named):
        """Step a table, and put everything back in the rows that no id named and that got no gradient."""
        idle = [row for row in range(len(table)) if row not in named and not bool((table.grad[row] != 0).any())]
        before = table.detach().clone()
        states = {key: value.clone() for key, value in optimizer.state.get(table, {}).items() if _is_row_wise(value)}
        optimizer.step()
        with torch.no_grad():
            table[idle] = before[idle]
            for key, value in optimizer.state.get(table, {}).items():
                if value is not None and _is_row_wise(value):
                    # What the first step made started from 0; AdaGrad's was there before.
                    value[idle] = states[key][idle] if key in states else value[idle] * 0


def _is_row_wise(value):
    return torch.is_tensor(value) and value.ndim == 2
