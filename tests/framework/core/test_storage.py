"""Copies and pickles: a part takes its own weights alone, a model all of them in one storage, ties included."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential, Trainer
from lamina.core.storage import Storage
from lamina.core.stretch import Stretch, neighbours
from lamina.layers import GRU, LSTM, Dense, Dropout, Embedding
from lamina.optimizers import SGD, Adam, RMSprop
from lamina.testing import register_strict_backend
from lamina.testing.cases import layer_cases

register_strict_backend()


def by_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


WAYS = pytest.mark.parametrize("duplicate", [copy.deepcopy, by_pickle], ids=["deepcopy", "pickle"])


def built(backend: str = "numpy") -> Sequential:
    model = Sequential(Embedding(40, 6), LSTM(8, return_sequences=True), Sequential(Dense(5), Dense(5)), Dense(2))
    model.build((None, None), backend=backend, dtype="float64", seed=0)
    ids = np.random.default_rng(0).integers(0, 40, (3, 4))
    y, saved = model.forward(model.backend.asarray(ids))
    model.backward(y + 1, saved)
    return model


def host(parameter: Any, array: Any) -> Any:
    return np.array(parameter.backend.to_numpy(array))


def as_plain(model: Any) -> Any:
    """Return values and gradients as plain arrays, by path."""
    return {
        name: (host(one, one.data), host(one, one.read_grad()), one.trainable, one.name)
        for name, one in model.named_parameters().items()
    }


def assert_same(found: Any, expected: Any) -> None:
    assert list(found) == list(expected)
    for name, (data, grad, *rest) in expected.items():
        np.testing.assert_array_equal(found[name][0], data)
        np.testing.assert_array_equal(found[name][1], grad)
        assert list(found[name][2:]) == rest


@WAYS
@pytest.mark.parametrize("backend", ["numpy", "reference", "numba", "array-api-strict"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_part_takes_its_own_weights_alone(duplicate: Any, backend: str, place: int) -> None:
    if backend == "array-api-strict" and duplicate is by_pickle:
        pytest.skip("its arrays cannot be pickled")
    try:
        model = built(backend)
    except lamina.errors.BackendError as error:
        pytest.skip(str(error))
    before = as_plain(model)
    part, expected = model[place], as_plain(model[place])
    twin = duplicate(part)
    assert_same(as_plain(twin), expected)
    storages = {id(one.storage): one.storage for one in twin.parameters()}
    assert [one.data.shape[0] for one in storages.values()] == [part.parameter_count]  # type: ignore[union-attr]
    for one in twin.parameters():
        one.data = host(one, one.data) + 1
        one.grad = host(one, one.grad) + 1
    assert_same(as_plain(model), before)


@WAYS
def test_every_layer_is_copied_out_of_a_model_as_it_is_alone(duplicate: Any) -> None:
    for case in layer_cases():
        layer = case.make()
        shapes = [one if isinstance(one, tuple) else np.shape(one) for one in case.inputs]
        layer.build(*shapes, dtype="float64", seed=0)
        if not layer.named_parameters():
            continue
        for index, one in enumerate(layer.parameters()):
            one.grad = np.full(one.shape, index + 1.0)
        twin = duplicate(layer)
        assert_same(as_plain(twin), as_plain(layer))
        if duplicate is by_pickle:
            assert len(pickle.dumps(layer)) < 16 * layer.parameter_count + 40_000


def test_a_pickled_part_holds_no_weight_of_the_rest() -> None:
    model = Sequential(LSTM(128), Dense(2))
    model.build((None, None, 128), seed=0)
    content = pickle.dumps(model[1])
    assert len(content) < 2 * 4 * model[1].parameter_count + 5_000
    for one in model[0].parameters():
        pieces = one.numpy().reshape(-1, 128)
        assert not any(piece.tobytes() in content for piece in pieces if piece.all())


@WAYS
def test_a_whole_model_stays_one_flat_storage_in_the_same_order(duplicate: Any) -> None:
    model = built()
    model[2][1].w = model[2][0].w  # type: ignore[index]
    expected = as_plain(model)
    twin = duplicate(model)
    assert_same(as_plain(twin), expected)
    assert twin[2][1].w is twin[2][0].w
    (storage,) = {id(one.storage): one.storage for one in twin.parameters()}.values()
    # The place of the weight that was replaced by the tie is not kept.
    assert storage.data.shape[0] == storage.grad.shape[0] == model.parameter_count
    runs = [[one.name for one in run] for run in neighbours(twin.parameters())]
    own = [one.name for one in twin.parameters()]
    assert runs == [own[:1], own[1:]]  # all beside each other, a table alone


@WAYS
def test_parts_copied_together_keep_their_ties_and_share_a_storage(duplicate: Any) -> None:
    model = built()
    model[2][1].w = model[2][0].w  # type: ignore[index]
    first, second, other = duplicate([model[2], model[2][1], model[0]])  # type: ignore[index]
    assert first[1] is second
    assert first[0].w is second.w
    assert other.w.storage is second.w.storage
    assert other.w.storage.data.shape[0] == model[2].parameter_count + model[0].parameter_count


@WAYS
def test_rows_that_wait_come_along(duplicate: Any) -> None:
    model = Sequential(Embedding(50, 2), Dense(2))
    model.build((None,), dtype="float64", seed=0)
    table: Any = model[0]
    table.w.add_rows(np.array([7, 3, 7]), np.ones((3, 2)))
    twin = duplicate(table)
    ids, rows, _ = twin.w.row_gradient()
    assert (sorted(ids.tolist()), rows.sum()) == ([3, 7], 6)
    SGD(twin.parameters(), lr=1.0).step()
    expected = table.w.numpy()
    expected[3] -= 1
    expected[7] -= 2
    np.testing.assert_array_equal(twin.w.numpy(), expected)
    assert sorted(table.w.row_gradient()[0].tolist()) == [3, 7]


@WAYS
@pytest.mark.parametrize(
    "make",
    [
        lambda p: SGD(p, lr=0.1, momentum=0.9),
        lambda p: Adam(p, lr=0.1, clip_norm=0.1),
        lambda p: RMSprop(p, lr=0.1, groups={"*.b": {"lr": 0.01}}),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_optimizer_copied_with_its_model_goes_on_over_the_copy(duplicate: Any, make: Any, first: bool) -> None:
    model = built()
    optimizer = make(model.parameters())
    optimizer.step()
    twin, own = duplicate((model, optimizer)) if first else reversed(duplicate((optimizer, model)))
    assert [id(one) for one in own.parameters] == [id(one) for one in twin.parameters()]
    before = as_plain(model)
    own.step()
    assert_same(as_plain(model), before)
    optimizer.step()
    for name, (data, *_) in as_plain(model).items():
        np.testing.assert_array_equal(as_plain(twin)[name][0], data)
    own.zero_grad()
    assert not any(grad.any() for _, grad, *_ in as_plain(twin).values())


@WAYS
def test_an_optimizer_of_some_layers_lies_side_by_side_in_its_copy(duplicate: Any) -> None:
    model = built()
    chosen = [*model[1].parameters(), *model[3].parameters()]  # not neighbours: there is a layer between them
    optimizer = Adam(chosen, lr=0.1)
    optimizer.step()
    own = duplicate(optimizer)
    own.step()
    optimizer.step()
    for one, other in zip(own.parameters, chosen, strict=True):
        np.testing.assert_array_equal(one.data, other.data)
    (storage,) = {id(one.storage): one.storage for one in own.parameters}.values()
    assert storage.data.shape == (sum(one.size for one in chosen),)


@WAYS
def test_a_trainer_an_average_and_a_stream_copied_together_go_on_as_the_originals(duplicate: Any) -> None:
    model = Sequential(Embedding(20, 4), GRU(3, return_sequences=True), Dropout(0.5), Dense(2))
    model.build((None, None), seed=0, dtype="float64")
    rng = np.random.default_rng(0)
    ids, y = rng.integers(0, 20, (4, 5)), rng.integers(0, 2, (4, 5))
    average = lamina.WeightAverage(model, 0.9)
    trainer = Trainer(model, "softmax_cross_entropy", "adam", callbacks=average)
    trainer.fit(ids, y, epochs=2, verbose=False)
    stream = lamina.Stream(model)
    stream(ids[:, :2])
    twin, trainer2, average2, stream2, optimizer2 = duplicate((model, trainer, average, stream, trainer.optimizer))
    assert trainer2.model is average2.model is stream2.model is twin
    assert trainer2.optimizer is optimizer2
    np.testing.assert_array_equal(stream2(ids[:, 2:]), stream(ids[:, 2:]))
    for one in (trainer, trainer2):
        one.fit(ids, y, epochs=2, verbose=False)
    assert_same(as_plain(twin), as_plain(model))
    for name, values in average.state_dict()["parameters"].items():
        np.testing.assert_array_equal(average2.state_dict()["parameters"][name], values)


@WAYS
def test_an_optimizer_whose_model_was_moved_is_copied_with_it(duplicate: Any) -> None:
    model = built()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer.step()
    model.to("reference")
    twin, own = duplicate((model, optimizer))
    own.step()
    optimizer.step()
    for name, (data, *_) in as_plain(model).items():
        np.testing.assert_array_equal(as_plain(twin)[name][0], data)


def test_two_threads_that_first_use_a_copy_see_one_storage() -> None:
    model = Sequential(*(Dense(3) for _ in range(60)))
    model.build((None, 3), seed=0)
    for _ in range(20):
        twin, found, start = copy.deepcopy(model), [], threading.Barrier(4)

        def use(twin: Any = twin, found: Any = found, start: Any = start) -> None:
            start.wait()
            found.append([one.data for one in twin.parameters()])

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        storage = twin.parameters()[0].storage
        assert storage is not None
        for views in found:
            for view, one in zip(views, twin.parameters(), strict=True):
                assert np.shares_memory(view, storage.data)
                assert (view == one.data).all()


def test_a_shallow_copy_of_a_parameter_is_another_view_of_the_same_memory() -> None:
    model = built()
    one: Any = model[3].w  # type: ignore[attr-defined]
    for original in (one, copy.deepcopy(one)):
        other = copy.copy(original)
        other.data += 1
        other.grad += 1
        np.testing.assert_array_equal(other.data, original.data)
        np.testing.assert_array_equal(other.grad, original.grad)
        together = copy.deepcopy([original, other])
        assert together[0].storage.data.shape == (one.size,)
        together[0].data[...] = 3
        assert (together[1].data == 3).all()


def test_a_stretch_of_a_copy_lies_where_its_parameters_do() -> None:
    model = built()
    stretch = Stretch(model[3].parameters())
    twin = copy.deepcopy(stretch)
    np.testing.assert_array_equal(twin.data, stretch.data)
    assert twin.data.shape == twin.storage.data.shape == (12,)


def test_an_unknown_attribute_of_a_storage_is_named() -> None:
    storage = Storage(lamina.get_backend("numpy"), "float32", 3)
    with pytest.raises(AttributeError, match=r"^'Storage' object has no attribute 'values'$"):
        storage.values  # noqa: B018
