"""Lookahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina.backends import Array, Backend
from lamina.core.arguments import number, whole
from lamina.core.registry import register
from lamina.errors import ArgumentError, CheckpointError
from lamina.optimization.optimizer import Optimizer

__all__ = ["Lookahead"]


def _of_inner(name: str) -> Any:
    """Return an attribute that is the inner optimizer's."""

    def read(self: Lookahead) -> Any:
        return getattr(self.optimizer, name)

    def write(self: Lookahead, value: Any) -> None:
        setattr(self.optimizer, name, value)

    return property(read, write, doc=f"The inner optimizer's {name}.")


@register
class Lookahead(Optimizer):
    """Slow weights around any optimizer: after some of its steps they go a share of its way, and it starts from there.

        the optimizer's step
        slow += share * (parameter - slow)              after every period steps
        parameter = slow

    starting from slow = parameter (Zhang et al., 2019, whose k is the period and whose alpha is the share). What the
    optimizer keeps, its momentum, is left as it is. There is no epsilon. Parameters that are not trainable are left
    alone. Rate, settings, groups, clipping and the count of steps are the inner optimizer's, so that schedules set its
    rate; its state is saved with the slow weights, as one. As it is made around another, its name alone makes none.

    Weights that are assigned between steps count as a way that the optimizer went.

    Parameters
    ----------
    optimizer : Optimizer
        Any but another Lookahead.
    period : int
    share : float
        Above 0 and at most 1.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import lamina
    >>> from lamina.optimizers import Adam, Lookahead
    >>> model = lamina.layers.Dense(2)
    >>> trainer = lamina.Trainer(model, optimizer=lambda parameters: Lookahead(Adam(parameters, lr=0.003)))
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> Lookahead(Adam(model.parameters(), lr=0.003), period=10)
    Lookahead(Adam(lr=0.003), period=10)
    """

    _transient = ()

    parameters = _of_inner("parameters")
    steps = _of_inner("steps")
    lr = _of_inner("lr")
    lr_factor = _of_inner("lr_factor")
    clip_norm = _of_inner("clip_norm")
    clip_value = _of_inner("clip_value")
    groups = _of_inner("groups")
    needs_closure = _of_inner("needs_closure")
    _first_lr = _of_inner("_first_lr")

    def __init__(self, optimizer: Optimizer, period: int = 5, share: float = 0.5) -> None:
        # What the base class would set is the inner optimizer's already.
        if not isinstance(optimizer, Optimizer):
            told = f"got {type(optimizer).__name__}: write Lookahead(Adam(model.parameters()))"
            raise ArgumentError(f"{self.label}: expected optimizer to be an Optimizer, {told}")
        self.optimizer = optimizer
        if isinstance(optimizer, Lookahead):
            raise ArgumentError(f"{self.label}: expected optimizer to be no Lookahead itself, got {optimizer!r}")
        self.period = whole(self, "period", period)
        self.share = number(self, "share", share, above=0, most=1)
        self._ungrouped, self._members = list(self.parameters), []
        self._runs, self._stretches = self._make_runs(), self._make_stretches()

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the slow weights, which start where the parameters are."""
        return {"slow_weights": backend.copy(data)}

    def step(self, closure: Callable[[], Array] | None = None) -> Any:
        """Take the optimizer's step, with the closure where it needs one; after every period steps, the slow one.

        Returns
        -------
        object
            What the optimizer's step returns.
        """
        self._follow_moves()
        inner: Any = self.optimizer
        result = inner.step(closure) if inner.needs_closure else inner.step()
        if self.steps % self.period == 0:
            for run in self._runs:
                for piece in run.pieces(by_rows=False):
                    slow = piece.state["slow_weights"]
                    slow += self.share * (piece.data - slow)
                    piece.data[...] = slow
        return result

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the inner optimizer's state, each parameter's slow weights among its arrays."""
        own = super().state_dict()["parameters"]
        state = self.optimizer.state_dict()
        inner = state["parameters"]
        return {**state, "parameters": {path: {**inner.get(path, {}), **arrays} for path, arrays in own.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; nothing is changed unless all of it fits.

        Raises
        ------
        CheckpointError
            As that of the inner optimizer; and if slow weights are missing or misshapen.
        """
        arrays = state.get("parameters", {}).items()
        inner = {path: {name: one for name, one in own.items() if name != "slow_weights"} for path, own in arrays}
        slow = {path: {"slow_weights": own["slow_weights"]} for path, own in arrays if "slow_weights" in own}
        before = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**state, "parameters": inner})
        try:
            rates = {name: state[name] for name in ("steps", "lr", "first_lr", "lr_factor") if name in state}
            super().load_state_dict({**rates, "parameters": slow})
        except CheckpointError:
            self.optimizer.load_state_dict(before)
            raise
