"""Values from rank to rank."""

import numpy as np
import pytest

from lamina.distributed.values import broadcast_value, gather_values
from lamina.errors import CheckpointError
from lamina.testing.ranks import run_ranks

VALUES = [
    None,
    3,
    float("nan"),
    "Zürich\n",
    {"a": [1, (2.5, None)], 7: np.arange(6.0).reshape(2, 3)},
    (np.zeros((0, 4), "float32"), np.array(["x", "yz"]), np.float32(2)),
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_all_ranks_get_the_root_s(value):
    def run(communicator):
        return broadcast_value(communicator, value if communicator.rank == 1 else "another", root=1)

    for found in run_ranks(3, run):
        assert type(found) is type(value)
        assert repr(found) == repr(value)


def test_all_ranks_get_all_in_order():
    def run(communicator):
        return gather_values(communicator, [communicator.rank] * communicator.rank)

    assert run_ranks(3, run) == [[[], [1], [2, 2]]] * 3


def test_what_no_file_can_hold_is_refused_and_nobody_waits_for_ever():
    with pytest.raises(CheckpointError, match="cannot hold what is a object"):
        run_ranks(2, lambda communicator: broadcast_value(communicator, object()))
