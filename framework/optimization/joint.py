"""Several optimizers over parts of one model, which step together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import number
from lamina.core.parameter import Parameter
from lamina.errors import ArgumentError, CheckpointError
from lamina.optimization.optimizer import Optimizer

__all__ = ["JointOptimizer"]


class JointOptimizer(Optimizer):
    """Several optimizers over parts of one model, as one.

    Each keeps its settings, its clipping and its rate; `ForPart` gives a part a schedule of its own. When the rate of
    them all is set, it is the first one's, and those of the others stay in the proportion that they had to it.

    Parameters
    ----------
    members : dict of str to Optimizer
        By the names of the parts; no parameter is in two of them.

    Attributes
    ----------
    members : dict of str to Optimizer

    Raises
    ------
    ArgumentError
        If there are none, a parameter is in two, or one computes the loss anew, as `LBFGS` does.

    Examples
    --------
    >>> import lamina
    >>> from lamina.optimizers import SGD, Adam
    >>> model = lamina.Sequential(lamina.layers.GRU(8), lamina.layers.Dense(2))
    >>> trainer = lamina.Trainer(model, optimizer={"*": "sgd", "1.*": lambda parameters: Adam(parameters, lr=0.01)})
    >>> model.build((None, None, 3), seed=0)
    (None, 2)
    >>> trainer.optimizer.rates()
    {'learning_rate': 0.01, 'learning_rate_*': 0.01, 'learning_rate_1.*': 0.01}
    """

    def __init__(self, members: Mapping[str, Optimizer]) -> None:
        self.members = dict(members)
        if not self.members:
            raise ArgumentError("JointOptimizer: expected at least one optimizer, got none")
        places: dict[int, str] = {}
        for name, member in self.members.items():
            if not isinstance(member, Optimizer):
                raise ArgumentError(f"JointOptimizer: expected an optimizer for {name!r}, got {type(member).__name__}")
            if member.needs_closure:
                raise ArgumentError(f"JointOptimizer: {member.label} computes the loss anew: it trains a model alone")
            for parameter in member.parameters:
                if id(parameter) in places:
                    both = f"{places[id(parameter)]!r} and {name!r}"
                    raise ArgumentError(f"JointOptimizer: parameter {parameter.name!r} is in two parts, {both}")
                places[id(parameter)] = name
        self.parameters: list[Parameter] = [one for member in self.members.values() for one in member.parameters]
        self.steps = 0
        self.lr_factor = 1.0

    def _set_lr(self, lr: float) -> None:
        first, *others = self.members.values()
        rate = number(self, "lr", lr, least=0)
        for member in others:
            member.lr = rate * (member._first_lr / first._first_lr)
        first.lr = rate

    lr: float = property(lambda self: self._leading.lr, _set_lr)  # type: ignore[assignment]

    @property
    def _leading(self) -> Optimizer:
        return next(iter(self.members.values()))

    def step(self, closure: Callable[[], Array] | None = None) -> None:
        """Let each take its step."""
        self.steps += 1
        for member in self.members.values():
            member.step()

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for member in self.members.values():
            member.zero_grad()

    def scale_grad(self, factor: float) -> None:
        """Multiply all gradients by a number."""
        for member in self.members.values():
            member.scale_grad(factor)

    def rates(self) -> dict[str, float]:
        """Return the learning rates, as a history names them: the first one's, and each by its part."""
        each = {f"learning_rate_{name}": float(member.lr) for name, member in self.members.items()}
        return {"learning_rate": float(self.lr), **each}

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of everything the optimizers keep: ``"steps"``, ``"lr_factor"`` and ``"members"`` by part."""
        members = {name: member.state_dict() for name, member in self.members.items()}
        return {"steps": self.steps, "lr_factor": self.lr_factor, "members": members}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; nothing is changed unless all of it fits.

        Raises
        ------
        CheckpointError
            As those of the parts; and if there are others.
        """
        given = state.get("members")
        if not isinstance(given, Mapping) or set(given) != set(self.members):
            got = sorted(given) if isinstance(given, Mapping) else "none"
            raise CheckpointError(f"state does not fit {self.label}: expected parts {sorted(self.members)}, got {got}")
        before = {name: member.state_dict() for name, member in self.members.items()}
        try:
            for name, member in self.members.items():
                member.load_state_dict(given[name])
        except CheckpointError:
            for name, member in self.members.items():
                member.load_state_dict(before[name])
            raise
        self.steps, self.lr_factor = int(state.get("steps", 0)), float(state.get("lr_factor", 1.0))

    def __repr__(self) -> str:
        return f"{self.label}({', '.join(f'{name!r}: {member!r}' for name, member in self.members.items())})"
