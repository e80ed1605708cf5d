"""What layers draw where a batch is computed in parts: each row what it would in the whole; and at steps of a call."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError
from lamina.kinds.draws import CallSteps, fixed_draws, rows_of_batch
from lamina.layers import Dropout


def dropout(backend: str = "numpy") -> Dropout:
    layer = Dropout(0.5)
    layer.build((None, 50), dtype="float64", seed=3, backend=backend)
    return layer


def masks_in_parts(layer: lamina.Layer, sizes: list[int], shape: tuple[int, ...], first: int = 0) -> Any:
    """Return the masks of the parts of a batch, each part by the layer's first call."""
    parts, before = [], first
    for rows in sizes:
        layer.reseed(3)
        with rows_of_batch(before, rows):
            parts.append(layer.keep_mask((rows, *shape), 0.5))
        before += rows
    return np.concatenate(parts)


@pytest.mark.parametrize("sizes", [[9], [4, 4, 1], [1] * 9, [0, 2, 0, 7]])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_a_batch_in_parts_has_the_mask_of_the_whole(sizes: list[int], backend: str) -> None:
    whole = dropout(backend=backend).keep_mask((9, 6, 5), 0.5)
    assert masks_in_parts(dropout(backend=backend), sizes, (6, 5)).tolist() == whole.tolist()


def test_parts_within_parts_count_from_the_outer_ones_rows() -> None:
    layer = dropout()
    whole = layer.keep_mask((9, 20), 0.5)
    with rows_of_batch(5):
        assert masks_in_parts(layer, [2, 2], (20,)).tolist() == whole[5:].tolist()
    layer.reseed(3)
    assert layer.keep_mask((9, 20), 0.5).tolist() == whole.tolist()


def test_rows_of_which_a_layer_has_several_each_count_as_several() -> None:
    layer = dropout()
    whole = layer.keep_mask((9 * 4, 20), 0.5)  # four steps a row
    layer.reseed(3)
    with rows_of_batch(5, 4):
        assert layer.keep_mask((4 * 4, 20), 0.5).tolist() == whole[5 * 4 :].tolist()


def test_fixed_draws_tell_the_rows_of_a_batch_apart() -> None:
    layer, x = dropout(), np.ones((6, 50))
    with fixed_draws(4):
        whole = layer.forward(x)[0]
        with rows_of_batch(2):
            part = layer.forward(x[2:])[0]
            assert (layer.forward(x[2:])[0] == part).all()
        with ThreadPoolExecutor(1) as pool, rows_of_batch(2):
            elsewhere = pool.submit(layer.keep_mask, (4, 50), 0.5).result()
    assert part.tolist() == whole[2:].tolist()
    assert elsewhere.tolist() == dropout().keep_mask((4, 50), 0.5).tolist()  # another thread: neither holds there
    assert layer.draws == {"seed": 3, "calls": 1}


def test_parts_that_are_no_whole_numbers_are_refused() -> None:
    for given, named in (((-1,), "before"), ((1.5,), "before"), ((0, -1), "rows"), ((0, "a"), "rows")):
        with pytest.raises(ArgumentError) as caught, rows_of_batch(*given):  # type: ignore[arg-type]
            pass
        told = f"rows_of_batch: expected {named} to be a whole number of 0 or more, got {given[-1]!r}"
        assert str(caught.value) == told


def test_an_error_within_parts_and_fixed_draws_ends_them() -> None:
    layer, other = dropout(), dropout()
    with pytest.raises(KeyError), rows_of_batch(5), fixed_draws(9):
        raise KeyError
    assert layer.keep_mask((4, 50), 0.5).tolist() == other.keep_mask((4, 50), 0.5).tolist()
    assert layer.draws == {"seed": 3, "calls": 1}


def test_generators_of_calls_and_of_parts_differ_and_follow_from_the_seed() -> None:
    layer, other = dropout(), dropout()
    numbers = [layer.generator().random(50) for _ in range(2)]
    with rows_of_batch(4):
        layer.reseed(3)
        numbers += [layer.generator().random(50) for _ in range(2)]
    assert np.abs(np.corrcoef(numbers) - np.eye(4)).max() < 0.7  # five times the deviation of 1 / sqrt(50)
    assert [other.generator().random(50).tolist() for _ in range(2)] == [own.tolist() for own in numbers[:2]]
    with fixed_draws(3):
        assert layer.generator().random(50).tolist() == numbers[0].tolist()


def test_a_steps_rows_have_the_masks_of_the_whole() -> None:
    layer, picks, inner = dropout(), np.array([7, 1, 4, 2]), np.array([3, 0])
    with CallSteps() as outer:
        whole = layer.keep_mask((9, 20), 0.5)
        layer.reseed(3)
    with CallSteps() as outer:
        outer.rows = picks
        assert layer.keep_mask((4, 20), 0.5).tolist() == whole[picks].tolist()
    layer.reseed(3)
    with CallSteps() as outer, rows_of_batch(4, 5):  # of the five after the first four
        outer.rows = np.array([0, 3])
        assert layer.keep_mask((2, 20), 0.5).tolist() == whole[[4, 7]].tolist()
        outer.rows = None
    with CallSteps() as outer, CallSteps() as within:
        outer.rows, within.rows = picks, inner
        assert (within.picked() == [2, 7]).all()  # type: ignore[union-attr]
        within.rows = None
        assert within.picked() is picks
        assert layer.keep_mask((0, 20), 0.5).shape == (0, 20)


def test_steps_are_one_call_and_draw_by_their_numbers() -> None:
    layer, other = dropout(), dropout()

    def at(own: Dropout, steps: CallSteps, step: int) -> Any:
        steps.step = step
        return own.keep_mask((2, 20), 0.5).tolist()

    with CallSteps() as steps:
        forwards = [at(layer, steps, step) for step in range(4)]
        again = at(layer, steps, 3)
    with CallSteps() as steps:
        assert [at(other, steps, step) for step in (3, 2, 0)] == [forwards[3], forwards[2], forwards[0]]
    assert layer.draws == other.draws == {"seed": 3, "calls": 1}
    with CallSteps() as steps:
        later = at(layer, steps, 0)
    distinct = [*forwards, again, later, layer.keep_mask((2, 20), 0.5).tolist()]
    assert len({str(mask) for mask in distinct}) == len(distinct)
    assert layer.draws == {"seed": 3, "calls": 3}


def test_steps_within_steps_are_told_apart_by_both() -> None:
    layer, masks = dropout(), []
    with CallSteps() as outer:
        for outer.step in range(3):
            with CallSteps() as inner:
                for inner.step in range(3):
                    masks.append(str(layer.keep_mask((2, 20), 0.5).tolist()))
    assert len(set(masks)) == 9
    assert layer.draws == {"seed": 3, "calls": 1}


def test_fixed_draws_are_alike_at_all_steps() -> None:
    layer = dropout()
    with fixed_draws(3), CallSteps() as steps:
        masks = []
        for steps.step in range(3):
            masks.append(layer.keep_mask((2, 20), 0.5).tolist())
    assert masks[0] == masks[1] == masks[2] == dropout().keep_mask((2, 20), 0.5).tolist()
    assert layer.draws == {"seed": 3, "calls": 0}
