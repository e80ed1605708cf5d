import numpy as np
import pytest

import lamina
from benchmarks.cpu.work import CLASSES, KINDS, Characters, Inference, Loop, Ragged, Training, Vowels


@pytest.mark.parametrize(("kind", "gates"), [("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_operations_are_those_of_the_products_that_a_step_needs(kind, gates):
    batch, time, features, units = 5, 7, 3, 4
    count = 0
    for _ in range(time):
        count += 2 * batch * features * gates * units  # x w_x
        count += 2 * batch * units * gates * units  # h w_h
        count += 2 * batch * gates * units * units  # back through w_h
        count += 2 * batch * features * gates * units  # the gradient of w_x
        count += 2 * batch * units * gates * units  # and that of w_h
    assert Training(kind, batch, time, features, units).operations == count


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_the_names_and_shapes_of_the_model(kind):
    model = lamina.Sequential(getattr(lamina.layers, kind)(4), lamina.layers.Dense(CLASSES))
    model.build((None, None, 3))
    expected = {name: (array.shape, array.dtype) for name, array in model.state_dict().items()}
    weights = Training(kind, 2, 3, 3, 4).weights()
    assert {name: (array.shape, array.dtype) for name, array in weights.items()} == expected
    assert all(array.all() for array in weights.values())


def test_every_contestant_gets_the_same():
    one, other = (Training("GRU", 2, 3, 2, 4) for _ in range(2))
    for mine, theirs in zip(one.data(), other.data(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for name, array in one.weights().items():
        np.testing.assert_array_equal(array, other.weights()[name])
    assert Inference("GRU", 1, 8).data().shape == (1, Inference.compared_steps, 32)
    assert Inference("GRU", 100, 8).data().shape == (1, 100, 32)


def test_vowels_are_standardized_over_the_steps_there_are():
    x, y, lengths = Vowels().data()
    assert x.shape == (270, 29, 12) and x.dtype == np.float32 and y.shape == lengths.shape == (270,)
    steps = x[np.arange(29) < lengths[:, None]]
    np.testing.assert_allclose(steps.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(steps.std(axis=0), 1, atol=1e-4)


def test_each_character_is_followed_by_the_next_one():
    x, y, alphabet = Characters(5000).data()
    assert x.shape == y.shape and x.shape[0] == Characters.rows and x.max() < alphabet
    np.testing.assert_array_equal(x.ravel()[1:], y.ravel()[:-1])


def test_ragged_rows_have_from_five_steps_to_all_and_zeros_after_them():
    work = Ragged("GRU", 400, 9, 3, 4)
    x, y, lengths = work.data()
    assert set(lengths) == {5, 6, 7, 8, 9} and y.shape == lengths.shape == (400,)
    valid = np.arange(9) < lengths[:, None]
    assert not x[~valid].any()
    np.testing.assert_array_equal(x[valid], work.whole.data()[0][valid])


def test_batches_of_a_loop_are_its_rows_in_order():
    work = Loop("LSTM", 2, 3, 2, 4, steps=5)
    x, y = work.data()
    batches = work.batches()
    assert len(batches) == 5
    np.testing.assert_array_equal(np.concatenate([own for own, _ in batches]), x)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), y)
