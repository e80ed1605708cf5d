"""Evaluating, predicting and classifying."""

from __future__ import annotations

from typing import Any

from lamina.train.measuring import Measuring


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Measuring.evaluate) == {
        "y": None,
        "lengths": None,
        "sample_weight": None,
        "mask": None,
        "class_weight": None,
        "batch_size": None,
    }
    assert defaults(Measuring.predict) == {"lengths": None, "batch_size": None}
