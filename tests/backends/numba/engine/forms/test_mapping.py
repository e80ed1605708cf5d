"""What forms of one input share."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.forms.rectifiers import RectifierForm
from lamina.backends.numba.engine.room import Room
from lamina.backends.program import Call, Frame, Program
from tests.backends.numba.engine.programs import run_kernel


def test_what_has_no_wanted_gradient_runs_forward_alone():
    program = Program("float64", 3, 1)
    program.frames.append(Frame(1, None, {}))
    x, y = program.value(2), program.value(2)
    call = Call("tanh", (x,), (y,), {}, {})
    program.calls.append(call)
    form = RectifierForm(call, Room(program, 3, {}))
    assert len(form.forward()) == 1
    assert form.backward() == []


def test_a_gradient_that_comes_goes_on():
    passed = run_kernel("tanh", np.array([[0.5, -0.25]]))
    np.testing.assert_allclose(passed.dx, passed.dy * (1 - np.tanh([[0.5, -0.25]]) ** 2), rtol=1e-12)
