"""An optimizer on trial: the checks of `check_optimizer`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lamina.backends import Array, Backend, get_backend
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.stretch import Stretch
from lamina.errors import ArgumentError
from lamina.optimization.optimizer import Optimizer
from lamina.testing.proofs.arrays import HostArray, expect_close, expect_same_bits, to_host
from lamina.testing.report import CheckError, Skip

__all__ = ["OptimizerTrial"]

_ROUNDING = 1e-12
# A number, a vector, a matrix and a stack of matrices; the middle ones lie between others.
_SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3), (2, 1, 2))


class _Holder(Layer):
    """Parameters and nothing else."""

    def build(self, shape: Any) -> Any:
        """Create one parameter of each shape."""
        self.weights = [Parameter(shape) for shape in _SHAPES]
        return shape

    def forward(self, x: Array) -> tuple[Array, None]:
        """Return x."""
        return x, None


class OptimizerTrial:
    """An optimizer, and small models whose gradients are given by hand; each check is a method."""

    def __init__(
        self, factory: Callable[[Iterable[Parameter]], Optimizer], backend: Backend, steps: int, seed: int
    ) -> None:
        if not callable(factory):
            raise ArgumentError(f"check_optimizer: expected what makes an optimizer from parameters, got {factory!r}")
        self.factory = factory
        self.backend = backend
        self.steps = steps
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.start: list[HostArray] = [rng.standard_normal(shape) for shape in _SHAPES]
        self.goal: list[HostArray] = [rng.standard_normal(shape) for shape in _SHAPES]

    def build(self, dtype: str = "float64", backend: Backend | None = None) -> Layer:
        """Return a new model with its first weights."""
        model: Layer = _Holder()
        model.build((None, 1), backend=backend or self.backend, dtype=dtype)
        for parameter, value in zip(model.parameters(), self.start, strict=True):
            parameter.data = value
        return model

    def make(self, model: Layer | list[Parameter]) -> Optimizer:
        """Return the optimizer of a model."""
        optimizer = self.factory(model.parameters() if isinstance(model, Layer) else model)
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(f"check_optimizer: expected the factory to make an Optimizer, got {optimizer!r}")
        return optimizer

    def give(self, parameters: Iterable[Parameter], step: int) -> None:
        """Set the gradients that belong to a step, the same ones every time."""
        rng = np.random.default_rng((self.seed, step))
        for parameter in parameters:
            parameter.grad = rng.standard_normal(parameter.shape)

    def run(self, optimizer: Optimizer, first: int, last: int) -> list[HostArray]:
        """Take some steps and return the weights, on the host."""
        for step in range(first, last):
            self.take(optimizer, optimizer.parameters, step)
        return [parameter.numpy() for parameter in optimizer.parameters]

    def take(self, optimizer: Optimizer, parameters: list[Parameter], step: int) -> None:
        """Take one step: along the gradients that belong to it, or, with a closure, of a quadratic with such a goal."""
        if not optimizer.needs_closure:
            self.give(parameters, step)
            optimizer.step()
            return

        def closure() -> float:
            rng, loss = np.random.default_rng((self.seed, step)), 0.0
            for parameter in parameters:
                distance = parameter.numpy() - rng.standard_normal(parameter.shape)
                parameter.grad = distance
                loss += 0.5 * float(np.sum(distance**2, dtype=np.float64))
            return loss

        _step(optimizer, closure)

    def dtypes(self) -> None:
        """Check that weights change in place, in float32 and float64, and that the state has their dtype."""
        for dtype in ("float32", "float64"):
            model = self.build(dtype)
            before = [parameter.data for parameter in model.parameters()]
            optimizer = self.make(model)
            after = self.run(optimizer, 0, 3)
            if optimizer.steps != 3:
                raise CheckError(f"steps: expected 3 after three steps, got {optimizer.steps}")
            for index, (parameter, data) in enumerate(zip(model.parameters(), before, strict=True)):
                if not np.array_equal(to_host(self.backend, data), after[index]):
                    raise CheckError(f"{parameter.name}: expected a step in place, got another array")
                if not np.all(np.isfinite(after[index])) or np.array_equal(after[index], self.start[index]):
                    raise CheckError(f"{parameter.name}: expected finite weights that changed, got {after[index]}")
            for path, arrays in optimizer.state_dict()["parameters"].items():
                for name, array in arrays.items():
                    if array.dtype.kind == "f" and array.dtype != dtype:
                        raise CheckError(f"state {path}/{name}: expected {dtype}, got {array.dtype}")

    def gradients_left_alone(self) -> None:
        """Check that no gradient is written to."""
        model = self.build()
        optimizer = self.make(model)
        if optimizer.clip_norm is not None or optimizer.clip_value is not None:
            raise Skip("clips gradients, in place")
        if optimizer.needs_closure:
            raise Skip("its closure sets the gradients")
        for step in range(3):
            self.give(model.parameters(), step)
            before = [to_host(self.backend, parameter.grad) for parameter in model.parameters()]
            optimizer.step()
            for parameter, gradient in zip(model.parameters(), before, strict=True):
                expect_same_bits(f"gradient of {parameter.name}", to_host(self.backend, parameter.grad), gradient)

    def zero_grad(self) -> None:
        """Check that zero_grad sets all gradients to zero."""
        model = self.build()
        optimizer = self.make(model)
        self.give(model.parameters(), 0)
        optimizer.zero_grad()
        for parameter in model.parameters():
            if to_host(self.backend, parameter.grad).any():
                raise CheckError(f"{parameter.name}: expected a gradient of 0, got another one")

    def frozen(self) -> None:
        """Check that a parameter that is not trainable keeps its bits, and the others step as ever."""
        for frozen in (0, 1, len(_SHAPES) - 1):
            model = self.build()
            held = model.parameters()[frozen]
            held.trainable = False
            optimizer = self.make(model)
            got = self.run(optimizer, 0, 4)
            expect_same_bits(f"{held.name}, not trainable", got[frozen], self.start[frozen])
            if optimizer.clip_norm is not None or optimizer.needs_closure:
                continue  # the norm, or the line search, is over the others alone
            whole = self.make(self.build())
            for index, (array, other) in enumerate(zip(got, self.run(whole, 0, 4), strict=True)):
                if index != frozen:
                    expect_close(f"weights {index} beside a frozen one", array, other, _ROUNDING)

    def placement(self) -> None:
        """Check that parameters step alike whether they lie side by side in memory, apart, or in another order."""
        expected = self.run(self.make(self.build()), 0, 5)
        apart = [self.build().parameters()[index] for index in range(len(_SHAPES))]
        for index, parameter in enumerate(apart):
            parameter.name = f"weights.{index}"
        models = {"apart": apart, "in another order": self.build().parameters()[::-1]}
        for name, parameters in models.items():
            if name == "in another order":
                optimizer = self.make(parameters)
                for step in range(5):
                    self.take(optimizer, parameters[::-1], step)
                got = [parameter.numpy() for parameter in parameters[::-1]]
            else:
                got = self.run(self.make(parameters), 0, 5)
            for index, (array, other) in enumerate(zip(got, expected, strict=True)):
                expect_close(f"weights {index}, {name}", array, other, _ROUNDING)

    def generic_kernel(self) -> str:
        """Check that the backend's update equals the generic one on NumPy."""
        if self.backend.name == "reference":
            raise Skip("this is the generic kernel")
        worst = 0.0
        for dtype, allowed in (("float64", 1e-10), ("float32", 1e-4)):
            got = self.run(self.make(self.build(dtype)), 0, 20)
            expected = self.run(self.make(self.build(dtype, get_backend("reference"))), 0, 20)
            for index, (array, other) in enumerate(zip(got, expected, strict=True)):
                error = expect_close(f"weights {index} in {dtype}, against the generic kernel", array, other, allowed)
                worst = max(worst, error if dtype == "float64" else 0.0)
        return f"{worst:.1e} in float64"

    def deterministic(self) -> None:
        """Check that two runs give the same bits."""
        expected = self.run(self.make(self.build()), 0, 10)
        self._same(self.run(self.make(self.build()), 0, 10), expected, "run twice")

    def continued(self) -> None:
        """Check that saved state, loaded into a new optimizer, continues with the same bits; the copy is a copy."""
        expected = self.run(self.make(self.build()), 0, 10)
        model = self.build()
        optimizer = self.make(model)
        halfway = self.run(optimizer, 0, 5)
        state = optimizer.state_dict()
        self._same(self.run(optimizer, 5, 10), expected, "after state_dict was called")
        again = self.build()
        for parameter, value in zip(again.parameters(), halfway, strict=True):
            parameter.data = value
        other = self.make(again)
        other.load_state_dict(state)
        if other.steps != 5:
            raise CheckError(f"steps: expected 5 as saved, got {other.steps}")
        self._same(self.run(other, 5, 10), expected, "continued from state_dict")

    def moved(self) -> str:
        """Check that a model that moves to another backend and back in the middle steps on as if it had not."""
        if self.backend.name == "reference":
            raise Skip("there is nowhere else to move to")
        expected = self.run(self.make(self.build()), 0, 9)
        model = self.build()
        optimizer = self.make(model)
        self.run(optimizer, 0, 3)
        model.to("reference")
        self.run(optimizer, 3, 6)
        model.to(self.backend)
        got = self.run(optimizer, 6, 9)
        for index, (array, other) in enumerate(zip(got, expected, strict=True)):
            expect_close(f"weights {index}, moved and back", array, other, 1e-10)
        return "to 'reference' and back"

    def learning_rate(self) -> None:
        """Check that the rate may be assigned between steps: it keeps the state, and comes with state_dict."""
        optimizer = self.make(self.build())
        self.run(optimizer, 0, 3)
        before = optimizer.state_dict()
        optimizer.lr = optimizer.lr / 4
        after = optimizer.state_dict()
        if after["lr"] != before["lr"] / 4:
            raise CheckError(f"state_dict: expected lr {before['lr'] / 4}, got {after['lr']}")
        for path, arrays in before["parameters"].items():
            for name, array in arrays.items():
                expect_same_bits(f"state {path}/{name}, after lr changed", after["parameters"][path][name], array)
        if optimizer.needs_closure:
            return  # it may search for how far to go, whatever the rate
        start = [parameter.numpy() for parameter in optimizer.parameters]
        small = self.run(optimizer, 3, 4)
        other = self.make(self.build())
        for parameter, value in zip(other.parameters, start, strict=True):
            parameter.data = value
        other.load_state_dict(before)
        large = self.run(other, 3, 4)
        moved = [sum(float(np.abs(a - b).sum()) for a, b in zip(end, start, strict=True)) for end in (small, large)]
        if not moved[0] < moved[1]:
            raise CheckError(f"expected a smaller step at a quarter of the rate, got {moved[0]:.3g} and {moved[1]:.3g}")

    def converges(self) -> str:
        """Check that a convex quadratic falls to a tenth."""
        model = self.build()
        optimizer = self.make(model)
        # One flat array, so that a thousand steps cost little more than the optimizer's own part of them.
        weights = Stretch(model.parameters())
        goal: HostArray = np.concatenate([part.ravel() for part in self.goal])
        start: HostArray = np.concatenate([part.ravel() for part in self.start])
        curvature = 0.5 + 0.5 * np.random.default_rng(self.seed).random(goal.shape)

        def distance() -> HostArray:
            return to_host(self.backend, weights.data) - goal

        # From near the goal, so that a small rate gets there too.
        weights.data[...] = self.backend.asarray(goal + 0.2 * start)

        def loss() -> float:
            weights.grad[...] = self.backend.asarray(curvature * distance())
            return float(np.sum(curvature * distance() ** 2)) / 2

        first = 2 * loss()
        for _ in range(self.steps):
            if optimizer.needs_closure:
                _step(optimizer, loss)
                continue
            weights.grad[...] = self.backend.asarray(curvature * distance())
            optimizer.step()
        last = float(np.sum(curvature * distance() ** 2))
        if not last < 0.1 * first:
            raise CheckError(f"expected a tenth of {first:.3g} after {self.steps} steps, got {last:.3g}")
        return f"{first:.2g} to {last:.1e} in {self.steps} steps"

    def representation(self) -> None:
        """Check that the printed optimizer names its class."""
        optimizer = self.make(self.build())
        if type(optimizer).__name__ not in repr(optimizer):
            raise CheckError(f"expected {type(optimizer).__name__} in repr, got {optimizer!r}")

    def _same(self, got: list[HostArray], expected: list[HostArray], how: str) -> None:
        for index, (array, other) in enumerate(zip(got, expected, strict=True)):
            expect_same_bits(f"weights {index}, {how}", array, other)


def _step(optimizer: Any, closure: Callable[[], float]) -> None:
    optimizer.step(closure)
