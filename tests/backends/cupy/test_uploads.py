"""Data that fit stay on the device, others come while it computes; what is computed is the same, bit for bit."""

import threading

import numpy as np
import pytest

import lamina
from lamina import Sequential, Trainer
from lamina.backends.cupy import uploads
from lamina.backends.cupy.uploads import Staging
from lamina.data.shapes import Data
from lamina.layers import GRU, LSTM, Dense, Dropout, Embedding
from lamina.train.batches import batches
from tests.stand_in.device import memory
from tests.stand_in.streams import HazardError

RNG = np.random.default_rng(5)
ROWS, TIME = 22, 5
X = RNG.normal(size=(ROWS, TIME, 3)).astype("float32")
IDS, LABELS = RNG.integers(0, 9, (ROWS, TIME)), RNG.integers(0, 4, ROWS)
LENGTHS = RNG.integers(0, TIME + 1, ROWS)
ORDER = RNG.permutation(ROWS)
PICKS = {
    "side by side": [slice(start, min(start + 4, ROWS)) for start in range(0, ROWS, 4)],
    "anywhere": [ORDER[start : start + 4] for start in range(0, ROWS, 4)],
}


def rows_of(backend, arrays, picks):
    """Return what comes for each pick, read only once the next one was asked for, as a step computes."""
    found, before = [], None
    for brought in backend.upload_rows(arrays, picks):
        # Computed beside the next copy; kept by nobody but as what it gives.
        found.append(tuple(array + backend.zeros((), array.dtype) for array in brought))
        before = brought
    del before
    return [tuple(backend.to_numpy(array) for array in brought) for brought in found]


@pytest.mark.parametrize("picks", PICKS)
def test_rows_come_as_they_are(device, picks):
    arrays = (X, IDS.astype("int32"), LABELS.astype("uint8"), X[:, ::2, 1:], np.zeros((ROWS, 0), "float32"), LENGTHS)
    found = rows_of(device, arrays, PICKS[picks])
    assert len(found) == len(PICKS[picks])
    for pick, brought in zip(PICKS[picks], found, strict=True):
        for array, own in zip(arrays, brought, strict=True):
            assert own.dtype == array.dtype
            np.testing.assert_array_equal(own, array[pick])


def test_what_was_brought_stays_what_it_is(device):
    kept = list(device.upload_rows((X, IDS), PICKS["anywhere"]))
    for pick, (x, ids) in zip(PICKS["anywhere"], kept, strict=True):
        np.testing.assert_array_equal(device.to_numpy(x), X[pick])
        np.testing.assert_array_equal(device.to_numpy(ids), IDS[pick])


def test_numbers_of_another_byte_order_come_another_way(counted):
    backend, ledger = counted
    found = rows_of(backend, (IDS.astype(">i8"),), PICKS["anywhere"])
    assert all(array == "array" for _, _, array in ledger.lines("upload"))  # none as bytes
    for pick, (own,) in zip(PICKS["anywhere"], found, strict=True):
        np.testing.assert_array_equal(own, IDS[pick])


def test_two_at_a_time(device):
    """As where a callback evaluates within an epoch."""
    first, second = (device.upload_rows((one,), PICKS["side by side"]) for one in (X, IDS))
    for pick, (x,), (ids,) in zip(PICKS["side by side"], first, second, strict=True):
        np.testing.assert_array_equal(device.to_numpy(x), X[pick])
        np.testing.assert_array_equal(device.to_numpy(ids), IDS[pick])


def test_who_stops_early_leaves_nothing_on_its_way(counted):
    backend, _ = counted
    coming = backend.upload_rows((X,), PICKS["side by side"])
    next(coming)
    slots = backend._staging()._slots
    assert not all(slot.copied.done for slot in slots)
    coming.close()
    assert all(slot.copied.done for slot in slots)
    np.testing.assert_array_equal(rows_of(backend, (X,), PICKS["anywhere"])[2][0], X[PICKS["anywhere"][2]])


def test_each_thread_has_a_stream_of_its_own(counted):
    backend, _ = counted
    found = []
    thread = threading.Thread(target=lambda: found.append(backend._staging()))
    thread.start()
    thread.join()
    assert found[0] is not backend._staging()
    assert backend._staging() is backend._staging()


def test_a_large_array_goes_in_pieces(counted, monkeypatch):
    backend, ledger = counted
    monkeypatch.setattr(uploads, "_PIECE", 256)
    for array in (X, np.asfortranarray(X), X[:, ::2], X[:2], IDS):
        ledger.clear()
        brought = backend.upload(array)
        assert ledger.totals()["upload"] == -(-array.nbytes // 256)
        np.testing.assert_array_equal(backend.to_numpy(brought + 0), array)


# The protocol: each part of it, left out, gives wrong values, or what the stand-in refuses.


def run_rows(backend):
    rounds = PICKS["anywhere"] * 3
    return [one for (one,) in rows_of(backend, (X,), rounds)], [X[pick] for pick in rounds]


def alike(found, expected):
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_protocol_gives_right_values(counted):
    assert alike(*run_rows(counted[0]))


def test_values_are_wrong_without_the_wait_for_the_copy(counted, monkeypatch):
    monkeypatch.setattr(Staging, "receive", lambda self, sent: sent.arrays)
    assert not alike(*run_rows(counted[0]))


def test_values_are_wrong_where_pinned_memory_is_written_too_early(counted, monkeypatch):
    def first(self, size):
        return self._slots.pop(0) if self._slots else plain(self, size)

    plain = Staging._free_slot
    monkeypatch.setattr(Staging, "_free_slot", first)
    assert not alike(*run_rows(counted[0]))


def test_a_copy_that_waits_for_nothing_is_refused(counted, monkeypatch):
    def copy(self, slot, target, size):
        target.set(slot.memory[:size], stream=self._stream)
        slot.copied.record(self._stream)

    monkeypatch.setattr(Staging, "_copy", copy)
    with pytest.raises(HazardError, match="may overtake"):
        run_rows(counted[0])


def test_the_host_waits_once_it_is_far_ahead(counted):
    """Of pinned memory there are some pieces; a batch more waits for the first one's copy."""
    backend, ledger = counted
    staging = backend._staging()
    sent = [staging.send((X,), slice(0, 4)) for _ in range(4)]
    assert ledger.totals()["wait"] == 0
    sent.append(staging.send((X,), slice(4, 8)))
    assert ledger.totals()["wait"] == 1
    assert len(staging._slots) == 4
    for one, expected in zip(sent, [X[:4]] * 4 + [X[4:8]], strict=True):
        np.testing.assert_array_equal(backend.to_numpy(staging.receive(one)[0] + 0), expected)


def test_batches_are_those_of_the_host(counted, monkeypatch):
    backend, _ = counted
    data = Data((X, IDS), LABELS, (LENGTHS, None))
    for order in (None, ORDER):
        ours = batches(data, 4, backend, order)
        theirs = list(batches(data, 4, lamina.get_backend("numpy"), order))
        for batch, expected in zip(ours, theirs, strict=True):
            assert batch.rows == expected.rows
            for own, other in zip((*batch.inputs, batch.target), (*expected.inputs, expected.target), strict=True):
                np.testing.assert_array_equal(backend.to_numpy(own), other)
            np.testing.assert_array_equal(batch.options["lengths"][0], expected.options["lengths"][0])
            np.testing.assert_array_equal(batch.hosts[1], expected.hosts[1])
            assert batch.hosts[0] is None  # numbers are not looked at


def trained(backend, body, x, y, free=None, monkeypatch=None, **options):
    fit = {name: options.pop(name) for name in ("truncate", "shuffle", "batch_size") if name in options}
    if monkeypatch is not None:
        monkeypatch.setattr(memory, "free", free)
    model = Sequential(*body(), Dense(4))
    model.build((None, None, *x.shape[2:]), seed=3, backend=backend)
    trainer = Trainer(model, metrics="accuracy", seed=1, **options)
    held = (x[:7], y[:7], LENGTHS[:7])
    fit = {"batch_size": 4, **fit}
    trainer.fit(x, y, lengths=LENGTHS, epochs=3, validation_data=held, verbose=False, **fit)
    figures = {key: trainer.history[key] for key in trainer.history if key != "seconds"}
    return model.state_dict(), figures, trainer.predict(x, lengths=LENGTHS, batch_size=5)


STEPWISE = RNG.integers(0, 4, (ROWS, TIME))
RUNS = {
    "in order": (lambda: [LSTM(4)], X, LABELS, {"shuffle": False}),
    "shuffled": (lambda: [Dropout(0.3), GRU(4)], X, LABELS, {}),
    "ids": (lambda: [Embedding(9, 3), GRU(4)], IDS, LABELS, {}),
    "accumulated": (lambda: [Dropout(0.3), LSTM(4)], X, LABELS, {"accumulate": 3}),
    "in chunks": (lambda: [GRU(4, return_sequences=True)], X, STEPWISE, {"truncate": 2}),
    "one batch": (lambda: [GRU(4)], X, LABELS, {"batch_size": 100}),
}


@pytest.mark.parametrize("run", RUNS)
def test_training_is_the_same_held_and_brought(counted, monkeypatch, run):
    backend, _ = counted
    body, x, y, options = RUNS[run]
    held = trained(backend, body, x, y, 2**29, monkeypatch, **options)
    brought = trained(backend, body, x, y, 0, monkeypatch, **options)
    for name, array in held[0].items():
        np.testing.assert_array_equal(brought[0][name], array, err_msg=name)
    assert brought[1] == held[1]
    np.testing.assert_array_equal(brought[2], held[2])
    expected = trained("numpy", body, x, y, **options)
    for name, array in expected[0].items():
        np.testing.assert_allclose(held[0][name], array, rtol=1e-4, atol=1e-5, err_msg=name)


def test_predictions_come_whenever_they_are_too_many_to_stay(counted, monkeypatch):
    backend, ledger = counted
    trainer = Trainer(Sequential(GRU(4), Dense(4)))
    trainer.model.build((None, None, 3), seed=0, backend=backend)
    whole = trainer.predict(X, batch_size=4)
    for free, downloads in ((0, 6), (8 * 2 * 4 * 4 * 4, 3)):
        monkeypatch.setattr(memory, "free", free)
        ledger.clear()
        np.testing.assert_array_equal(trainer.predict(X, batch_size=4), whole)
        assert ledger.totals()["download"] == downloads


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"free": 100, "spare": 30, "used": 0, "limit": 0}, 130),
        ({"free": 100, "spare": 30, "used": 60, "limit": 150}, 90),
        ({"free": 100, "spare": 30, "used": 60, "limit": 50}, 0),
    ],
)
def test_free_memory_is_the_devices_and_the_pools(counted, monkeypatch, facts, expected):
    for name, value in facts.items():
        monkeypatch.setattr(memory, name, value)
    assert counted[0].free_memory() == expected


def test_data_take_a_share_of_the_free_memory(counted, monkeypatch):
    backend, ledger = counted
    trainer = Trainer(Sequential(GRU(4), Dense(4)))
    trainer.model.build((None, None, 3), seed=0, backend=backend)
    size = X.nbytes + LABELS.nbytes

    def uploads_of(free, **options):
        monkeypatch.setattr(memory, "free", free)
        ledger.clear()
        trainer.fit(X, LABELS, epochs=2, batch_size=2, shuffle=False, verbose=False, **options)
        return ledger.totals()["upload"]

    uploads_of(0)
    assert uploads_of(4 * size) == 2
    assert uploads_of(4 * size - 4) == 2 * 11
    validated = {"validation_data": (X, LABELS)}
    assert uploads_of(8 * size, **validated) == 4
    assert uploads_of(4 * size, **validated) == 2 + 2  # the validation data come an epoch, in one batch
