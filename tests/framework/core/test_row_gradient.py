"""A table's gradient by rows is, to whoever looks at it or writes into it, the array that it would be without."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamina
from lamina import Parameter, Sequential
from lamina.callbacks import Callback
from lamina.core.stretch import Stretch
from lamina.errors import MissingAttributeError, NonFiniteError, ShapeError
from lamina.layers import Dense, Embedding
from lamina.optimizers import SGD, AdaGrad, Adam, clip_global_norm, clip_value
from lamina.testing import register_strict_backend

ROWS, UNITS = 5, 2
BACKENDS = ["numpy", "reference", "array-api-strict", "numba"]
register_strict_backend()


def parameters(backend: str, row_wise: bool = True) -> tuple[Parameter, Parameter]:
    """Return a table, and a parameter beside it in the same storage."""
    model = Sequential(Embedding(ROWS, UNITS, row_wise=row_wise), Dense(UNITS))
    try:
        model.build((None,), backend=backend, dtype="float64", seed=0)
    except lamina.errors.BackendError as error:
        pytest.skip(str(error))
    return model[0].w, model[1].w  # type: ignore[attr-defined]


def host(parameter: Parameter, array: Any) -> Any:
    return np.array(parameter.backend.to_numpy(array))


class Both:
    """A table, and what its gradient must be: a plain array of NumPy to which the same is done."""

    def __init__(self, backend: str) -> None:
        self.table, self.other = parameters(backend)
        self.expected = np.zeros((ROWS, UNITS))
        self.held: Any = None

    def add_rows(self, ids: list[int], seed: int) -> None:
        rows = np.random.default_rng(seed).standard_normal((len(ids), UNITS))
        backend = self.table.backend
        self.table.add_rows(backend.asarray(np.array(ids, np.int64)), backend.asarray(rows))
        np.add.at(self.expected, ids, rows)

    def add(self, ids: list[int], seed: int) -> None:
        rows = np.random.default_rng(seed).standard_normal((ROWS, UNITS))
        self.table.grad += self.table.backend.asarray(rows)
        self.expected += rows

    def add_to_what_is_held(self, ids: list[int], seed: int) -> None:
        if self.held is not None:
            self.held[...] = self.held + seed
            self.expected += seed

    def hold(self, ids: list[int], seed: int) -> None:
        self.held = self.table.grad

    def read(self, ids: list[int], seed: int) -> None:
        np.testing.assert_allclose(host(self.table, self.table.read_grad()), self.expected, atol=1e-12)

    def read_storage(self, ids: list[int], seed: int) -> None:
        storage = self.table.storage
        assert storage is not None
        flat = host(self.table, storage.read_grad() if seed % 2 else storage.grad)[: ROWS * UNITS]
        np.testing.assert_allclose(flat, self.expected.reshape(-1), atol=1e-12)

    def set_zero(self, ids: list[int], seed: int) -> None:
        self.table.grad[...] = 0
        self.expected[...] = 0

    def zero_grad(self, ids: list[int], seed: int) -> None:
        self.table.zero_grad()
        self.expected[...] = 0

    def zero_stretch(self, ids: list[int], seed: int) -> None:
        Stretch([self.table, self.other]).zero_grad()
        self.expected[...] = 0

    def write_stretch(self, ids: list[int], seed: int) -> None:
        Stretch([self.table, self.other]).grad[...] = seed
        self.expected[...] = seed

    def scale(self, ids: list[int], seed: int) -> None:
        self.table.scale_grad(0.5)
        self.expected *= 0.5

    def clip(self, ids: list[int], seed: int) -> None:
        norm = clip_global_norm([self.table], 1.0)
        assert float(norm) == pytest.approx(float(np.sqrt((self.expected**2).sum())), abs=1e-12)
        self.expected *= 1 / max(1.0, float(norm))

    def clip_each(self, ids: list[int], seed: int) -> None:
        clip_value([self.table], 0.3)
        self.expected = self.expected.clip(-0.3, 0.3)

    def copy(self, ids: list[int], seed: int) -> None:
        pair = self.table, self.other
        strict = self.table.backend.name == "array-api-strict"  # whose arrays cannot be pickled
        self.table, self.other = copy.deepcopy(pair) if seed % 2 or strict else pickle.loads(pickle.dumps(pair))
        self.held = None

    def step(self, ids: list[int], seed: int) -> None:
        before = host(self.table, self.table.data)
        SGD([self.table, self.other], lr=0.5).step()
        np.testing.assert_allclose(host(self.table, self.table.data), before - 0.5 * self.expected, atol=1e-12)


DOINGS = [name for name in vars(Both) if not name.startswith("_")]


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    st.lists(
        st.tuples(st.sampled_from([*DOINGS, *["add_rows"] * 5]), st.lists(st.integers(0, ROWS - 1)), st.integers(0, 9)),
        max_size=12,
    )
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_done_the_gradient_is_that_of_a_plain_array(backend: str, doings: list[Any]) -> None:
    both = Both(backend)
    for name, ids, seed in doings:
        getattr(both, name)(ids, seed)
    both.step([], 0)
    assert not host(both.other, both.other.grad).any() or any("stretch" in name for name, _, _ in doings)
    np.testing.assert_allclose(host(both.table, both.table.grad), both.expected, atol=1e-12)


def step(
    row_wise: bool, optimizer: Any, look: Any = lambda model: None, backend: str = "numpy", passes: int = 2
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return weights and gradients after three steps, each of some passes, between which somebody looks."""
    model = Sequential(Embedding(8, 3, row_wise=row_wise), Dense(4))
    model.build((None,), backend=backend, dtype="float64", seed=0)
    updates, rng = optimizer(model.parameters()), np.random.default_rng(0)
    for _ in range(3):
        updates.zero_grad()
        for _ in range(passes):
            ids = rng.permutation(8)  # so that lazy states are those of the whole table
            _, saved = model.forward(model.backend.asarray(ids))
            model.backward(model.backend.asarray(rng.standard_normal((8, 4))), saved)
            model = look(model) or model
        updates.step()
    gradients = {name: host(one, one.grad) for name, one in model.named_parameters().items()}
    return model.state_dict(), gradients


class Plain(lamina.Optimizer):
    """Gradient descent that asks for each parameter in its shape."""

    elementwise = False

    def __init__(self, parameters: Any, lr: float = 0.1, **general: Any) -> None:
        super().__init__(parameters, lr, **general)

    def update(self, backend: Any, data: Any, grad: Any, state: Any) -> None:
        """Step."""
        assert data.ndim == grad.ndim > 0
        data -= self.lr * grad


OPTIMIZERS = {
    "sgd": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "adagrad": lambda p: AdaGrad(p, lr=0.1),
    "adam": lambda p: Adam(p, lr=0.1),
    "clip_norm": lambda p: Adam(p, lr=0.1, clip_norm=0.1),
    "clip_value": lambda p: AdaGrad(p, lr=0.1, clip_value=0.05),
    "groups": lambda p: SGD(p, lr=0.1, clip_norm=0.1, groups={"0.*": {"lr": 0.05}}),
    "by shape": lambda p: Plain(p),
    "by shape, clipped": lambda p: Plain(p, clip_norm=0.1),
}
LOOKS = {
    "nobody": lambda model: None,
    "reads": lambda model: None if model[0].w.grad is not None else model,
    "reads all": lambda model: None if model[0].w.storage.grad is not None else model,
    "scales": lambda model: [one.scale_grad(0.5) for one in model.parameters()] and None,
    "zeroes": lambda model: model.zero_grad(),
    "adds": lambda model: setattr(model[0].w, "grad", model[0].w.grad + 0.25),
}


@pytest.mark.parametrize("backend", ["numpy", "reference", "array-api-strict"])
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_does_as_without_whoever_looks(optimizer: str, look: str, backend: str) -> None:
    expected, gradients = step(False, OPTIMIZERS[optimizer], LOOKS[look], backend)
    weights, own = step(True, OPTIMIZERS[optimizer], LOOKS[look], backend)
    for name in expected:
        np.testing.assert_allclose(weights[name], expected[name], rtol=0, atol=1e-13)
        np.testing.assert_allclose(own[name], gradients[name], rtol=0, atol=1e-13)


def test_momentum_of_rows_not_used_does_not_depend_on_who_looks() -> None:
    def run(look: Any) -> Any:
        table, _ = parameters("numpy")
        optimizer = SGD([table], lr=0.1, momentum=0.9)
        for ids in ([0, 1], [2], [1, 4]):
            optimizer.zero_grad()
            table.add_rows(np.array(ids), np.ones((len(ids), UNITS)))
            look(table)
            optimizer.step()
        return table.numpy()

    expected = run(lambda table: None)
    for look in (
        lambda table: table.grad,
        lambda table: table.read_grad(),
        lambda table: table.storage.grad,
        lambda table: table.scale_grad(1.0),
    ):
        np.testing.assert_array_equal(run(look), expected)


def test_a_row_whose_gradient_adds_up_to_zero_is_still_used() -> None:
    table, _ = parameters("numpy")
    optimizer, moved = SGD([table], lr=0.1, momentum=0.5), []
    for look in (False, True):
        before = table.numpy()
        optimizer.zero_grad()
        table.add_rows(np.array([1]), np.ones((1, UNITS)))
        optimizer.step()
        optimizer.zero_grad()
        table.add_rows(np.array([1]), np.ones((1, UNITS)))
        table.add_rows(np.array([1]), -np.ones((1, UNITS)))
        if look:
            assert not table.grad.any()
        optimizer.step()
        moved.append((table.numpy() - before)[1])
    # By momentum alone in the second step: 0.1 (1 + 0.5); from the second round on the velocity was 0.5 before.
    np.testing.assert_allclose(moved[0], [-0.15, -0.15])
    np.testing.assert_allclose(moved[1], [-0.1 * (1.25 + 0.625)] * 2)


def test_a_table_that_another_layer_adds_to_gets_both_parts() -> None:
    class Tied(lamina.Composite):
        """Ids to vectors, and these to a score for each id, through the same table."""

        def __init__(self, row_wise: bool = True) -> None:
            self.row_wise = row_wise
            self.table, self.output = Embedding(6, 3, row_wise=row_wise), Scores()

        def compose(self, t: Any, ids: Any) -> Any:
            return t(self.output, t(self.table, ids))

    class Scores(lamina.Layer):
        def build(self, shape: Any) -> Any:
            self.w = Parameter((6, 3))
            return (*shape[:-1], 6)

        def forward(self, x: Any) -> Any:
            return x @ self.w.data.T, x

        def backward(self, dy: Any, saved: Any) -> Any:
            self.w.grad += dy.reshape(-1, 6).T @ saved.reshape(-1, 3)
            return dy @ self.w.data

    rng = np.random.default_rng(0)
    ids, dy = rng.integers(0, 3, (4, 2)), rng.standard_normal((4, 2, 6))
    for row_wise in (True, False):
        model = Tied(row_wise)
        model.build((None, None), dtype="float64", seed=0)
        model.output.w = model.table.w
        optimizer, w = SGD(model.parameters(), lr=0.1, momentum=0.9), model.table.w.numpy()
        velocity = np.zeros_like(w)
        for _ in range(3):
            optimizer.zero_grad()
            _, saved = model.forward(ids)
            model.backward(dy, saved)
            optimizer.step()
            x = w[ids]
            gradient = dy.reshape(-1, 6).T @ x.reshape(-1, 3)
            np.add.at(gradient, ids, dy @ w)
            velocity = 0.9 * velocity + gradient
            w = w - 0.1 * velocity
        np.testing.assert_allclose(model.table.w.numpy(), w, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "reference", "array-api-strict"])
def test_moving_a_model_takes_the_rows_along(backend: str) -> None:
    table, other = parameters("numpy")
    model = Sequential(Embedding(ROWS, UNITS), Dense(UNITS))
    model.build((None,), dtype="float32", seed=0)
    own: Parameter = model[0].w  # type: ignore[attr-defined]
    own.add_rows(np.array([3, 1, 3]), np.array([[1, 2], [3, 4], [5, 6]], "float32"))
    model.to(backend, dtype="float64")
    found = own.row_gradient()
    assert found is not None
    assert sorted(host(own, found[0]).tolist()) == [1, 3]
    assert host(own, own.grad).tolist() == [[0, 0], [3, 4], [0, 0], [6, 8], [0, 0]]
    assert table.size == own.size
    assert other.size == UNITS * UNITS


def test_a_guard_against_nan_sees_rows_that_wait() -> None:
    class Poison(lamina.Layer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            return x, None

        def backward(self, dy: Any, saved: Any) -> Any:
            return np.full_like(dy, np.nan)

    for row_wise in (True, False):
        model = Sequential(Embedding(6, 4, row_wise=row_wise), Poison(), Dense(3))
        model.build((None,), seed=0)
        before = model.state_dict()
        trainer = lamina.Trainer(model, optimizer="sgd", check_finite=True)
        with pytest.raises(NonFiniteError, match=r"backward of Poison '1' gave NaN"):
            trainer.fit(np.arange(6), np.arange(6) % 3, epochs=1, verbose=False)
        assert all((values == before[name]).all() for name, values in model.state_dict().items())


def test_gradients_read_after_a_clipped_step_are_those_of_the_whole_table() -> None:
    def flow(row_wise: bool) -> Any:
        model = Sequential(Embedding(6, 4, row_wise=row_wise), Dense(3))
        model.build((None,), dtype="float64", seed=0)
        seen: list[Any] = []

        class Reads(Callback):
            def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
                seen.append({name: np.linalg.norm(one.grad) for name, one in model.named_parameters().items()})

        trainer = lamina.Trainer(model, optimizer=lambda p: SGD(p, lr=0.1, clip_norm=0.01), callbacks=Reads())
        trainer.fit(np.arange(12) % 5, np.arange(12) % 3, epochs=2, batch_size=4, shuffle=False, verbose=False)
        return seen

    for own, expected in zip(flow(True), flow(False), strict=True):
        assert own == pytest.approx(expected)


def test_rows_that_are_used_are_known_as_long_as_nobody_may_write() -> None:
    table, other = parameters("numpy")
    table.add_rows(np.array([3]), np.ones((1, UNITS)))
    assert other.storage is not None
    other.storage.read_grad()
    found = table.row_gradient()
    assert found is not None
    assert (found[0].tolist(), found[1].tolist()) == ([3], [[1, 1]])
    table.zero_grad()
    assert not other.storage.read_grad().any()
    found = table.row_gradient()
    assert found is not None
    assert found[0].tolist() == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_whoever_holds_the_array_sees_what_is_added_at_once(backend: str) -> None:
    table, _ = parameters(backend)
    held = table.grad
    for times in (1, 2):
        table.add_rows(table.backend.asarray(np.array([3])), table.backend.asarray(np.ones((1, UNITS))))
        assert host(table, held).tolist() == [[0, 0], [0, 0], [0, 0], [times, times], [0, 0]]


def test_clipping_and_a_step_without_any_gradient_do_nothing() -> None:
    table, other = parameters("numpy")
    before = table.numpy()
    SGD([table], lr=0.1, clip_norm=1.0, clip_value=1.0).step()
    SGD([table, other], lr=0.1, clip_norm=1.0).step()
    assert (table.numpy() == before).all()


@pytest.mark.parametrize("shape", [(), (3,), (3, 2, 2)])
def test_a_gradient_by_rows_needs_a_table(shape: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        Parameter(shape, row_wise=True)
    assert str(caught.value) == f"Parameter: expected a shape (rows, units) with row_wise=True, got {shape}"


def test_another_frameworks_name_for_trainable_is_refused() -> None:
    table, _ = parameters("numpy")
    for use in (lambda: setattr(table, "requires_grad", False), lambda: table.requires_grad):
        with pytest.raises(MissingAttributeError) as caught:
            use()
        assert str(caught.value) == "Parameter '0.w': there is no requires_grad: set trainable to True or False"
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(table, "requires_grad")
    assert table.trainable
