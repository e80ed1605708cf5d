"""Threads of NumPy's products, and recurrent kernels over blocks of the batch."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina.backends.numpy import threads as numpy_threads
from lamina.backends.numpy.threads import (
    Blocks,
    Cut,
    own_threads,
    products_on_one_thread,
    threads_of_products,
)

BACKEND = lamina.get_backend("numpy")


class Library:
    """Stands in for OpenBLAS."""

    count = 6

    def __init__(self, path):
        self.openblas_get_num_threads = lambda: Library.count
        self.openblas_set_num_threads = lambda count: setattr(Library, "count", count)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Stands in for where NumPy is installed."""
    monkeypatch.setattr(numpy_threads, "np", SimpleNamespace(__file__=str(tmp_path / "numpy" / "__init__.py")))
    numpy_threads._openblas.cache_clear()
    yield tmp_path / "numpy.libs"
    numpy_threads._openblas.cache_clear()


@pytest.fixture
def library(folder, monkeypatch):
    folder.mkdir()
    (folder / "libopenblas.so").touch()
    monkeypatch.setattr(numpy_threads.ctypes, "CDLL", Library)
    monkeypatch.setattr(Library, "count", 6)


@pytest.mark.usefixtures("library")
def test_one_thread_inside_and_all_of_them_after():
    assert threads_of_products() == 6
    with pytest.raises(KeyboardInterrupt), products_on_one_thread() as limited:
        assert limited and Library.count == 1
        raise KeyboardInterrupt
    assert Library.count == 6


@pytest.mark.usefixtures("library")
def test_the_last_one_out_sets_it_back():
    first, second = products_on_one_thread(), products_on_one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert Library.count == 1
    second.__exit__(None, None, None)
    assert Library.count == 6


@pytest.mark.usefixtures("library")
def test_own_threads_leave_one_to_products_and_all_to_recurrent_layers():
    with pytest.raises(KeyboardInterrupt), own_threads():
        assert Library.count == 1 and threads_of_products() == 6
        with own_threads():  # a second model, say
            assert threads_of_products() == 6
        assert Library.count == 1 and threads_of_products() == 6
        raise KeyboardInterrupt
    assert Library.count == threads_of_products() == 6
    with products_on_one_thread(), own_threads():  # who wants one thread gets one
        assert threads_of_products() == 1


@pytest.mark.usefixtures("library")
def test_training_owns_the_threads(monkeypatch):
    seen = []
    model = lamina.Sequential(lamina.layers.SimpleRNN(2), lamina.layers.Dense(2))
    trainer = lamina.Trainer(model, "softmax_cross_entropy", "sgd", seed=0)
    x, y = np.zeros((4, 3, 1)), np.zeros(4, int)
    original = lamina.layers.SimpleRNN.check_states

    def check_states(self, *arrays):
        seen.append((Library.count, threads_of_products()))
        return original(self, *arrays)

    monkeypatch.setattr(lamina.layers.SimpleRNN, "check_states", check_states)
    trainer.fit(x, y, epochs=1, verbose=False)
    assert set(seen) == {(1, 6)} and Library.count == 6


def test_without_openblas_nothing_changes(folder):
    with products_on_one_thread() as limited:
        assert not limited
    assert threads_of_products() == 1
    folder.mkdir()
    (folder / "libopenblas.so").write_text("no library")
    numpy_threads._openblas.cache_clear()
    assert threads_of_products() == 1


def test_the_library_that_numpy_brings_is_found():
    if numpy_threads._openblas() is None:
        pytest.skip("this NumPy came without OpenBLAS")
    before = threads_of_products()
    with products_on_one_thread():
        assert threads_of_products() == 1
    assert threads_of_products() == before


@pytest.fixture
def three_threads(monkeypatch):
    monkeypatch.setattr(numpy_threads, "threads_of_products", lambda: 3)
    monkeypatch.setattr(numpy_threads, "_NEVER_SHARED", 0)


KINDS = {"simple_rnn": (1, 1), "lstm": (4, 2), "gru": (3, 1), "slstm": (4, 4)}
KINDS |= {"min_gru": (2, 1), "min_lstm": (3, 1), "ind_rnn": (1, 1), "lru": (0, 2)}


@pytest.mark.usefixtures("three_threads")
@settings(max_examples=120, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    batch=st.integers(0, 8),
    ragged=st.booleans(),
    with_states=st.booleans(),
    with_dh=st.booleans(),
    input_gradient=st.booleans(),
)
def test_blocks_compute_what_the_kernel_does(kind, batch, ragged, with_states, with_dh, input_gradient):
    gates, states = KINDS[kind]
    rng = np.random.default_rng(batch)

    def draw(*shape):
        array = rng.standard_normal(shape)
        array.flags.writeable = False
        return array

    if kind == "lru":
        weights = [draw(12), draw(3, 8), draw(8, 4), draw(3, 4)]
    elif kind in ("min_gru", "min_lstm"):
        weights = [draw(3, gates * 4), draw(gates * 4)]
    else:
        w_h = draw(4) if kind == "ind_rnn" else draw(4, gates * 4)
        weights = [draw(3, gates * 4), w_h, draw(gates * 4), *([draw(4)] if kind == "gru" else [])]
    sizes = [4, 8] if kind == "lru" else [4] * states
    arrays = [draw(batch, 5, 3), *weights, *(draw(batch, size) if with_states else None for size in sizes)]
    lengths = rng.integers(0, 6, batch) if ragged else None
    upstream = [draw(batch, 5, 4) if with_dh else None, *(draw(batch, size) for size in sizes)]
    forward, backward = getattr(BACKEND, f"{kind}_forward"), getattr(BACKEND, f"{kind}_backward")
    cut = BACKEND.in_blocks[kind]._replace(least=1)
    results = []
    for pair in (SimpleNamespace(forward=forward, backward=backward), Blocks(forward, backward, cut)):
        h, last, saved = pair.forward(*arrays, lengths)
        dx, *dweights, dfirst = pair.backward(*upstream, saved, *weights[: cut.taken], input_gradient=input_gradient)
        there = [np.ones_like(one) for one in dweights]
        there[0] = None  # nobody wants it
        own = pair.backward(
            *upstream, saved, *weights[: cut.taken], input_gradient=input_gradient, gradients=lambda there=there: there
        )
        for target, got in zip(there, own[1:-1], strict=True):
            assert got is target
        results.append([h, *flat(last), dx, *dweights, *flat(dfirst), *there[1:]])
        for added, one in zip(there[1:], dweights[1:], strict=True):
            np.testing.assert_allclose(added, 1 + one, atol=1e-12)
    for expected, got in zip(*results, strict=True):
        if expected is None:
            assert got is None
            continue
        assert got.shape == expected.shape and got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_blocks_take_their_rows_of_options_that_have_some(masked, projected):
    rng = np.random.default_rng(3)
    size = 2 if projected else 4
    w_x, w_h, b = (rng.standard_normal(shape) for shape in ((3, 16), (size, 16), (16,)))
    x, h, c = (rng.standard_normal(shape) for shape in ((7, 5, 3), (7, size), (7, 4)))
    options = {
        "state_mask": rng.standard_normal((7, size)) if masked else None,
        "w_p": rng.standard_normal((4, 2)) if projected else None,
    }
    upstream = rng.standard_normal((7, 5, size)), h, c
    forward, backward = BACKEND.extended_lstm_forward, BACKEND.extended_lstm_backward
    results = []
    cut = Cut(3, 1, by_rows=("state_mask",))
    for pair in (SimpleNamespace(forward=forward, backward=backward), Blocks(forward, backward, cut)):
        y, last, saved = pair.forward(x, w_x, w_h, b, h, c, None, **options)
        *gradients, first = pair.backward(*upstream, saved, w_x, w_h, input_gradient=True)
        results.append([y, *last, *gradients, *first])
    for expected, got in zip(*results, strict=True):
        assert (expected is None) == (got is None)
        if expected is not None:
            np.testing.assert_allclose(got, expected, atol=1e-12)


def flat(value):
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.usefixtures("three_threads")
def test_blocks_run_at_once_and_what_fails_in_one_is_raised():
    together = threading.Barrier(3, timeout=10)

    def forward(x, w_x, w_h, lengths):
        together.wait()
        if x[0, 0, 0] == 2:
            raise FloatingPointError("in the last block")
        return x, x[:, 0], None

    x = np.arange(3.0).reshape(3, 1, 1)
    with pytest.raises(FloatingPointError, match="in the last block"):
        Blocks(forward, None, Cut(2, 1)).forward(x, None, np.ones((2, 2)), None)


@pytest.mark.usefixtures("three_threads")
def test_a_small_batch_stays_whole():
    seen = []

    def forward(x, w_x, w_h, lengths):
        seen.append(len(x))
        return x, x[:, 0], None

    blocks = Blocks(forward, None, Cut(2, 100))
    for rows in (3, 12):
        blocks.forward(np.zeros((rows, 1, 1)), None, np.ones((4, 4)), None)
        assert seen.pop() == rows and not seen
    blocks.forward(np.zeros((200, 1, 1)), None, np.ones((4, 4)), None)
    assert len(seen) == 3 and sum(seen) == 200
    assert max(seen) - min(seen) <= 1


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(("rows", "blocks"), [(3, 1), (5, 1), (6, 2), (8, 2), (9, 3), (30, 3)])
def test_a_block_has_so_many_rows_at_least(rows, blocks):
    seen = []

    def forward(x, w_x, w_h, lengths):
        seen.append(len(x))
        return x, x[:, 0], None

    Blocks(forward, None, Cut(2, 1, fewest=3)).forward(np.zeros((rows, 1, 1)), None, np.ones((300, 300)), None)
    assert len(seen) == blocks and sum(seen) == rows and min(seen) >= 3


@pytest.mark.usefixtures("three_threads")
def test_the_work_is_that_of_a_step_or_of_the_whole_pass():
    seen = []

    def forward(x, w_x, w_h, lengths):
        seen.append(len(x))
        return x, x[:, 0], None

    for whole, blocks in ((False, 1), (True, 2)):
        pair = Blocks(forward, None, Cut(2, 10_000, whole))
        pair.forward(np.zeros((6, 32, 1)), None, np.ones((11, 11)), None)
        assert len(seen) == blocks
        seen.clear()


def test_a_tiny_pass_does_not_ask_for_threads(monkeypatch):
    monkeypatch.setattr(numpy_threads, "threads_of_products", None)
    blocks = Blocks(lambda x, *arrays: (x, x[:, 0], "kept"), None, Cut(2, 1))
    assert blocks.forward(np.zeros((2, 3, 2)), None, np.ones((4, 4)), None)[2] == (None, "kept")


def test_models_run_them():
    layer = lamina.layers.LSTM(4)
    layer.build((None, None, 2), backend="numpy")
    assert isinstance(layer.kernel.forward.__self__, Blocks)
    assert layer.kernel is layer.kernel and layer.kernel.source == "numpy"


def test_products_use_one_thread_in_the_block_and_all_of_them_after_it_also_where_it_raises() -> None:
    before = threads_of_products()
    with pytest.raises(KeyboardInterrupt), products_on_one_thread() as limited:
        assert threads_of_products() == 1
        raise KeyboardInterrupt
    assert threads_of_products() == before
    assert limited or before == 1
