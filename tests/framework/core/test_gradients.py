"""Where kernels add the gradients of parameters: each its own, and one thread at a time."""

import numpy as np
import pytest

from lamina import Parameter, Sequential
from lamina.core.additions import Adding, thread
from lamina.core.gradients import gradients_of
from lamina.layers import Dense


@pytest.fixture(params=["numpy", "reference"])
def parameters(request: pytest.FixtureRequest) -> list[Parameter]:
    model = Sequential(Dense(2))
    model.build((None, 3), seed=0, backend=request.param, dtype="float64")
    return list(model.parameters())


def test_each_gets_its_own(parameters: list[Parameter]) -> None:
    w, b = parameters
    for _ in range(2):
        to_w, nothing, to_b = gradients_of((w, None, b))
        assert nothing is None
        to_w += np.ones((3, 2))
        to_b += np.array([1.0, 2.0])
    assert w.read_grad().tolist() == [[2, 2]] * 3
    assert b.read_grad().tolist() == [2, 4]


def test_a_table_by_rows_is_lent_whole() -> None:
    """Whoever may write anywhere makes it look for what is not 0, first among the parameters or not."""
    table, other = Parameter((3, 2), row_wise=True), Parameter((2,))
    layer = Dense(2)
    layer.build((None, 2))
    for parameter in (table, other):
        parameter.place(layer.w.storage.__class__(layer.backend, "float32", parameter.size), 0)
    for order in ((table, other), (other, table)):
        table.zero_grad()
        table.add_rows(np.array([1]), np.ones((1, 2), np.float32))
        gradient = dict(zip(order, gradients_of(order), strict=True))[table]
        gradient[2] += 1
        assert table.read_grad().tolist() == [[0, 0], [1, 1], [1, 1]]


def test_from_then_on_other_threads_wait_until_the_backward_ends(parameters: list[Parameter]) -> None:
    adding = thread.adding
    adding.held = False  # as the guard around a layer's backward does
    try:
        gradients_of((None,))
        assert adding.held is False
        gradients_of(parameters)
        assert adding.held is Adding.lock
    finally:
        if adding.held:
            adding.held.release()
        adding.held = None
