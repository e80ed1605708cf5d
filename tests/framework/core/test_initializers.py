"""Initial weights: their distributions, drawn from NumPy's generator as the equations say."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    Normal,
    Ones,
    Orthogonal,
    Ring,
    Side,
    Uniform,
    Zeros,
    find_initializer,
)

EVERY = [
    Zeros(), Ones(), Constant(0.3), Normal(), Uniform(), GlorotUniform(), GlorotNormal(), HeUniform(), HeNormal(),
    Orthogonal(),
]  # fmt: skip


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("initializer", EVERY, ids=repr)
def test_draws_are_float64_of_the_shape_and_follow_from_the_seed(initializer: Initializer) -> None:
    for shape in ((4, 3), (3, 4), (2, 3, 4)):
        drawn = initializer(shape, rng())
        assert (drawn.shape, drawn.dtype) == (shape, np.float64)
        assert (drawn == initializer(shape, rng())).all()


@pytest.mark.parametrize(
    ("initializer", "shape", "expected"),
    [
        (Zeros(), (2,), lambda g: np.array([0, 0])),
        (Ones(), (2,), lambda g: np.array([1, 1])),
        (Constant(0.25), (2, 1), lambda g: np.array([[0.25], [0.25]])),
        (Normal(0.01), (3, 2), lambda g: 0.01 * g.standard_normal((3, 2))),
        (Uniform(0.5), (3, 2), lambda g: g.uniform(-0.5, 0.5, (3, 2))),
        (GlorotUniform(), (4, 2), lambda g: g.uniform(-1, 1, (4, 2))),  # sqrt(6 / 6)
        (GlorotNormal(), (6, 2), lambda g: 0.5 * g.standard_normal((6, 2))),  # sqrt(2 / 8)
        (HeUniform(), (6, 50), lambda g: g.uniform(-1, 1, (6, 50))),  # sqrt(6 / 6)
        (HeNormal(), (8, 50), lambda g: 0.5 * g.standard_normal((8, 50))),  # sqrt(2 / 8)
        # Axes before the last two are a receptive field: 3 * 1 inputs, 3 * 1 outputs.
        (GlorotUniform(), (3, 1, 1), lambda g: g.uniform(-1, 1, (3, 1, 1))),
        (HeUniform(), (3, 2, 7), lambda g: g.uniform(-1, 1, (3, 2, 7))),
        # A vector's size is both its number of inputs and of outputs.
        (GlorotUniform(), (3,), lambda g: g.uniform(-1, 1, (3,))),
    ],
)
def test_draws_are_the_generators_numbers_scaled(initializer: Initializer, shape: Any, expected: Any) -> None:
    np.testing.assert_allclose(initializer(shape, rng()), expected(rng()), rtol=1e-14)


@pytest.mark.parametrize("shape", [(5, 5), (6, 4), (4, 6), (2, 3, 4), (2, 3, 7)])
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_orthogonal_gives_orthonormal_rows_or_columns(shape: tuple[int, ...], gain: float) -> None:
    matrix = Orthogonal(gain)(shape, rng()).reshape(-1, shape[-1])
    small = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, gain**2 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_draws_uniformly() -> None:
    # The mean over the group is 0 for every element; without the sign correction the diagonal's is not.
    generator = rng()
    mean = np.mean([Orthogonal()((3, 3), generator) for _ in range(3000)], axis=0)
    # An element's deviation is 1 / sqrt(3); six deviations of the mean.
    assert np.abs(mean).max() < 6 / math.sqrt(3 * 3000)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_orthogonal_needs_a_matrix(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError) as caught:
        Orthogonal()(shape, rng())
    assert str(caught.value) == f"Orthogonal: expected a shape of two axes or more, got {shape}"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("zeros", "Zeros()"),
        ("HeNormal", "HeNormal()"),
        ("he_normal", "HeNormal()"),
        ("normal", "Normal()"),
        (0, "Constant(0.0)"),
        (1.5, "Constant(1.5)"),
        (Normal(0.1), "Normal(deviation=0.1)"),
    ],
)
def test_find_initializer(spec: Any, text: str) -> None:
    assert repr(find_initializer(spec)) == text


@pytest.mark.parametrize("spec", [None, Normal, [1.0], True])
def test_what_is_no_initializer_is_refused(spec: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        find_initializer(spec)
    assert str(caught.value) == f"initializer: expected a name, a number or an Initializer, got {spec!r}"


def test_a_name_whose_initializer_needs_an_argument_says_so() -> None:
    with pytest.raises(ArgumentError) as caught:
        find_initializer("constant")
    assert str(caught.value) == (
        "initializer 'constant': Constant.__init__() missing 1 required positional argument: 'value': "
        "pass an object such as Constant(...)"
    )


def test_an_object_is_used_as_it_is() -> None:
    normal = Normal(0.1)
    assert find_initializer(normal) is normal


def test_every_initializer_is_registered_and_listed() -> None:
    assert set(Initializer.registry.names()) >= {type(initializer).__name__ for initializer in EVERY}


def test_blocks_lie_side_by_side_and_are_drawn_in_turn() -> None:
    drawn = Side(["ones", Normal(0.5), 7.0])((2, 6), rng())
    assert drawn[:, :2].tolist() == [[1, 1], [1, 1]]
    assert drawn[:, 2:4].tolist() == (0.5 * rng().standard_normal((2, 2))).tolist()
    assert drawn[:, 4:].tolist() == [[7, 7], [7, 7]]
    assert repr(Side(["ones", 7.0])) == "Side([Ones(), Constant(7.0)])"
    with pytest.raises(ArgumentError, match=r"^Side: expected a last axis divisible by 2, got \(2, 3\)$"):
        Side(["ones", "zeros"])((2, 3), rng())


def test_a_ring_of_eigenvalues_is_even_over_its_area() -> None:
    n, p, g = np.exp(Ring(0.5, 0.9, 1.5)((60_000,), rng())).reshape(3, 20_000)
    size = np.exp(-n)
    assert size.min() >= 0.5 and size.max() <= 0.9 and p.min() > 0 and p.max() <= 1.5
    # Within radius r lies (r^2 - 0.5^2) / (0.9^2 - 0.5^2) of the area.
    for radius in (0.6, 0.7, 0.8):
        assert np.mean(size < radius) == pytest.approx((radius**2 - 0.25) / 0.56, abs=0.015)
    assert np.quantile(p, [0.25, 0.5, 0.75]) == pytest.approx([0.375, 0.75, 1.125], abs=0.03)
    np.testing.assert_allclose(g, np.sqrt(1 - size**2), rtol=1e-12)
    with pytest.raises(ArgumentError, match=r"^Ring: expected a last axis divisible by 3, got \(4,\)$"):
        Ring(0.5, 0.9)((4,), rng())


@pytest.mark.parametrize("arguments", [(0, 0.9), (0.9, 0.5), (0.5, 1), (0.5, 0.9, 0)])
def test_a_ring_lies_between_zero_and_the_unit_circle(arguments: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Ring: expected "):
        Ring(*arguments)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(Normal) == {"deviation": 0.05}
    # Keras's.
    assert defaults(Uniform) == {"limit": 0.05}
    # Keras's and PyTorch's.
    assert defaults(Orthogonal) == {"gain": 1.0}
    # The angle is the paper's: the whole circle. Of its rings this one remembers ten steps to a thousand.
    assert defaults(Ring) == {"least": 0.9, "most": 0.999, "angle": 6.283185307179586}


@pytest.mark.parametrize("blocks", [[], (), 3, None, "zeros", {"a": 1}, {"zeros"}])
def test_side_takes_a_list_of_blocks_that_is_not_empty(blocks: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Side: expected blocks to be a list of initializers, got "):
        Side(blocks)


def test_uniform_draws_within_any_limit_that_it_takes() -> None:
    for limit in (0, -0.0, 5e-324, 8e307):
        assert (np.abs(Uniform(limit)((3, 4), np.random.default_rng(0))) <= limit).all()
    with pytest.raises(ArgumentError, match=r"^Uniform: expected limit to be a number "):
        Uniform(1e308)
