"""What compiled updates take, and what they refuse."""

import inspect

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import numba

from lamina.backends import Backend
from lamina.backends.numba.engine.forms.every import find_form
from lamina.backends.numba.engine.forms.update import arrays_of, update_at
from lamina.backends.numba.engine.room import Room, address_of_array
from lamina.backends.program import Program, Update

KERNELS = ["sgd", "adagrad", "adadelta", "rmsprop", "lion", "adam", "nadam", "radam", "adamax"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_form_takes_what_the_kernel_takes(kernel):
    form = find_form(f"{kernel}_update")
    taken = inspect.signature(getattr(Backend, f"{kernel}_update")).parameters.values()
    by_name = [one for one in taken if one.kind is one.KEYWORD_ONLY]
    assert {one.name for one in by_name} == set(form.layout())
    # What need not be given is 0 if it is not.
    needed = {one.name for one in by_name if one.default is one.empty}
    assert needed == {name.partition(":")[0] for name in form.needs.split()}
    assert not any(one.default for one in by_name if one.default is not one.empty)
    arrays = [one for one in taken if one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self"]
    assert len(arrays) <= 5


def test_every_setting_has_a_place_of_its_own():
    for kernel in KERNELS:
        places = find_form(f"{kernel}_update").layout()
        numbers = [list(range(12))[place] for place in places.values()]
        flat = [one for number in numbers for one in (number if isinstance(number, list) else [number])]
        assert sorted(flat) == list(range(len(flat)))


def test_what_is_refused_is_said():
    form = find_form("adagrad_update")
    one, names = np.zeros(6, np.float32), ("lr", "epsilon")
    assert form.refuses(Update("adagrad_update", (one, one, one), names), "float32") == ""
    assert form.refuses(Update("adagrad_update", (one, one, None), (*names, "weight_decay")), "float32") == ""
    for update, reason in (
        (Update("adagrad_update", (one, one, one), ("lr",)), "without epsilon"),
        (Update("adagrad_update", (one, one, one), (*names, "betas")), "with betas"),
        (Update("adagrad_update", (one, one[::2], one), names), "over arrays that do not lie as one"),
        (Update("adagrad_update", (one, one, one.astype(float)), names), "over arrays that do not lie as one"),
        (Update("adagrad_update", (one, one, one[:3]), names), "over arrays of unlike sizes"),
    ):
        assert form.refuses(update, "float32") == reason


@numba.njit
def begins(address):
    arrays = arrays_of(update_at(address), np.float32)
    return [array.ctypes.data for array in arrays]


@pytest.mark.parametrize("states", range(4))
def test_a_state_that_is_not_there_lies_where_memory_is(states):
    # Of one at address 0 a vectorized loop loads nothing, and that very slowly: 60 times as long as all the rest.
    arrays = [np.zeros(3, np.float32) for _ in range(2 + states)]
    form = find_form("adam_update")(Update("adam_update", tuple(arrays), ()), Room(Program("float32", 1, 1), 1, {}))
    places = [address_of_array(array) for array in arrays]
    assert begins(address_of_array(form.record)) == places + places[:1] * (3 - states)
