"""L-BFGS."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from lamina.backends import Array, Backend
from lamina.core.arguments import number, one_of, whole
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.errors import ArgumentError
from lamina.optimization.line_search import Point, strong_wolfe
from lamina.optimization.optimizer import Optimizer
from lamina.optimization.pieces import Run

__all__ = ["LBFGS"]

_Vector: TypeAlias = list[Array]
_LEAST_CURVATURE = 1e-10  # y's below it is not kept: the next direction might not go down


@register
class LBFGS(Optimizer):
    """Limited-memory BFGS: the Hessian from the last steps' changes of gradients, for few weights and one full batch.

    Each iteration goes along d = -H g, where H is kept by its last ``history`` updates, from s = the step of the
    weights and y = the change of the gradient that came with it (Nocedal, 1980; Liu and Nocedal, 1989)::

        H = (1 - s y' / y's) H (1 - y s' / y's) + s s' / y's        starting from H = y's / y'y
        parameters += a d

    with a from a line search that starts at ``lr`` and ends where the strong Wolfe conditions hold: see
    `lamina.optimization.line_search.strong_wolfe`. The first direction is -g, its first a lr min(1, 1 / sum(abs(g))).
    There is no epsilon; a pair with y's of at most 1e-10 is not kept. The iterations, their order and when they end are
    PyTorch's, but its line search is off by default, and it keeps 100 pairs.

    One `step` makes up to ``max_iterations`` iterations, and for that computes loss and gradients many times: by a
    closure, which must give the same loss for the same weights. So all data go in one batch, and a mask of dropout
    must not change in between::

        def closure():
            optimizer.zero_grad()
            y, saved = model.forward(x)
            value, loss_saved = loss.forward(y, target)
            model.backward(loss.backward(loss_saved), saved)
            return value

        optimizer.step(closure)

    After it the gradients are those of the last weights that were tried, which need not be the ones that were taken.
    It takes no clipping and no groups: the line search needs the gradient as it is, along one direction of all.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
        The step that is tried first; 1 is Newton's.
    max_iterations : int
    max_evaluations : int, optional
        How often the closure is called in a step, about; 5 / 4 of the iterations if not given.
    gradient_tolerance : float
        A step ends where no element of the gradient is larger than this.
    change_tolerance : float
        It ends where neither the weights nor the loss change by more than this.
    history : int
    line_search : str, optional
        ``"strong_wolfe"``. None takes every step at lr.

    Attributes
    ----------
    needs_closure : bool
        True.
    iterations : int
        How many were made, of all steps.
    newest, pairs : int
        The place of the latest pair of s and y, and how many there are.
    curvatures : list of float
        y's of the pairs, by place; 0 where there is none.
    first_scale, last_step : float
        y's / y'y of the latest pair, and a of the latest iteration.

    Raises
    ------
    ArgumentError
        From `step`, without a closure.

    Examples
    --------
    Of the square of w - 3 the first iteration is short, the second finds the minimum:

    >>> import lamina
    >>> model = lamina.layers.Dense(1, use_bias=False)
    >>> model.build((None, 1), dtype="float64", seed=0)
    (None, 1)
    >>> optimizer = lamina.optimizers.LBFGS(model.parameters())
    >>> def closure():
    ...     model.w.grad = 2 * (model.w.data - 3)
    ...     return ((model.w.data - 3) ** 2).sum()
    >>> _ = optimizer.step(closure)
    >>> round(float(model.w.data[0, 0]), 6)
    3.0
    """

    needs_closure = True

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1.0,
        *,
        max_iterations: int = 20,
        max_evaluations: int | None = None,
        gradient_tolerance: float = 1e-7,
        change_tolerance: float = 1e-9,
        history: int = 10,
        line_search: str | None = "strong_wolfe",
    ) -> None:
        self.max_iterations = whole(self, "max_iterations", max_iterations)
        self.max_evaluations = None if max_evaluations is None else whole(self, "max_evaluations", max_evaluations)
        self.gradient_tolerance = number(self, "gradient_tolerance", gradient_tolerance, least=0)
        self.change_tolerance = number(self, "change_tolerance", change_tolerance, least=0)
        self.history = whole(self, "history", history)
        self.line_search = None if line_search is None else one_of(self, "line_search", line_search, ("strong_wolfe",))
        self.iterations = self.pairs = 0
        self.newest, self.curvatures = -1, [0.0] * self.history
        self.first_scale, self.last_step = 1.0, 0.0
        super().__init__(parameters, lr)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the last direction and gradient, and room for the pairs."""
        pairs = [f"{name}_{place}" for place in range(self.history) for name in ("step", "change")]
        return {name: backend.zeros(data.shape, data.dtype) for name in ("direction", "gradient", *pairs)}

    def step(self, closure: Callable[[], Array] | None = None) -> Array:
        """Make up to ``max_iterations`` iterations.

        Parameters
        ----------
        closure : callable
            Sets all gradients to zero, computes the loss and its gradients at the weights as they are, and returns the
            loss.

        Returns
        -------
        0-d array
            The loss before the step, as the closure returned it.
        """
        if closure is None:
            raise ArgumentError(
                f"{self.label}: step needs a closure, a function that computes the loss and its gradients and returns "
                "the loss, got none"
            )
        self._follow_moves()
        self.steps += 1
        before = closure()
        space = _Space(self._runs)
        if space.pieces:
            self._iterate(space, closure, before)
        return before

    def _iterate(self, space: _Space, closure: Callable[[], Array], first: Array) -> None:
        most = self.max_iterations * 5 // 4 if self.max_evaluations is None else self.max_evaluations
        here, evaluations = Point(0.0, float(first), 0.0, space.gradient()), 1
        if not math.isfinite(here.loss) or space.largest(here.gradient) <= self.gradient_tolerance:
            return
        for iteration in range(1, self.max_iterations + 1):
            along = self._direction(space, here.gradient)
            self.iterations += 1
            step = self.lr
            if self.iterations == 1:
                step *= min(1.0, 1.0 / space.total(here.gradient))
            before = Point(0.0, here.loss, space.dot(here.gradient, along), here.gradient)
            self.last_step = 0.0
            if before.slope > -self.change_tolerance:
                return
            start, size = space.weights(), space.largest(along)

            def evaluate(step: float, start: _Vector = start, along: _Vector = along) -> Point:
                space.move(start, step, along)
                loss, gradient = float(closure()), space.gradient()
                return Point(step, loss, space.dot(gradient, along), gradient)

            tried = 0
            if self.line_search is not None:
                here, tried = strong_wolfe(
                    evaluate,
                    before,
                    step,
                    size,
                    change_tolerance=self.change_tolerance,
                    most=max(most - evaluations, 1),
                )
                space.move(start, here.step, along)
            elif iteration < self.max_iterations:
                here, tried = evaluate(step), 1
            else:
                space.move(start, step, along)
                here = before._replace(step=step)
            self.last_step, evaluations = here.step, evaluations + tried
            if (
                evaluations >= most
                or space.largest(here.gradient) <= self.gradient_tolerance
                or size * here.step <= self.change_tolerance
                or abs(here.loss - before.loss) < self.change_tolerance
                or not math.isfinite(here.loss)
            ):
                return

    def _direction(self, space: _Space, gradient: _Vector) -> _Vector:
        """Take in the pair of the last iteration, and return -H g; both go into the state."""
        last, along = space.state("gradient"), space.state("direction")
        if self.iterations:
            change = space.plus(gradient, -1.0, last)
            curvature = self.last_step * space.dot(change, along)
            if curvature > _LEAST_CURVATURE:
                self.newest = (self.newest + 1) % self.history
                self.pairs = min(self.pairs + 1, self.history)
                self.curvatures[self.newest] = curvature
                self.first_scale = curvature / space.dot(change, change)
                space.write(f"change_{self.newest}", 1.0, change)
                space.write(f"step_{self.newest}", self.last_step, along)
        places = [(self.newest - age) % self.history for age in range(self.pairs)]
        found, shares = [-one for one in gradient], list[float]()
        for place in places:
            shares.append(space.dot(space.state(f"step_{place}"), found) / self.curvatures[place])
            found = space.plus(found, -shares[-1], space.state(f"change_{place}"))
        if self.pairs:
            found = [self.first_scale * one for one in found]
        for place, share in zip(reversed(places), reversed(shares), strict=True):
            other = space.dot(space.state(f"change_{place}"), found) / self.curvatures[place]
            found = space.plus(found, share - other, space.state(f"step_{place}"))
        space.write("gradient", 1.0, gradient)
        space.write("direction", 1.0, found)
        return found


class _Space:
    """All trainable parameters as one vector, whose parts lie where the parameters do."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self.pieces = [piece for run in runs for piece in run.pieces(by_rows=False)]

    def weights(self) -> _Vector:
        """Return a copy of the weights."""
        return [piece.backend.copy(piece.data) for piece in self.pieces]

    def gradient(self) -> _Vector:
        """Return a copy of the gradient as it is now, that of tables by rows too."""
        return [piece.backend.copy(piece.grad) for run in self.runs for piece in run.pieces(by_rows=False)]

    def state(self, name: str) -> _Vector:
        """Return a vector of the state, itself."""
        return [piece.state[name] for piece in self.pieces]

    def write(self, name: str, factor: float, vector: _Vector) -> None:
        """Make a vector of the state a multiple of another."""
        for own, one in zip(self.state(name), vector, strict=True):
            own[...] = factor * one

    def move(self, start: _Vector, step: float, along: _Vector) -> None:
        """Set the weights to start + step along."""
        for piece, one, other in zip(self.pieces, start, along, strict=True):
            piece.data[...] = one + step * other

    def plus(self, vector: _Vector, factor: float, other: _Vector) -> _Vector:
        """Return vector + factor other."""
        return [one + factor * two for one, two in zip(vector, other, strict=True)]

    def dot(self, vector: _Vector, other: _Vector) -> float:
        """Return the sum of products."""
        parts = zip(self.pieces, vector, other, strict=True)
        return sum(piece.backend.inner(one, two) for piece, one, two in parts)

    def largest(self, vector: _Vector) -> float:
        """Return the largest size of an element."""
        return max(piece.backend.extent(one)[0] for piece, one in zip(self.pieces, vector, strict=True))

    def total(self, vector: _Vector) -> float:
        """Return the sum of the elements' sizes."""
        return sum(piece.backend.extent(one)[1] for piece, one in zip(self.pieces, vector, strict=True))
