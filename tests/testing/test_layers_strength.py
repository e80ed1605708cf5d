"""`check_layer`, more of what its checks must see: each found by a mutant of one that no other test noticed."""

import pytest

import lamina
from lamina import Parameter
from lamina.errors import ShapeError
from lamina.testing import LayerCheckError, check_layer
from lamina.testing.proofs.trial import Trial


class Scale(lamina.Layer):
    def build(self, shape):
        self.factor = Parameter(shape[-1:], "ones")
        return shape

    def forward(self, x):
        return x * self.factor.data, x

    def backward(self, dy, x):
        self.factor.grad += (dy * x).sum(axis=(0, 1))
        return dy * self.factor.data


def test_what_all_checks_compare_with_cannot_be_written_into():
    trial = Trial(Scale(), [(3, 4, 2)], lengths=True)
    for lengths in (None, trial.lengths):
        arrays = trial.expected(lengths).named()
        assert len(arrays) == 3  # y, dx and the factor's gradient
        assert not any(array.flags.writeable for array in arrays.values())


class ByPlace(lamina.Layer):
    """A weight for each step."""

    def build(self, shape):
        if shape[1] is None:
            raise ShapeError("ByPlace: expected a fixed time axis")
        self.w = Parameter(shape[1:], "normal")
        return shape

    def forward(self, x, lengths=None):
        if x.shape[1:] != self.w.shape:
            raise ShapeError("ByPlace: expected all steps")
        return x * self.w.data, x

    def backward(self, dy, x):
        self.w.grad += (dy * x).sum(axis=0)
        return dy * self.w.data


def test_what_needs_a_fixed_time_is_not_cut_and_does_not_stream():
    report = check_layer(ByPlace(), (4, 5, 3), ignores_padding=False)
    details = {check.name: check.detail for check in report.checks if check.passed}
    assert details["row alone"] == details["streaming"] == "needs a fixed time axis"


class PicklesOthers(Scale):
    """A copy of it has its weights, and a pickled one has those of a new one."""

    def __deepcopy__(self, memo):
        if not self.is_built:
            return PicklesOthers()
        made = anew()
        made.load_state_dict(self.state_dict())
        return made

    def __reduce__(self):
        return anew, ()


def anew():
    layer = PicklesOthers()
    layer.build((None, 5, 3), dtype="float64", seed=0)
    return layer


def test_a_pickled_layer_of_other_weights_is_caught():
    with pytest.raises(LayerCheckError, match=r"copies: output 0 of the pickle: expected the same bits"):
        check_layer(PicklesOthers(), (4, 5, 3))
