"""Random layers: reproducible, independent, and alike within fixed_draws."""

import copy
import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import RandomLayer, Sequential
from lamina.errors import ArgumentError, NotBuiltError, ShapeError
from lamina.kinds.random import fixed_draws, rows_of_batch
from lamina.layers import Dense, Dropout
from lamina.testing import register_strict_backend

register_strict_backend()
BACKENDS = ["numpy", "reference", "array-api-strict", *(["numba"] if find_spec("numba") else [])]
ONES = np.ones((2, 50))


def dropout(**settings: Any) -> Dropout:
    layer = Dropout(0.5)
    layer.build((None, 50), **{"dtype": "float64", "seed": 3, **settings})
    return layer


def draw(layer: lamina.Layer) -> list[list[float]]:
    x = ONES.astype(layer.dtype)
    drawn: list[list[float]] = layer.backend.to_numpy(layer.forward(layer.as_input(x))[0]).tolist()
    return drawn


def test_the_same_seed_gives_the_same_run_on_every_backend_and_in_both_dtypes() -> None:
    runs = []
    for backend in BACKENDS:
        for dtype in ("float32", "float64"):
            layer = dropout(backend=backend, dtype=dtype)
            runs.append([draw(layer) for _ in range(3)])
    assert all(run == runs[0] for run in runs)
    assert runs[0][0] != runs[0][1] != runs[0][2] != runs[0][0]


def test_another_seed_or_none_gives_another_run() -> None:
    runs = [draw(dropout(seed=seed)) for seed in (0, 1, None, None)]
    assert all(one != other for index, one in enumerate(runs) for other in runs[:index])


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 + 1, 3**200])
def test_a_seed_may_be_any_whole_number(seed: int) -> None:
    layer = dropout(seed=seed)
    assert layer.draws == {"seed": seed, "calls": 0}
    assert draw(layer) == draw(dropout(seed=seed)) != draw(dropout(seed=seed + 1))


def test_the_keys_of_rows_are_the_documented_bytes() -> None:
    """Eight bytes of SHAKE128 for the row, and eight for the call, added up."""

    def number(what: str, row: int = 0) -> int:
        content = hashlib.shake_128(what.encode()).digest(8 * row + 8)
        return int.from_bytes(content[8 * row :], "little")

    layer = Sequential(Dense(3), Dropout(0.25))
    layer.build((None, 3), seed=7, backend="reference")
    layer[1].reseed(7, calls=12)
    with rows_of_batch(3):
        got = layer[1].keep_mask((2, 4), 0.25)
    for row in range(2):
        key = (number("7\x001\x00rows", 3 + row) + number("7\x001\x0012")) % 2**64
        words = layer.backend.random_words(np.array([[key % 2**32, key >> 32]], np.uint32), 4)[0]
        assert got[row].tolist() == [word >= 2**30 for word in words.tolist()]


def test_masks_of_seeds_layers_calls_and_rows_are_independent() -> None:
    elements = 2**14
    masks = []
    for seed in (0, 1):
        model = Sequential(*[Dropout(0.5) for _ in range(3)])
        model.build((None, elements), seed=seed)
        for layer in model.children().values():
            masks.append([layer.keep_mask((4, elements), 0.5) for _ in range(4)])
    signs = np.where(np.array(masks), 1.0, -1.0)  # (seeds and layers, calls, rows, elements)
    flat = signs.reshape(-1, elements)
    together = flat @ flat.T / np.sqrt(elements)  # normal deviates, one in 26 million of which is beyond 5.5
    assert np.abs(together - np.diag(np.diag(together))).max() < 5.5
    assert np.abs(flat.sum(axis=1) / np.sqrt(elements)).max() < 5.5
    # Two rows are no more alike in one call for what they are in another, nor two layers or seeds.
    pairs = signs[:, :, 1:] * signs[:, :, :-1]
    pairs = pairs.reshape(-1, elements)
    together = pairs @ pairs.T / np.sqrt(elements)
    assert np.abs(together - np.diag(np.diag(together))).max() < 5.5


def test_a_mask_does_not_depend_on_the_padding_after_a_row() -> None:
    layer = dropout()
    short = layer.keep_mask((3, 5, 4), 0.5)
    layer.reseed(3)
    assert layer.keep_mask((3, 9, 4), 0.5)[:, :5].tolist() == short.tolist()
    layer.reseed(3)
    assert layer.keep_mask((3, 20), 0.5).tolist() == short.reshape(3, 20).tolist()


@pytest.mark.parametrize("shape", [(2,), (2, 0), (0, 3), (0,)])
def test_masks_of_few_or_no_elements(shape: Any) -> None:
    got = dropout().keep_mask(shape, 0.5)
    assert got.shape == shape and got.dtype == np.bool_


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan"), "0.5", None])
def test_a_rate_that_means_nothing_is_refused(rate: Any) -> None:
    layer = dropout()
    with pytest.raises(ArgumentError) as caught:
        layer.keep_mask((2, 3), rate)
    assert str(caught.value) == f"Dropout: expected rate to be a number of at least 0 and below 1, got {rate!r}"
    with pytest.raises(ShapeError) as no_rows:
        layer.keep_mask((), 0.5)
    assert str(no_rows.value) == "Dropout: expected a mask's shape to begin with the rows, got ()"
    assert layer.draws == {"seed": 3, "calls": 0}


def test_the_place_in_a_run_can_be_read_and_set() -> None:
    layer, other = dropout(), dropout(seed=8)
    draw(layer)
    place = layer.draws
    assert place == {"seed": 3, "calls": 1}
    following = [draw(layer) for _ in range(2)]
    other.reseed(**place)
    assert [draw(other) for _ in range(2)] == following
    assert layer.draws == other.draws == {"seed": 3, "calls": 3}
    assert Dropout(0.5).draws is None


def test_the_layers_of_a_model_have_its_seed_and_without_one_a_drawn_one() -> None:
    def seeds(seed: int | None) -> list[Any]:
        model = Sequential(Dropout(0.5), Dense(4), Dropout(0.5))
        model.build((None, 4), seed=seed)
        return [model[0].draws["seed"], model[2].draws["seed"]]

    assert seeds(11) == [11, 11]
    (one, same), (other, _) = seeds(None), seeds(None)
    assert one == same != other


def test_the_layers_of_a_model_are_independent_and_leave_the_weights_as_they_are() -> None:
    model, plain = Sequential(Dropout(0.5), Dense(50), Dropout(0.5)), Sequential(Dense(50))
    model.build((None, 50), dtype="float64", seed=0)
    plain.build((None, 50), dtype="float64", seed=0)
    assert model[1].w.data.tolist() == plain[0].w.data.tolist()
    assert draw(model[0]) != draw(model[2])


def test_reseeding_begins_anew() -> None:
    layer = dropout()
    layer.reseed(7)
    first = [draw(layer) for _ in range(2)]
    layer.reseed(7)
    assert [draw(layer) for _ in range(2)] == first
    with pytest.raises(ArgumentError) as caught:
        layer.reseed(-1)
    assert str(caught.value) == "Dropout: expected seed to be a whole number of 0 or more, got -1"
    with pytest.raises(ArgumentError) as caught:
        layer.reseed(1, calls=1.5)  # type: ignore[arg-type]
    assert str(caught.value) == "Dropout: expected calls to be a whole number of 0 or more, got 1.5"


def test_copies_go_on_where_the_original_is() -> None:
    layer = dropout()
    draw(layer)
    copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    following = [draw(layer) for _ in range(2)]
    assert [[draw(one) for _ in range(2)] for one in copies] == [following, following]


def test_moving_and_building_again_keep_the_place() -> None:
    first, second = dropout(), dropout()
    draw(first), draw(second)
    first.to("reference", "float32")
    first.build((None, 50))
    assert draw(first) == draw(second)


def test_a_layer_keeps_its_seed_and_place_in_a_new_model_and_draws_by_its_new_path() -> None:
    first, second = dropout(), Sequential(dropout(), Dense(2))
    draw(first)
    model = Sequential(first, Dense(2))
    model.build((None, 50), dtype="float64", seed=9)
    assert first.draws == {"seed": 3, "calls": 1}
    second.build((None, 50), dtype="float64", seed=9)
    second[0].reseed(3, calls=1)
    assert draw(first) == draw(second[0]) != draw(dropout())


def test_a_loaded_model_draws_as_one_built_with_seed_0(tmp_path: Path) -> None:
    layer = dropout(seed=5)
    draw(layer)
    layer.save(tmp_path / "model.safetensors")
    assert draw(lamina.load(tmp_path / "model.safetensors")) == draw(dropout(seed=0))


def test_calls_from_threads_get_the_draws_of_as_many_calls() -> None:
    layer, alone = dropout(), dropout()
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _: draw(layer), range(40)))
    assert sorted(got) == sorted(draw(alone) for _ in range(40))


def test_fixed_draws_are_alike_in_one_thread_and_use_up_none() -> None:
    layer, other = dropout(), dropout()
    with fixed_draws():
        first = draw(layer)
        assert draw(layer) == first == draw(dropout(seed=8))
        with fixed_draws(1):
            assert draw(layer) != first
        assert draw(layer) == first
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(draw, layer).result()
    assert elsewhere == draw(other) != first
    with fixed_draws(8):  # those of the first call
        fixed = draw(layer)
    assert fixed == draw(dropout(seed=8))
    assert layer.draws == {"seed": 3, "calls": 1}


def test_fixed_draws_of_layers_differ() -> None:
    model = Sequential(Dropout(0.5), Dropout(0.5))
    model.build((None, 50), dtype="float64", seed=0)
    with fixed_draws():
        assert draw(model[0]) != draw(model[1])


def test_a_layer_of_ones_own_is_proven_like_any_other() -> None:
    class Noise(RandomLayer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            noise = self.backend.asarray(self.generator().standard_normal(x.shape), self.dtype)
            return x * noise, noise

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy * saved

    report = lamina.testing.check_layer(Noise(), (5, 4, 3), skip=["batch order", "inference"])
    assert {"gradients", "deterministic", "interleaving", "memory layout"} <= set(report.passed)
    bare = Noise()
    with pytest.raises(NotBuiltError) as caught:
        bare.generator()
    assert str(caught.value) == "Noise has no seed: call build(shape) or reseed(seed) first"


def test_two_runs_of_training_from_one_seed_are_the_same() -> None:
    def run() -> list[list[float]]:
        model = Sequential(Dropout(0.2), Dense(3), Dropout(0.2))
        model.build((None, 50), dtype="float64", seed=1)
        optimizer = lamina.optimizers.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            y, saved = model.forward(ONES)
            model.zero_grad()
            model.backward(y, saved)
            optimizer.step()
        weights: list[list[float]] = model[1].w.data.tolist()
        return weights

    assert run() == run()
