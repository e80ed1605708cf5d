"""Lamina's Trainer, beside the same steps written out."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina
from benchmarks.cpu.contestants import ours
from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import RATE, Loop
from lamina.optimizers import SGD

__all__ = ["loop", "start"]

start = ours.start


def loop(work: Loop) -> Prepared:
    """Return an epoch of `lamina.Trainer`, without a metric; it plans its steps where the backend does."""
    x, y = work.data()
    model = ours.model_for(work)
    trainer = lamina.Trainer(model, optimizer=SGD(model.parameters(), lr=RATE))

    def fit(shuffle: bool = True) -> lamina.History:
        return trainer.fit(x, y, epochs=1, batch_size=work.batch, shuffle=shuffle, verbose=False)

    def results() -> dict[str, Any]:
        return {"loss": np.array(fit(shuffle=False)["loss"][0])}

    return Prepared(fit, results, work.steps)
