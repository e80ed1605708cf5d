"""The compiled sLSTM where its gates and states lie far from 0; elsewhere it is proven with the other recurrences."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from tests.backends.slstm_extremes import FORGET, LENGTHS, PUSHES, STATES, hold


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("forget", FORGET)
@pytest.mark.parametrize("states", STATES)
@pytest.mark.parametrize("pushes", PUSHES)
def test_gates_and_states_far_from_0(pushes: str, states: str, forget: str, dtype: str) -> None:
    for lengths in LENGTHS:
        for reverse in (False, True):
            hold("numba", dtype, pushes, states, lengths, forget, reverse)
