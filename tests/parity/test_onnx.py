"""ONNX's node tests, which nobody here wrote: every case within reach is said with Lamina's parts, or why not.

Before the layers of arithmetic, slices, cells and attention to another sequence, 177 of these 622 could be said, by the
same ways of saying; now 539 can, 50 of them with a function or a cell of one's own. None gives another number.
"""

from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest

import lamina
import tests.parity.onnx_attention
import tests.parity.onnx_pointwise
import tests.parity.onnx_recurrent
import tests.parity.onnx_reductions
import tests.parity.onnx_shapes
import tests.parity.onnx_training  # noqa: F401 (each notes what it says)
from tests.parity.onnx_pointwise import FUNCTIONS
from tests.parity.onnx_said import OWN, SAYS, Unsaid

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(find_spec("onnx") is None, reason="ONNX is not installed: pip install -e '.[parity]'"),
]

# How many cases within reach are said: by parts alone, and with a `Lambda` or a `Cell` of one's own.
SAID, BY_OWN = 489, 50

# Every case that is not said, by reason.
UNSAID = {
    "a function of one's own on the scores": 5,
    "a diagonal": 1,
    "a lower bound above the upper one": 1,
    "a product of matrices that are both data, row by row": 4,
    "a running variance of the population: Lamina's is the sample's, as PyTorch's": 2,
    "a state of no steps as an output": 1,
    "a state that is a matrix": 13,
    "an axis of no elements": 14,
    "an exponent that is an array": 7,
    "ids that count from the end, or past it": 3,
    "peepholes: a Cell of one's own, in examples/peepholes.py": 1,
    "random numbers, drawn by NumPy's generator of old": 2,
    "scores through a tanh (softcap)": 11,
    "the mask of a dropout as an output": 5,
    "the products of queries and keys as an output, before the softmax": 10,
    "what stands past a row's end is kept: in Lamina it is 0": 2,
    "0 divided by 0 taken for 0": 1,
}


@pytest.fixture(scope="module")
def onnx_cases():
    import tests.parity.onnx_cases

    return tests.parity.onnx_cases


def compare(case, outputs):
    """Raise unless outputs, by place, are the case's."""
    for place, wanted in case.outputs.items():
        given = np.asarray(outputs[place])
        assert given.dtype == wanted.dtype, (case.name, place)
        assert given.shape == wanted.shape, (case.name, place)
        np.testing.assert_allclose(given, wanted, case.rtol, case.atol, err_msg=f"{case.name}, output {place}")


@pytest.fixture(scope="module", params=["numpy", "reference", "numba"])
def backend(request):
    if request.param == "numba":
        pytest.importorskip("numba", reason="Numba is not installed: pip install -e '.[numba]'")
    with lamina.use_backend(request.param):
        yield request.param


@pytest.fixture(scope="module")
def said(onnx_cases, backend):
    """How many cases of each operator are said, and how many are not, by reason; all that are said are right."""
    found, unsaid = Counter(), Counter()
    for case in onnx_cases.cases():
        try:
            outputs = SAYS[case.operator](*case.inputs, case=case)
        except Unsaid as reason:
            unsaid[str(reason)] += 1
            continue
        compare(case, outputs)
        found[case.operator] += 1
    return found, unsaid


def test_every_case_within_reach_is_right_or_not_said_for_a_reason(said, backend, note):
    found, unsaid = said
    own = sum(count for operator, count in found.items() if operator in OWN)
    total = sum(found.values())
    among = f"{total} of {total + sum(unsaid.values())} cases within reach are said"
    note(f"ONNX's node tests, on {backend}: {among}, {own} with a function of one's own; none is wrong")
    if backend == "numpy":
        for reason, count in sorted(unsaid.items(), key=lambda item: -item[1]):
            note(f"{count:>4} not: {reason}")
    assert unsaid == UNSAID
    assert (total - own, own) == (SAID, BY_OWN)


def test_every_operator_is_said_or_out_of_reach(onnx_cases):
    beyond = {name for names in onnx_cases.OUT_OF_REACH.values() for name in names.split()}
    within = {case.operator for case in onnx_cases.cases()}
    assert within <= set(SAYS)
    # Of these, no case is in float32 or float64 and over one axis of time.
    assert onnx_cases.operators() - within - beyond == set()
    assert beyond <= onnx_cases.operators()


@pytest.mark.parametrize("operator", ["Attention", "GRU", "LayerNormalization", "Softmax"])
def test_another_number_is_seen(onnx_cases, operator):
    case = next(case for case in onnx_cases.cases() if case.operator == operator)
    outputs = SAYS[operator](*case.inputs, case=case)
    compare(case, outputs)
    place = max(case.outputs)
    outputs[place] = outputs[place] + 0.01
    with pytest.raises(AssertionError, match=f"{case.name}, output {place}"):
        compare(case, outputs)


@pytest.mark.parametrize("operator", FUNCTIONS)
def test_functions_of_ones_own_have_their_derivatives(operator):
    function, derivative = FUNCTIONS[operator]
    layer = lamina.layers.Lambda(function, derivative=derivative)
    layer.build((None, 5), dtype="float64")
    x = np.linspace(0.2, 0.8, 5)[None] + (operator == "Acosh")
    assert lamina.testing.check_gradients(layer, x) < 1e-6
