"""Several arrays as one: which go together, and the table that tells where they lie."""

import numpy as np
import pytest

from lamina.backends.cupy import segments


def arrays(device, *shapes, dtype="float64"):
    return [device.zeros(shape, dtype) for shape in shapes]


def test_neighbours_in_memory_are_one_segment(device):
    flat = device.zeros((30,), "float64")
    first, second, third, other = flat[:10], flat[10:25], flat[27:], device.zeros((4,), "float64")
    found = device.segments([first, second, third, other])
    assert found.total == 32
    assert found.parts == 1
    count, _ = segments._HEAD.unpack_from(found.table.tobytes())
    starts = [
        segments._SEGMENT.unpack_from(found.table.tobytes(), segments._HEAD.size + 24 * at)[2] for at in range(count)
    ]
    assert starts == [0, 25, 28]
    # A pair of arrays is one segment with the next where both are.
    beside = device.segments([first, second], [device.zeros((10,), "float64"), device.zeros((15,), "float64")])
    assert segments._HEAD.unpack_from(beside.table.tobytes())[0] == 2
    assert segments._HEAD.unpack_from(device.segments([first, second], [first, second]).table.tobytes())[0] == 1


@pytest.mark.parametrize("count", [segments._ROOM, segments._ROOM + 1])
def test_a_table_has_one_size_and_more_is_uploaded(counted, count):
    device, ledger = counted
    several = [device.zeros((2,), "float32") for _ in range(count)]
    ledger.clear()
    found = device.segments(several)
    assert found.table.nbytes == segments._HEAD.size + segments._ROOM * segments._SEGMENT.size < 4096
    assert (found.held is None) == (ledger.totals()["upload"] == 0) == (count <= segments._ROOM)


@pytest.mark.parametrize(
    ("make", "dense"),
    [
        (lambda device: arrays(device, (2, 3), (), (0,)), True),
        (lambda device: arrays(device, (2, 3), dtype="float32"), True),
        (lambda device: [device.zeros((2, 3), "float64").T], False),
        (lambda device: [device.zeros((6,), "float64")[::2]], False),
        (lambda device: arrays(device, (2,), dtype="float16"), False),
        (lambda device: arrays(device, (2,), dtype="int64"), False),
        (lambda device: [*arrays(device, (2,)), *arrays(device, (2,), dtype="float32")], False),
    ],
)
def test_arrays_that_kernels_take_together(device, make, dense):
    several = make(device)
    assert segments.dense(several) is dense
    assert (device.segments(several) is not None) is dense


def test_others_are_of_the_same_shapes(device):
    assert device.segments(arrays(device, (2, 3)), arrays(device, (2, 3))) is not None
    assert device.segments(arrays(device, (2, 3)), arrays(device, (3,))) is None


def test_arrays_that_share_memory_are_not_apart(device):
    flat = device.asarray(np.zeros(10))
    assert segments.apart([flat[:4], flat[4:], device.zeros((3,), "float32"), flat[3:3]])
    assert not segments.apart([flat[:5], flat[4:]])
    assert not segments.apart([flat, flat])
