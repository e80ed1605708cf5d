"""NumPy's masks, which are computed in pieces: as from all words at once."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends.numpy import random


@pytest.mark.parametrize("at_once", [1, 5, 12, 13, 24, 10**6])
@pytest.mark.parametrize("count", [1, 4, 12])
def test_pieces_of_any_size_make_the_same_mask(at_once: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "_AT_ONCE", at_once)
    keys = np.random.default_rng(0).integers(0, 2**32, (7, 2), dtype=np.uint32)
    numpy, reference = lamina.get_backend("numpy"), lamina.get_backend("reference")
    got: Any = numpy.keep_mask(keys, (7, count), 0.4)
    assert got.tolist() == (reference.random_words(keys, count) >= np.ceil(0.4 * 2**32)).tolist()


def test_what_is_kept_for_few_places_is_never_written_to() -> None:
    numpy = lamina.get_backend("numpy")
    keys = np.random.default_rng(0).integers(0, 2**32, (1, 2), dtype=np.uint32)
    before = numpy.random_words(keys, 100).tolist()
    for count in (3, 100, 2000):
        numpy.keep_mask(keys, (1, count), 0.5)
    assert numpy.random_words(keys, 100).tolist() == before
