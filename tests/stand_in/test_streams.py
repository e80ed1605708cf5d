"""What is copied beside the computing comes late here, so that whoever does not wait for it gets wrong values."""

import inspect

import numpy as np
import pytest

from tests.stand_in import cupy, ledger
from tests.stand_in.base import FACTS
from tests.stand_in.make_signatures import plain
from tests.stand_in.streams import HazardError

VALUES = np.arange(4.0)


@pytest.fixture
def stream():
    return cupy.cuda.Stream(non_blocking=True)


def pinned(values=VALUES):
    memory = cupy.cuda.alloc_pinned_memory(values.nbytes)
    host = np.frombuffer(memory, values.dtype, values.size)
    host[...] = values
    return host


def sent(stream, host):
    """Return an array on its way, and the event after which it is there."""
    now, done = cupy.cuda.Event(), cupy.cuda.Event()
    now.record(cupy.cuda.get_current_stream())
    stream.wait_event(now)
    with stream:
        array = cupy.empty(host.shape, host.dtype)
    array.set(host, stream=stream)
    done.record(stream)
    return array, done


def test_what_nobody_waits_for_is_not_there(stream):
    array, done = sent(stream, pinned())
    assert not done.done
    assert not stream.done
    assert np.isnan((array + 0).get()).all()
    cupy.cuda.get_current_stream().wait_event(done)
    assert done.done
    assert stream.done
    np.testing.assert_array_equal((array + 0).get(), VALUES)


@pytest.mark.parametrize("wait", ["event", "stream"])
def test_the_host_may_wait(stream, wait):
    array, done = sent(stream, pinned())
    ledger.clear()
    (done if wait == "event" else stream).synchronize()
    assert ledger.totals()["wait"] == 1
    np.testing.assert_array_equal(array.get(), VALUES)
    ledger.clear()
    done.synchronize()  # at once: nothing is left to be waited for
    assert ledger.totals()["wait"] == 0


def test_pinned_memory_that_is_written_too_early_is_what_comes(stream):
    host = pinned()
    array, done = sent(stream, host)
    host[...] = -1
    cupy.cuda.get_current_stream().wait_event(done)
    assert array.get().tolist() == [-1] * 4


def test_an_event_waits_for_what_was_asked_before_it_alone(stream):
    first, done = sent(stream, pinned())
    second, _ = sent(stream, pinned(VALUES + 4))
    cupy.cuda.get_current_stream().wait_event(done)
    np.testing.assert_array_equal(first.get(), VALUES)
    assert np.isnan(second.get()).all()


def test_a_stream_may_wait_for_another(stream):
    array, done = sent(stream, pinned())
    other = cupy.cuda.Stream(non_blocking=True)
    other.wait_event(done)
    other.synchronize()
    np.testing.assert_array_equal(array.get(), VALUES)


def test_a_copy_that_may_overtake_what_reads_its_memory_is_an_error(stream):
    array, done = sent(stream, pinned())
    cupy.cuda.get_current_stream().wait_event(done)
    _ = array + 1
    del array  # its memory may be the next array's
    with stream:
        following = cupy.empty(4)
    with pytest.raises(HazardError):
        following.set(pinned(), stream=stream)
    made_here = cupy.empty(4)  # of memory that the current stream may be reading still
    with pytest.raises(HazardError):
        made_here.set(pinned(), stream=stream)
    sent(stream, pinned())


def test_memory_that_is_not_pinned_is_waited_for(stream):
    array = cupy.empty(4)
    ledger.clear()
    array.set(VALUES, stream=stream)
    assert {kind: times for kind, times in ledger.totals().items() if times} == {"upload": 1, "wait": 1}
    np.testing.assert_array_equal(array.get(), VALUES)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (VALUES[:2], ValueError, "Shape mismatch"),
        (VALUES.astype("float32"), TypeError, "cannot be set to"),
        ([0.0] * 4, TypeError, "Only numpy.ndarray can be set"),
    ],
)
def test_what_cannot_be_set(values, error, message):
    with pytest.raises(error, match=message):
        cupy.empty(4).set(values)


@pytest.mark.parametrize("name", ["Stream", "Event", "MemoryPool"])
def test_classes_take_what_cupys_take(name):
    facts, own = FACTS["classes"][name], getattr(cupy.cuda, name)
    if name != "MemoryPool":
        assert plain(inspect.signature(own)) == facts[""]
    methods = {key: one for key, one in vars(own).items() if inspect.isfunction(one) and key[0] != "_"}
    # Those of the stand-in's own are not CuPy's.
    written = {key: one for key, one in methods.items() if key not in ("own", "copy", "land")}
    assert len(written) > 1
    for key, one in written.items():
        assert plain(inspect.signature(one)).replace("(self, ", "(").replace("(self)", "()") == facts[key], key
    assert set(vars(cupy.cuda)) - set(FACTS["cuda"]) == set()
