"""Metrics and the names of losses against PyTorch's functions, rows of NaN and infinity among them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.metrics import F1, Accuracy, ConfusionMatrix, Perplexity, Precision, Recall, TopKAccuracy

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

VALUES = [math.nan, math.inf, -math.inf, 0.0, 1.0, 2.0]
# Every row of three such logits, with every label.
ROWS = np.array([row for row in itertools.product(VALUES, repeat=3) for _ in range(3)])
LABELS = np.array([0, 1, 2] * (len(ROWS) // 3))
SOUND = torch.softmax(torch.tensor(ROWS), dim=-1).isfinite().all(dim=-1).numpy()


def test_a_row_is_a_miss_just_where_the_softmax_is_no_number() -> None:
    hits = np.array([Accuracy()(row[None], [label]) for row, label in zip(ROWS, LABELS, strict=True)]) == 1
    wanted = SOUND & (ROWS.argmax(axis=-1) == LABELS)
    np.testing.assert_array_equal(hits, wanted)
    assert Accuracy()(ROWS, LABELS) == pytest.approx(wanted.mean(), rel=1e-15)
    matrix = ConfusionMatrix()(ROWS, LABELS)
    assert (np.trace(matrix), matrix[:, 3].sum(), matrix.sum()) == (wanted.sum(), (~SOUND).sum(), len(ROWS))
    for cls in (Precision, Recall, F1):
        assert cls("micro")(ROWS, LABELS) == pytest.approx(wanted.mean(), rel=1e-15)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_hits_sound_rows_alone(k: int) -> None:
    found = np.array([TopKAccuracy(k)(row[None], [label]) for row, label in zip(ROWS, LABELS, strict=True)]) == 1
    order = np.argsort(-ROWS, axis=-1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found, SOUND & (order == LABELS[:, None]).any(axis=-1))


def test_perplexity_is_a_number_just_where_the_cross_entropy_is() -> None:
    entropy = torch.nn.functional.cross_entropy(torch.tensor(ROWS), torch.tensor(LABELS), reduction="none").numpy()
    found = np.array([Perplexity()(row[None], [label]) for row, label in zip(ROWS, LABELS, strict=True)])
    np.testing.assert_allclose(found, np.exp(entropy), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "function", "kind"),
    [
        ("mse", "mse_loss", "numbers"),
        ("mae", "l1_loss", "numbers"),
        ("l1_loss", "l1_loss", "numbers"),
        ("huber_loss", "huber_loss", "numbers"),
        ("smooth_l1_loss", "smooth_l1_loss", "numbers"),
        ("cross_entropy", "cross_entropy", "labels"),
        ("categorical_crossentropy", "cross_entropy", "probabilities"),
        ("sparse_categorical_crossentropy", "cross_entropy", "labels"),
        ("nll", "nll_loss", "labels"),
        ("nll_loss", "nll_loss", "labels"),
        ("bce", "binary_cross_entropy_with_logits", "probabilities"),
        ("binary_crossentropy", "binary_cross_entropy_with_logits", "probabilities"),
    ],
)
def test_a_loss_by_the_name_of_another_library_is_that_loss(name: str, function: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    prediction: Any = rng.standard_normal((20, 5)) * 2
    target: Any = {
        "numbers": rng.standard_normal((20, 5)) * 2,
        "labels": rng.integers(0, 5, 20),
        "probabilities": rng.dirichlet(np.ones(5), 20),
    }[kind]
    expected = getattr(torch.nn.functional, function)(torch.tensor(prediction), torch.tensor(target)).item()
    assert lamina.Loss.registry.create(name)(prediction, target) == pytest.approx(expected, rel=1e-12)
