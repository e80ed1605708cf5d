"""Every loss, in every case of the registry, on every backend."""

import numpy as np
import pytest

from lamina.losses import SoftmaxCrossEntropy
from lamina.testing.cases import loss_cases

CASES = loss_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_loss(case, backend, sound):
    report = sound(case, backend)
    assert set(report.skipped) <= {"generic kernel"}, report
    assert report.worst_error < 1e-6


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_an_ignored_label_hides_what_stands_there(value):
    logits, labels = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, -1, 2, -1])
    loss = SoftmaxCrossEntropy(ignore_index=-1)
    expected, expected_saved = loss.forward(logits, labels)
    garbage = np.where((labels == -1)[:, None], value, logits)
    got, saved = loss.forward(garbage, labels)
    gradient = loss.backward(saved)
    assert got == expected
    assert not gradient[labels == -1].any()
    np.testing.assert_array_equal(gradient, loss.backward(expected_saved))
