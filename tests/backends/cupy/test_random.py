"""Random words and masks: the same bits as everywhere, in one launch."""

import numpy as np
import pytest

import lamina
from lamina.layers import Dropout, RecurrentDropout
from tests.backends.cupy.against_generic import faulty_source

REFERENCE = lamina.get_backend("reference")
SIZES = [(1, 1), (7, 9), (3, 5000), (0, 4), (4, 0)]


def keys(rows):
    return np.random.default_rng(0).integers(0, 2**32, (rows, 2), np.uint32)


@pytest.mark.parametrize(("rows", "count"), SIZES)
def test_words_are_those_of_every_backend(device, rows, count):
    got = device.random_words(keys(rows), count)
    assert got.dtype == np.uint32
    assert np.array_equal(device.to_numpy(got), REFERENCE.random_words(keys(rows), count))


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5, 1 - 2**-40])
@pytest.mark.parametrize("shape", [(7,), (7, 9), (3, 4, 5), (0, 4), (4, 0)], ids=str)
def test_masks_are_those_of_every_backend(device, shape, rate):
    got = device.keep_mask(keys(shape[0]), shape, rate)
    assert (got.dtype, got.shape) == (np.bool_, shape)
    assert np.array_equal(device.to_numpy(got), REFERENCE.keep_mask(keys(shape[0]), shape, rate))


def test_keys_that_are_not_contiguous(device):
    own = keys(9)[::2, ::-1]
    assert np.array_equal(device.to_numpy(device.random_words(own, 6)), REFERENCE.random_words(own, 6))


def test_a_mask_is_one_launch(counted):
    device, ledger = counted
    device.keep_mask(keys(4), (4, 5, 6), 0.5)
    assert ledger.totals() == {"launch": 1, "set": 0, "copy": 0, "upload": 1, "download": 0, "wait": 0}


def test_the_rows_of_a_call(device):
    numbers = np.random.default_rng(0).integers(0, 2**64, (9, 1), np.uint64)
    for call in np.array([[0], [2**64 - 1], [2**40 + 7]], np.uint64):
        for start, stop in ((0, 9), (3, 7), (4, 4)):
            own, wanted = (one.row_keys(numbers[start:stop], call) for one in (device, REFERENCE))
            assert np.array_equal(
                device.to_numpy(device.random_words(own, 6)), REFERENCE.random_words(np.array(wanted), 6)
            )


@pytest.mark.parametrize("layer", [Dropout, RecurrentDropout])
def test_a_layer_uploads_its_rows_numbers_once(counted, layer):
    device, ledger = counted
    own = layer(0.5)
    own.build((None, None, 4), seed=0, backend=device)
    x = device.asarray(np.ones((6, 3, 4), "float32"))
    for rows in (6, 2):
        own.forward(x[:rows])
    for rows in (6, 2):
        ledger.clear()
        y, saved = own.forward(x[:rows])
        assert ledger.totals() == {"launch": 2, "set": 0, "copy": 0, "upload": 0, "download": 0, "wait": 0}
        ledger.clear()
        own.backward(y, saved)
        assert ledger.totals() == {"launch": 1, "set": 0, "copy": 0, "upload": 0, "download": 0, "wait": 0}


def test_numbers_are_those_of_their_own_source(device):
    numbers = [np.full((3, 1), number, np.uint64) for number in range(600)]
    for _ in range(2):
        for one in numbers[::150]:
            got = device.row_keys(one, np.zeros(1, np.uint64))
            assert device.to_numpy(got.numbers).tolist() == one[:, 0].tolist()
        for one in numbers:
            device.row_keys(one, np.zeros(1, np.uint64))


FAULTS = {
    "a factor": ("0xac4c1b51u", "0xac4c1b53u"),
    "the key's second word": ("^ (x >> 11) ^ second", "^ (x >> 11)"),
    "the key's first word": ("place ^ first ^ second", "place ^ second"),
    "a shift": ("x >> 15", "x >> 16"),
    "the place": ("static_cast<unsigned>(place))", "static_cast<unsigned>(place + 1))"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(monkeypatch, counted, fault):
    device, _ = counted
    faulty_source(monkeypatch, "dropout.cu", *FAULTS[fault])
    assert not np.array_equal(device.to_numpy(device.random_words(keys(5), 7)), REFERENCE.random_words(keys(5), 7))
