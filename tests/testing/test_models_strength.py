"""`check_model`, more of what its relations must see: each found by a mutant of one that no other test noticed."""

from typing import Any, ClassVar

import numpy as np
import pytest

import lamina
from lamina import Composite, Sequential
from lamina.layers import GRU, BatchNorm, Dense, Dropout
from lamina.losses import MeanSquaredError
from lamina.optimizers import SGD
from lamina.testing import CheckError, ModelCheckError, check_model, register_strict_backend
from lamina.testing.models import MODEL_RELATIONS
from lamina.testing.proofs.model_copies import expect_pass
from lamina.testing.proofs.passes import Outcome


def check(relation: str, model: Any, *shapes: Any, **options: Any) -> Any:
    return check_model(model, *shapes, skip=set(MODEL_RELATIONS) - {relation}, **options)


def test_a_model_that_moves_in_training_may_give_something_else_there() -> None:
    assert check("forward", Sequential(BatchNorm(), Dense(2)), (5, 3)).passed == ["forward"]


def test_the_dtype_is_the_one_asked_for() -> None:
    class Seen(lamina.Layer):
        dtypes: ClassVar[set[str]] = set()

        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            self.dtypes.add(str(x.dtype))
            return x, None

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy

    for dtype in ("float32", "float64"):
        Seen.dtypes.clear()
        check("call", Seen(), (4, 3), dtype=dtype)
        assert Seen.dtypes == {dtype}


def test_arrays_that_cannot_be_pickled_are_no_fault() -> None:
    pytest.importorskip("array_api_strict")
    report = check("pickled", Dense(2), (4, 3), backend=register_strict_backend())
    assert report.skipped["pickled"] == "the arrays of array-api-strict cannot be pickled"


def test_a_stream_needs_a_time_axis_in_every_input() -> None:
    class Beside(Composite):
        def __init__(self) -> None:
            self.reads, self.other = GRU(2), Dense(2)

        def compose(self, t: Any, x: Any, y: Any) -> Any:
            return t.add(t(self.reads, x), t(self.other, y))

    assert check("stream", Beside(), (4, 5, 3), (4, 3)).skipped["stream"] == "an input has no time axis"


class MovesFrozen(SGD):
    """Beside its step it moves what is frozen, and that alone."""

    def __init__(self, parameters: Any, lr: float = 0.01) -> None:
        self.everything = list(parameters)
        super().__init__(self.everything, lr)

    def step(self) -> None:
        super().step()
        for parameter in self.everything:
            if not parameter.trainable:
                parameter.data = parameter.numpy() * 0.9


class StepsByStorageLater(SGD):
    """Its step is as long as there are storages, after those of an epoch."""

    def __init__(self, parameters: Any, lr: float = 0.01) -> None:
        super().__init__(parameters, lr)
        self.taken = 0

    def step(self) -> None:
        self.taken += 1
        first = self.lr
        if self.taken > 3:
            self.lr = self.lr * len({id(one.storage) for one in self.parameters})
        super().step()
        self.lr = first


@pytest.mark.parametrize(
    ("relation", "optimizer", "told"),
    [("frozen", MovesFrozen, "frozen '1.w' after training"), ("parts apart", StepsByStorageLater, "in parts")],
)
def test_an_optimizer_is_seen_through(relation: str, optimizer: Any, told: str) -> None:
    model = Sequential(Dense(3), Dense(2))
    with pytest.raises(ModelCheckError, match=told):
        check(relation, model, (5, 3), loss="mse", optimizer=optimizer)


def test_an_evaluation_changes_nothing_either() -> None:
    class Meddles(MeanSquaredError):
        """It moves the weights of the last model that was called."""

        last: ClassVar[Any] = None

        def forward(self, prediction: Any, target: Any, **options: Any) -> Any:
            self.last.w.data = self.last.w.numpy() + 1
            return super().forward(prediction, target, **options)

    class Remembered(Dense):
        def infer(self, x: Any) -> Any:
            Meddles.last = self
            return super().infer(x)

    with pytest.raises(ModelCheckError, match="'w' after inference"):
        check("inference changes nothing", Remembered(2), (5, 3), loss=Meddles())


def test_what_is_measured_is_told_by_relation() -> None:
    relations = {"call", "predict", "stream", "rows alone", "padding"}
    model = Sequential(GRU(3, return_sequences=True), Dense(2))
    report = check_model(model, (4, 5, 2), skip=set(MODEL_RELATIONS) - relations)
    assert set(report.worst) == relations
    assert all(value < 1e-12 for value in report.worst.values())


class HalfTheSlope(MeanSquaredError):
    """Its gradient is half of what it should be."""

    def backward(self, saved: Any) -> Any:
        return super().backward(saved) / 2


def test_a_losss_own_gradient_is_seen() -> None:
    with pytest.raises(ModelCheckError, match="gradients: gradient of"):
        check("gradients", Dense(2), (4, 3), loss=HalfTheSlope())


def test_rows_alone_draw_in_training_what_they_draw_in_the_batch() -> None:
    class OneMoreAlone(Dropout):
        """Gives one more, in training, where a row is alone."""

        def forward(self, x: Any) -> Any:
            y, saved = super().forward(x)
            return y + (len(x) == 1), saved

    for lengths in (None, [5, 2, 0, 3]):
        report = check("forward", Sequential(Dropout(0.5), Dense(2)), (4, 5, 3), lengths=lengths)
        assert [one.detail for one in report.checks if one.passed] == ["under fixed draws"]
    with pytest.raises(ModelCheckError, match="forward: output 0 of forward, row 0 alone: "):
        check("forward", OneMoreAlone(0.5), (4, 5, 3))


def test_passes_of_other_gradients_are_told() -> None:
    one, other = (Outcome([], [], {name: np.ones(2)}) for name in ("w", "b"))
    with pytest.raises(CheckError) as caught:
        expect_pass("copied", one, other, 0)
    assert str(caught.value) == """copied: expected ["gradient of 'b'"], got ["gradient of 'w'"]"""


@pytest.mark.parametrize(
    ("layers", "detail"),
    [
        ([Dense(2)], "all were frozen"),
        ([Dense(3), Dense(2)], "2 frozen"),  # every second part
        ([BatchNorm(), Dense(2)], "4 frozen"),  # and the statistics, which move all the same
    ],
)
def test_every_second_part_is_frozen_and_statistics_may_move(layers: Any, detail: str) -> None:
    report = check("frozen", Sequential(*layers), (5, 3), loss="mse")
    assert [one.detail for one in report.checks if one.passed] == [detail]


def test_what_stands_past_the_ends_is_larger_than_what_occurs() -> None:
    class MindsTheLarge(lamina.Layer):
        """Its outputs are other ones where a large number stands anywhere."""

        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any, lengths: Any = None) -> Any:
            return x + (abs(x) > 100).any(), None

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy.copy()

    with pytest.raises(ModelCheckError, match="with other padding, 0 steps more"):
        check("padding", MindsTheLarge(), (4, 5, 2))
