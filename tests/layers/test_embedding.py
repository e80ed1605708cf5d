import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, BackendError, DataError, DTypeError
from lamina.layers import Dense, Embedding
from lamina.optimizers import SGD, AdaGrad, Adam
from lamina.testing import register_strict_backend

IDS = np.array([[1, 4, 1], [0, 4, 4]])


def built(row_wise=True, rows=6, **options):
    layer = Embedding(rows, 2, row_wise=row_wise)
    layer.build((None, None), seed=0, **{"dtype": "float64", **options})
    return layer


def backward(layer, ids, dy, lengths=None):
    y, saved = layer.forward(ids, lengths=lengths)
    assert layer.backward(dy, saved) is None
    return y


def test_rows_of_the_table():
    layer = built()
    y, _ = layer.forward(IDS)
    assert np.array_equal(y, layer.w.data[IDS])


def test_gradient_adds_up_where_an_id_repeats():
    layer = built()
    dy = np.arange(12.0).reshape(2, 3, 2)
    backward(layer, IDS, dy)
    expected = np.zeros((6, 2))
    for row, gradient in zip(IDS.ravel(), dy.reshape(-1, 2), strict=True):
        expected[row] += gradient
    assert np.array_equal(layer.w.grad, expected)


def test_padding_is_not_looked_at_and_gives_zero():
    layer = built()
    ids = np.array([[1, -7, 99], [0, 4, 4]])
    y = backward(layer, ids, np.ones((2, 3, 2)), lengths=[1, 3])
    assert np.array_equal(y[0, 1:], np.zeros((2, 2)))
    assert np.array_equal(layer.w.grad[:, 0], [1, 1, 0, 0, 2, 0])


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (DataError, "Embedding: expected ids from 0 to 5, got 6", lambda e: e.forward(np.array([[6, 0]]))),
        (DataError, "Embedding: expected ids from 0 to 5, got -1", lambda e: e([[-1, 0]])),
        (DTypeError, "Embedding: expected integers, got float64", lambda e: e.forward(np.ones((1, 2)))),
    ],
)
def test_ids_that_are_none(error, message, call):
    with pytest.raises(error) as info:
        call(built())
    assert str(info.value) == message


@pytest.mark.parametrize("settings", [(0, 2), (3, -1), (2.5, 2)])
def test_sizes_must_be_positive_whole_numbers(settings):
    with pytest.raises(ArgumentError, match=r"expected (rows|units) to be a whole number of 1 or more"):
        Embedding(*settings)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: SGD(p, lr=0.1),
        lambda p: AdaGrad(p, lr=0.1),
        lambda p: SGD(p, lr=0.1, clip_norm=0.5, clip_value=0.3),
        lambda p: AdaGrad(p, lr=0.1, initial_accumulator=0.1, clip_norm=0.5),
    ],
    ids=["sgd", "adagrad", "sgd-clipped", "adagrad-clipped"],
)
def test_row_wise_steps_equal_those_of_the_whole_table(optimizer, backend):
    rng = np.random.default_rng(0)
    tables = []
    for row_wise in (True, False):
        rng = np.random.default_rng(0)
        model = lamina.Sequential(Embedding(30, 2, row_wise=row_wise), Dense(3))
        model.build((None, None), seed=1, dtype="float64", backend=backend)
        step = optimizer(model.parameters())
        for _ in range(20):
            step.zero_grad()
            for _ in range(2):  # gradients of several backward passes add up
                ids = rng.integers(0, 30, (4, 3))
                y, saved = model.forward(ids)
                model.backward(np.cos(y), saved)
            step.step()
        tables.append(model.state_dict())
    for name, table in tables[0].items():
        np.testing.assert_allclose(table, tables[1][name], rtol=0, atol=1e-14)


def test_momentum_moves_only_the_rows_that_a_step_uses():
    layer = built()
    optimizer = SGD(layer.parameters(), lr=0.1, momentum=0.9)
    backward(layer, np.array([[1]]), np.ones((1, 1, 2)))
    optimizer.step()
    before = layer.w.numpy()
    optimizer.zero_grad()
    backward(layer, np.array([[2]]), np.ones((1, 1, 2)))
    optimizer.step()
    moved = (layer.w.numpy() != before).any(axis=1)
    assert moved.tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("backend", ["numpy", "reference", "numba", "array-api-strict"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 2)])
@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, weight_decay=0.5), lambda p: Adam(p, lr=0.1)])
@pytest.mark.parametrize("filler", [0, 5])
def test_what_stands_past_an_end_uses_no_row(backend, shape, make, filler):
    try:
        register_strict_backend()
        lamina.get_backend(backend)
    except BackendError as error:
        pytest.skip(str(error))
    ids = np.array([[3, 2, 4], [4, 3, 3]]).reshape(2, 3, *(1,) * (len(shape) - 2)) + np.zeros(shape, int)
    ids[1, 1:] = filler
    layer = Embedding(6, 2)
    layer.build((None,) * len(shape), dtype="float64", backend=backend, seed=0)
    optimizer = make(layer.parameters())
    layer.w.grad = np.ones((6, 2))
    optimizer.step()  # so that momentum would move a row that is taken for used
    before = layer.w.numpy()
    optimizer.zero_grad()
    y, saved = layer.forward(layer.as_input(ids), lengths=np.array([3, 1]))
    layer.backward(layer.backend.asarray(np.ones(y.shape)), saved)
    gradient = layer.backend.to_numpy(layer.w.read_grad())
    counts = [[row.tolist().count(one) for row in (ids[0].ravel(), ids[1, :1].ravel())] for one in range(6)]
    assert gradient[:, 0].tolist() == [float(sum(count)) for count in counts]
    optimizer.step()
    moved = (layer.w.numpy() != before).any(axis=1)
    assert moved.tolist() == [False, False, True, True, True, False]


def test_rows_without_steps_use_no_row():
    layer = built()
    before = layer.w.numpy()
    optimizer = SGD(layer.parameters(), lr=0.1, weight_decay=0.5)
    backward(layer, IDS, np.ones((2, 3, 2)), lengths=np.array([0, 0]))
    optimizer.step()
    assert (layer.w.numpy() == before).all()


def test_zero_grad_clears_the_rows_used():
    layer = built()
    backward(layer, IDS, np.ones((2, 3, 2)))
    layer.w.zero_grad()
    assert not layer.w.grad.any()


def test_a_gradient_written_by_hand_reaches_every_row():
    layer = built()
    optimizer = SGD(layer.parameters(), lr=1.0)
    before = layer.w.numpy()
    backward(layer, IDS, np.zeros((2, 3, 2)))
    layer.w.grad[...] = 1
    optimizer.step()
    np.testing.assert_allclose(layer.w.numpy(), before - 1)


def test_frozen_table_stays():
    layer = built()
    optimizer = SGD(layer.parameters(), lr=1.0)
    layer.w.trainable = False
    before = layer.w.numpy()
    backward(layer, IDS, np.ones((2, 3, 2)))
    optimizer.step()
    assert np.array_equal(layer.w.numpy(), before)


def test_a_step_computes_with_the_rows_used_alone():
    sizes = []

    class Spy(SGD):
        def update(self, backend, data, grad, state):
            sizes.append(data.shape)
            super().update(backend, data, grad, state)

    layer = built(rows=1000)
    optimizer = Spy(layer.parameters(), lr=1.0)
    backward(layer, IDS, np.ones((2, 3, 2)))
    optimizer.step()
    optimizer.zero_grad()
    optimizer.step()
    assert sizes == [(3, 2)]  # no gradient, no update


def test_reading_integers_beside_another_input():
    class Both(lamina.Composite):
        def __init__(self):
            self.table, self.mix, self.join = Embedding(6, 2), Dense(2), lamina.Concat()

        def compose(self, t, ids, x):
            return t(self.join, t(self.table, ids), t(self.mix, x))

    model = Both()
    model.build((None, None), (None, None, 3), seed=0)
    assert model([[1, 2]], [[[1, 2, 3], [4, 5, 6]]]).shape == (1, 2, 4)


def test_ids_are_read_as_they_come():
    model = lamina.Sequential(Embedding(6, 2), lamina.layers.GRU(3, return_sequences=True))
    model.build((None, None), seed=0, dtype="float64")
    stream, ids = lamina.Stream(model), np.array([[1, 4, 5], [0, 4, 4]])
    pieces = [stream(ids[:, 0])[:, None], stream(ids[:, 1:], lengths=[2, 1])]
    expected = model(ids, lengths=[3, 2])
    assert np.allclose(np.concatenate(pieces, axis=1), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [2, 3]], ids=["full", "ragged"])
@pytest.mark.parametrize("row_wise", [True, False])
def test_the_tables_gradient_is_its_slope(prove_gradients, row_wise, lengths, backend):
    prove_gradients(built(row_wise, backend=backend), IDS, lengths=lengths)


def test_defaults_are_as_written_out(defaults):
    # Keras's initializer; a gradient by rows, as its tables are large.
    # Of benchmarks/embedding_start.py's starts the one that is good at all of its tasks.
    assert defaults(Embedding) == {"row_wise": True, "w_initializer": "Normal(deviation=0.5)"}
