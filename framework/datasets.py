"""Three small sets of real sequences that ship with Lamina, read without a network.

``japanese_vowels`` has labelled rows of different lengths, ``digits`` labelled rows that are all full, and
``sunspots`` is one long series to forecast. Values are as published: nothing is standardized or shuffled.
Sources and licences (CC BY 4.0; the sunspots are in the public domain) are in ``data/LICENSES.md``, beside
the files.

Examples
--------
>>> from lamina import datasets
>>> datasets.japanese_vowels()
<Dataset japanese-vowels: 270 train + 370 test rows, 29 steps x 12 features, lengths 7-29, 9 classes, float32>
>>> datasets.digits(dtype="float64").x_train.shape
(1437, 8, 8)
>>> datasets.sunspots()
<Series sunspots: 309 years, 1700-2008, values 0-190.2, float32>
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lamina.data.dataset import Dataset, Series, float_dtype, read_arrays
from lamina.errors import unknown

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Dataset", "Series", "digits", "japanese_vowels", "load", "names", "sunspots"]

# Rows of digits to train on, the first of the file; the other 360 are to test on.
_DIGITS_TRAIN = 1437


def japanese_vowels(dtype: DTypeLike = "float32") -> Dataset:
    """Load Japanese Vowels: the task is to tell which of nine men said /ae/.

    An utterance is 7 to 29 frames, 6.4 ms apart, of 12 LPC cepstrum coefficients (no unit, -1.9 to
    2.2). The split is the published one: 30 utterances of each speaker to train on, and 370 recorded on
    other occasions (31, 35, 88, 44, 29, 24, 40, 50 and 29 of the speakers in turn) to test on. Rows come
    speaker by speaker, so shuffle them for training.

    Values are raw, exact to the six decimals published. To standardize, take mean and deviation over the
    valid steps of the training rows.

    Parameters
    ----------
    dtype : dtype-like, default "float32"
        Float dtype of the sequences.

    Returns
    -------
    Dataset
        ``x_train`` (270, 29, 12) and ``x_test`` (370, 29, 12), both with lengths.

    Raises
    ------
    DTypeError
        If `dtype` is not a float dtype.

    Notes
    -----
    M. Kudo, J. Toyama and M. Shimbo, "Multidimensional curve classification using passing-through
    regions", Pattern Recognition Letters 20 (1999) 1103-1111. Data: https://doi.org/10.24432/C5NS47.

    Examples
    --------
    >>> data = japanese_vowels()
    >>> data.class_names[data.y_train[0]], int(data.lengths_train[0])
    ('speaker 1', 20)
    >>> [round(float(value), 6) for value in data.x_train[0, 0, :3]]
    [1.860936, -0.207383, 0.261557]
    """
    wanted = float_dtype(dtype)
    arrays = read_arrays("japanese_vowels.npz")
    steps = int(max(arrays["train_lengths"].max(), arrays["test_lengths"].max()))
    parts = {}
    for split in ("train", "test"):
        lengths = arrays[f"{split}_lengths"].astype(np.int64)
        # The file holds millionths in two pieces, channel by channel: docs/make_data.py says why.
        millionths = arrays[f"{split}_high"].astype(np.int64) * 65536 + arrays[f"{split}_low"]
        x = np.zeros((len(lengths), steps, len(millionths)), wanted)
        x[np.arange(steps) < lengths[:, None]] = (millionths / 1e6).T
        parts[split] = x, arrays[f"{split}_labels"].astype(np.int64), lengths
    speakers = tuple(f"speaker {number}" for number in range(1, 10))
    return Dataset("japanese-vowels", *parts["train"], *parts["test"], class_names=speakers)


def digits(dtype: DTypeLike = "float32") -> Dataset:
    """Load 1797 handwritten digits as sequences: the image's 8 rows, from the top, of 8 pixels.

    A pixel is the inked share of a 4x4 block, from 0 to 1 in steps of 1/16.

    The first 1437 rows are to train on and the last 360 to test on, in the order of the source, which
    publishes no split of these rows. Of the 13 people who wrote them, each seems to have written rows that
    lie together: a row's nearest neighbour is within 140 rows four times as often as by chance. So this
    split tests mostly on hands that were not trained on. A shuffled one has every hand on both sides and
    scores higher; figures of the two do not compare.

    Parameters
    ----------
    dtype : dtype-like, default "float32"
        Float dtype of the sequences.

    Returns
    -------
    Dataset
        ``x_train`` (1437, 8, 8) and ``x_test`` (360, 8, 8); the lengths are None, every row being full.

    Raises
    ------
    DTypeError
        If `dtype` is not a float dtype.

    Notes
    -----
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits" (1998), its test file.
    Data: https://doi.org/10.24432/C50P49.

    Examples
    --------
    >>> data = digits()
    >>> data.class_names[data.y_train[0]], (data.x_train[0, 0] * 16).tolist()
    ('0', [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0])
    """
    wanted = float_dtype(dtype)
    arrays = read_arrays("digits.npz")
    x = arrays["pixels"].astype(wanted) / 16
    y = arrays["labels"].astype(np.int64)
    return Dataset(
        name="digits",
        x_train=x[:_DIGITS_TRAIN],
        y_train=y[:_DIGITS_TRAIN],
        lengths_train=None,
        x_test=x[_DIGITS_TRAIN:],
        y_test=y[_DIGITS_TRAIN:],
        lengths_test=None,
        class_names=tuple("0123456789"),
    )


def sunspots(dtype: DTypeLike = "float32") -> Series:
    """Load the yearly sunspot numbers of 1700 to 2008: a series to forecast, with a cycle of about 11 years.

    A year's value is the mean of the Wolf numbers of its days: ten times the groups of spots that were seen
    on the sun, plus the spots. It has no unit. These are the numbers in use until 2015, when the series was
    recalibrated: today's are 1.4 to 1.7 times as high.

    Values are raw, exact to the one decimal published.

    Parameters
    ----------
    dtype : dtype-like, default "float32"
        Float dtype of the values.

    Returns
    -------
    Series
        ``years`` (309,) and ``values`` (309,).

    Raises
    ------
    DTypeError
        If `dtype` is not a float dtype.

    Notes
    -----
    National Geophysical Data Center of the USA, in the public domain.

    Examples
    --------
    >>> series = sunspots()
    >>> int(series.years[-1]), round(float(series.values[-1]), 1)
    (2008, 2.9)
    """
    wanted = float_dtype(dtype)
    arrays = read_arrays("sunspots.npz")
    return Series("sunspots", arrays["years"].astype(np.int64), (arrays["tenths"] / 10).astype(wanted))


_LOADERS: dict[str, Callable[[DTypeLike], Dataset]] = {
    "digits": digits,
    "japanese-vowels": japanese_vowels,
}


def names() -> tuple[str, ...]:
    """Return the names that `load` knows: those of the labelled sets.

    Examples
    --------
    >>> names()
    ('digits', 'japanese-vowels')
    """
    return tuple(_LOADERS)


def load(name: str, dtype: DTypeLike = "float32") -> Dataset:
    """Load the labelled data set of that name.

    Parameters
    ----------
    name : str
        One of `names`, with hyphens or underscores.
    dtype : dtype-like, default "float32"
        Float dtype of the sequences.

    Returns
    -------
    Dataset
        Made of new arrays.

    Raises
    ------
    UnknownNameError
        If no data set has that name.
    DTypeError
        If `dtype` is not a float dtype.

    Examples
    --------
    >>> load("japanese_vowels").name
    'japanese-vowels'
    """
    loader = _LOADERS.get(str(name).replace("_", "-"))
    if loader is None:
        raise unknown("data set", name, names())
    return loader(dtype)
