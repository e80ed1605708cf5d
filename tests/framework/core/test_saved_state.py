"""The guard around what a forward pass keeps."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from lamina.core.saved_state import SavedState
from lamina.errors import DTypeError, SavedStateError, ShapeError


class Owner:
    label = "Dense '1'"


class Other:
    label = "ReLU '2'"


OWNER = Owner()


def test_the_content_is_given_once_and_then_forgotten() -> None:
    content = np.zeros(3)
    alive = weakref.ref(content)
    saved = SavedState(OWNER, content, np.zeros((2, 3)))
    taken = saved.take(OWNER, np.zeros((2, 3)))
    assert taken is content
    del taken, content
    gc.collect()
    assert alive() is None
    with pytest.raises(SavedStateError) as caught:
        saved.take(OWNER, np.zeros((2, 3)))
    assert str(caught.value) == "Dense '1': this saved state is used up: backward may run once for each forward"


def test_another_owner_is_refused_and_changes_nothing() -> None:
    saved = SavedState(OWNER, "content", np.zeros(2))
    with pytest.raises(SavedStateError) as caught:
        saved.take(Other(), np.zeros(2))
    assert str(caught.value) == "ReLU '2': got the saved state of Dense '1'"
    assert saved.take(OWNER, np.zeros(2)) == "content"


@pytest.mark.parametrize(
    ("output", "gradient", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 4)), "(2, 3), got (2, 4)"),
        (np.zeros((2, 3)), np.zeros(3), "(2, 3), got (3,)"),
        (np.zeros((2, 3)), None, "(2, 3), got None"),
        (np.zeros((2, 3)), [[0.0] * 3] * 2, "(2, 3), got None"),
        (np.zeros((2, 3)), (np.zeros((2, 3)),), "(2, 3), got ((2, 3),)"),
        ((np.zeros(2), np.zeros(3)), np.zeros(2), "((2,), (3,)), got (2,)"),
        ((np.zeros(2), np.zeros(3)), (np.zeros(2),), "((2,), (3,)), got ((2,),)"),
        ((np.zeros(2), np.zeros(3)), (np.zeros(2), None), "((2,), (3,)), got ((2,), None)"),
    ],
)
def test_a_gradient_of_another_shape_is_refused_and_the_state_stays_usable(
    output: Any, gradient: Any, message: str
) -> None:
    saved = SavedState(OWNER, "content", output)
    with pytest.raises(ShapeError) as caught:
        saved.take(OWNER, gradient)
    assert str(caught.value) == f"Dense '1': expected a gradient of shape {message}"
    assert saved.take(OWNER, output) == "content"


def test_a_loss_has_no_gradient_to_check() -> None:
    assert SavedState(OWNER, "content").take(OWNER) == "content"


def test_a_saved_state_prints_whose_it_is_and_whether_it_is_used_up() -> None:
    saved = SavedState(OWNER, None)
    assert repr(saved) == "<SavedState of Dense '1'>"
    saved.take(OWNER)
    assert repr(saved) == "<SavedState of Dense '1', used up>"


@pytest.mark.parametrize(
    ("output", "gradient", "message"),
    [
        (np.zeros(2, "float32"), np.zeros(2), "float32, got float64"),
        ((np.zeros(2), np.zeros(2)), (np.zeros(2), np.zeros(2, int)), None),
    ],
)
def test_a_gradient_of_another_dtype_is_refused(output: Any, gradient: Any, message: str | None) -> None:
    saved = SavedState(OWNER, "content", output)
    with pytest.raises(DTypeError) as caught:
        saved.take(OWNER, gradient)
    if message:
        assert str(caught.value) == f"Dense '1': expected a gradient of {message}"
    assert saved.take(OWNER, output) == "content"
