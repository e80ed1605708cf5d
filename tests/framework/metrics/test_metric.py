import doctest
import importlib
import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ShapeError
from lamina.metrics import Accuracy
from lamina.metrics.metric import Metric
from lamina.metrics.ratio import Ratio, require_shape
from lamina.testing import register_strict_backend

MODULES = (
    *("metric", "labels", "weights", "kept", "function", "choice", "classes", "counting", "counts", "confusion"),
    *("ranking", "calibration", "regression"),
)


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"lamina.metrics.{name}")).failed == 0


def test_the_name_follows_from_the_class() -> None:
    class ShareOfTies(Ratio):
        pass

    class Other(Ratio):
        name = "mine"

    assert (ShareOfTies.name, Other.name, Metric.name) == ("share_of_ties", "mine", "")


def test_a_ratio_is_nan_until_something_counts() -> None:
    ratio, backend = Ratio(), lamina.get_backend("numpy")
    assert math.isnan(ratio.result())
    ratio.add(backend, np.asarray(0), 0)
    assert math.isnan(ratio.result())
    ratio.add(backend, np.asarray(3), 4)
    ratio.add(backend, np.asarray(1), np.asarray(4))
    assert ratio.result() == 0.5
    ratio.reset()
    assert math.isnan(ratio.result())


def test_a_call_is_one_batch_by_itself() -> None:
    accuracy = Accuracy(ignore_index=-1)
    accuracy.update(np.eye(2), np.array([0, 0]), None, lamina.get_backend("numpy"))
    assert accuracy(np.eye(2), [0, 1]) == 1
    assert accuracy([np.eye(2).tolist()], [[0, 0]], lengths=[1]) == 1
    assert accuracy(np.eye(2), [1, -1]) == 0
    assert accuracy.result() == 0.5
    with pytest.raises(ShapeError, match=r"^Accuracy: expected lengths from 0 to 2, got 3 at row 0$"):
        accuracy([np.eye(2).tolist()], [[0, 0]], lengths=[3])


def test_a_call_takes_a_devices_arrays() -> None:
    backend = register_strict_backend()
    assert Accuracy()(backend.asarray(np.eye(2)), backend.asarray(np.array([0, 0]))) == 0.5


def test_a_target_of_another_shape_is_refused() -> None:
    require_shape(Accuracy(), (2, 3), (2, 3))
    with pytest.raises(ShapeError, match=r"^Accuracy: expected targets of shape \(2, 3\), got \(2,\)$"):
        require_shape(Accuracy(), (2,), (2, 3))


def test_what_a_metric_must_define() -> None:
    class Empty(Metric):
        pass

    for method, arguments in (("reset", ()), ("update", (None, None, None, None)), ("result", ())):
        with pytest.raises(NotImplementedError, match=rf"^Empty does not define {method}$"):
            getattr(Empty(), method)(*arguments)


def test_options_of_a_class_are_not_swallowed() -> None:
    """All bases have their part of this in tests/test_class_options.py."""

    class Mixin:
        def __init_subclass__(cls, *, colour: int, **options: Any) -> None:
            super().__init_subclass__(**options)
            cls.colour = colour  # type: ignore[attr-defined]

    class Mine(Metric, Mixin, colour=1):
        pass

    assert Mine.colour == 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"takes no keyword arguments$"):
        type("Mine", (Metric,), {}, colour=1)


def test_what_is_shown_while_batches_come_is_the_result_unless_it_is_said() -> None:
    metric = Accuracy()
    metric.update(np.eye(3), np.array([0, 1, 1]), None, lamina.get_backend("numpy"))
    assert metric.so_far() == metric.result() == pytest.approx(2 / 3)
