import dataclasses
import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import datasets
from lamina.errors import DTypeError, UnknownNameError

DATA = Path(datasets.__file__).parent / "data" / "sets"


@pytest.fixture(scope="module")
def vowels() -> datasets.Dataset:
    return datasets.japanese_vowels(dtype="float64")


@pytest.fixture(scope="module")
def digits() -> datasets.Dataset:
    return datasets.digits(dtype="float64")


def test_vowels_have_the_published_shape(vowels: datasets.Dataset) -> None:
    assert vowels.name == "japanese-vowels"
    assert vowels.x_train.shape == (270, 29, 12)
    assert vowels.x_test.shape == (370, 29, 12)
    assert vowels.class_names == tuple(f"speaker {number}" for number in range(1, 10))
    assert np.bincount(vowels.y_train).tolist() == [30] * 9
    assert np.bincount(vowels.y_test).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]


def test_vowels_are_padded_with_zeros_past_their_lengths(vowels: datasets.Dataset) -> None:
    lengths = []
    for x, row_lengths in (
        (vowels.x_train, vowels.lengths_train),
        (vowels.x_test, vowels.lengths_test),
    ):
        assert row_lengths is not None
        assert row_lengths.shape == (len(x),)
        assert row_lengths.dtype == np.int64
        valid = np.arange(x.shape[1]) < row_lengths[:, None]
        assert np.all(x[~valid] == 0)
        # No published step is zero in all features, so the lengths are neither short nor long.
        assert np.all(np.any(x != 0, axis=2) == valid)
        lengths.append(row_lengths)
    everything = np.concatenate(lengths)
    assert (everything.min(), everything.max(), everything.sum()) == (7, 29, 9961)


def test_vowels_equal_the_printed_values(vowels: datasets.Dataset) -> None:
    # Steps of the first training row and the last step of the last test row, as the source prints them.
    first = [1.860936, -0.207383, 0.261557, -0.214562, -0.171253, -0.118167]
    assert vowels.x_train[0, 0, :6].tolist() == first
    assert vowels.x_train[0, 1, :2].tolist() == [1.891651, -0.193249]
    assert vowels.x_train[0, 19, :2].tolist() == [1.261441, -0.63835]
    last = [1.177449, -0.40408, 0.052026, -0.284812, 0.42984, -0.203484]
    last += [-0.072393, -0.080955, -0.244424, -0.001849, -0.016634, 0.224688]
    assert vowels.x_test[-1, 10].tolist() == last
    assert (vowels.x_test.min(), vowels.x_test.max()) == (-1.69252, 1.982559)
    # Sums of all values, in millionths, summed as decimals over the source's text.
    assert round(float(vowels.x_train.sum() * 1e6)) == -1057452303
    assert round(float(vowels.x_test.sum() * 1e6)) == -2146513430


def test_float32_keeps_the_six_published_decimals(vowels: datasets.Dataset) -> None:
    single = datasets.japanese_vowels().x_test
    np.testing.assert_array_equal(single, vowels.x_test.astype(np.float32))
    np.testing.assert_array_equal(np.round(single.astype(np.float64), 6), vowels.x_test)


def test_digits_are_images_of_eight_rows(digits: datasets.Dataset) -> None:
    assert digits.name == "digits"
    assert digits.x_train.shape == (1437, 8, 8)
    assert digits.x_test.shape == (360, 8, 8)
    assert digits.lengths_train is None
    assert digits.lengths_test is None
    assert digits.class_names == tuple("0123456789")
    every = np.concatenate([digits.y_train, digits.y_test])
    # The counts that the source publishes.
    assert np.bincount(every).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_equal_the_source(digits: datasets.Dataset) -> None:
    first = [
        0,
        0,
        5,
        13,
        9,
        1,
        0,
        0,
        0,
        0,
        13,
        15,
        10,
        15,
        5,
        0,
        0,
        3,
        15,
        2,
        0,
        11,
        8,
        0,
        0,
        4,
        12,
        0,
        0,
        8,
        8,
        0,
    ]
    first += [
        0,
        5,
        8,
        0,
        0,
        9,
        8,
        0,
        0,
        4,
        11,
        0,
        1,
        12,
        7,
        0,
        0,
        2,
        14,
        5,
        10,
        12,
        0,
        0,
        0,
        0,
        6,
        13,
        10,
        0,
        0,
        0,
    ]
    assert (digits.x_train[0] * 16).ravel().tolist() == first
    assert digits.y_train[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    sixteenths = np.concatenate([digits.x_train, digits.x_test]) * 16
    assert np.array_equal(sixteenths, sixteenths.round())
    assert (sixteenths.min(), sixteenths.max(), sixteenths.sum()) == (0, 16, 561718)


def test_sunspots_equal_the_source() -> None:
    series = datasets.sunspots(dtype="float64")
    assert series.years.tolist() == list(range(1700, 2009))
    assert series.values[:8].tolist() == [5, 11, 16, 23, 36, 58, 29, 20]
    assert series.values[-6:].tolist() == [63.7, 40.4, 29.8, 15.2, 7.5, 2.9]
    # The highest year of all, and the sum of all values in tenths, summed as decimals over the source's text.
    assert series.years[series.values.argmax()] == 1957 and series.values.max() == 190.2
    assert round(float(series.values.sum() * 10)) == 153734


def test_sunspots_are_fresh_frozen_and_of_the_dtype_asked_for() -> None:
    series = datasets.sunspots()
    assert series.values.dtype == np.float32 and series.years.dtype == np.int64
    assert repr(series) == "<Series sunspots: 309 years, 1700-2008, values 0-190.2, float32>"
    series.values[...] = 77
    assert not np.any(datasets.sunspots().values == 77)
    with pytest.raises(dataclasses.FrozenInstanceError):
        series.name = "other"  # type: ignore[misc]
    with pytest.raises(DTypeError, match="expected a float dtype such as 'float32', got 'int64'"):
        datasets.sunspots("int64")


@pytest.mark.parametrize("name", datasets.names())
def test_dtypes(name: str) -> None:
    for dtype in ("float32", "float64", np.float32):
        data = datasets.load(name, dtype=dtype)
        assert data.x_train.dtype == data.x_test.dtype == np.dtype(dtype)
        assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert datasets.load(name).x_train.dtype == np.float32


@pytest.mark.parametrize("dtype", ["int64", "bool", "no-such-dtype"])
@pytest.mark.parametrize("name", datasets.names())
def test_a_dtype_that_cannot_hold_the_values_is_refused(name: str, dtype: str) -> None:
    with pytest.raises(DTypeError, match=f"expected a float dtype such as 'float32', got '{dtype}'"):
        datasets.load(name, dtype=dtype)


@pytest.mark.parametrize("name", datasets.names())
def test_arrays_are_fresh_and_writable(name: str) -> None:
    data = datasets.load(name)
    again = datasets.load(name)
    for field in dataclasses.fields(data):
        array, expected = getattr(data, field.name), getattr(again, field.name)
        if isinstance(array, np.ndarray):
            array[...] = 77
            assert not np.any(expected == 77)
            np.testing.assert_array_equal(getattr(datasets.load(name), field.name), expected)


def test_a_dataset_is_frozen(digits: datasets.Dataset) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits.name = "other"  # type: ignore[misc]


def test_repr_is_one_readable_line() -> None:
    assert repr(datasets.digits()) == (
        "<Dataset digits: 1437 train + 360 test rows, 8 steps x 8 features, 10 classes, float32>"
    )
    assert "lengths 7-29, 9 classes, float64>" in repr(datasets.japanese_vowels("float64"))


def test_load_by_name() -> None:
    assert datasets.names() == ("digits", "japanese-vowels")
    assert datasets.load("digits").name == "digits"
    assert datasets.load("japanese-vowels").name == "japanese-vowels"
    assert datasets.load("japanese_vowels").name == "japanese-vowels"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        datasets.load("japanese-vowel")
    assert str(caught.value) == (
        "unknown data set 'japanese-vowel': did you mean 'japanese-vowels'? Known: digits, japanese-vowels"
    )
    with pytest.raises(UnknownNameError, match="unknown data set 3: Known: digits, japanese-vowels"):
        datasets.load(3)  # type: ignore[arg-type]


def test_files_are_small_and_licensed() -> None:
    files = sorted(path.name for path in DATA.iterdir() if path.is_file())
    assert files == ["LICENSES.md", "digits.npz", "japanese_vowels.npz", "sunspots.npz"]
    assert sum((DATA / name).stat().st_size for name in files) < 500_000
    licences = (DATA / "LICENSES.md").read_text(encoding="utf-8")
    for fact in (
        "Japanese Vowels",
        "10.24432/C5NS47",
        "Optical Recognition of Handwritten Digits",
        "10.24432/C50P49",
        "Yearly sunspots data",
        "public domain",
    ):
        assert fact in licences
    assert licences.count("**Licence:** CC BY 4.0") == 2


def test_examples_in_the_docstrings() -> None:
    results = doctest.testmod(datasets)
    assert results.attempted > 0
    assert results.failed == 0


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(lamina.datasets.digits) == {"dtype": "float32"}
    assert defaults(lamina.datasets.japanese_vowels) == {"dtype": "float32"}
    assert defaults(lamina.datasets.sunspots) == {"dtype": "float32"}
    assert defaults(lamina.datasets.load) == {"dtype": "float32"}
