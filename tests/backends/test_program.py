"""Programs: values, frames, and what a backend says that plans none."""

import pytest

import lamina
from lamina.backends.program import Frame, Program


def test_values_have_numbers_of_their_own():
    program = Program("float32", 4, 5)
    values = [program.value(3), program.value(3), program.value(3, 0), program.value(1, 0, integers=True)]
    assert [value.index for value in values] == [0, 1, 2, 3]
    assert len(set(values)) == 4


def test_a_derived_frame_is_made_once():
    program = Program("float32", 4, 5)
    program.frames.append(Frame(5, None, {}))
    first = program.derive(0, 3, before=0, size=3, stride=1)
    assert first == program.derive(0, 3, before=0, size=3, stride=1) == 1
    assert program.derive(0, 2, before=0, size=3, stride=2) == 2
    assert program.frames[2] == Frame(2, 0, {"before": 0, "size": 3, "stride": 2})


@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_a_backend_that_plans_nothing_says_so(name):
    backend = lamina.get_backend(name)
    program = Program("float32", 4, 5)
    assert backend.plan(program) is None
    assert backend.why_not_planned(program) == f"backend {name!r} plans no steps"
    assert not backend.plans_steps
