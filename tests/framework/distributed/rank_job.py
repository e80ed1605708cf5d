"""What tests run on several ranks: ``python -m tests.framework.distributed.rank_job WHAT``."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np

import lamina
from lamina.callbacks import Callback
from lamina.distributed.values import gather_values
from tests.framework.train.shared_runs import CLASSES, IDS, X, built, ways


def equal(communicator, backend, only=()):
    """Print, for each way of training, or some, how far ranks come from what one process does."""
    chosen = {name: run for name, run in ways(backend).items() if not only or name in only}
    for name, run in chosen.items():
        trainer, history = run(communicator)
        state = trainer.model.state_dict()
        every = gather_values(communicator, state)
        same = all(np.array_equal(one[key], state[key]) for one in every for key in state)
        if communicator.rank == 0:
            alone, its_history = run()
            worst = max(np.abs(array - alone.model.state_dict()[key]).max(initial=0) for key, array in state.items())
            loss = np.abs(np.array(history["loss"]) - its_history["loss"]).max()
            print(f"{name:28} weights {worst:.1e} loss {loss:.1e} {'same bits' if same else 'OTHER BITS'}", flush=True)


class Ends(Callback):
    """Ends this rank in some way, in the middle of the second epoch."""

    def __init__(self, how, rank):
        self._how, self._rank = how, rank

    def on_step_end(self, trainer, epoch, step, loss):
        if (epoch, step) != (2, 2) or self._rank != 1:
            return
        if self._how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._how == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if self._how == "hang":
            time.sleep(1000)
        if self._how == "raise":
            raise ValueError("of its own")


def kept(communicator, folder, how="none"):
    """Train with checkpoints, and end in some way; print what it came to."""
    trainer, settings = run_of(communicator, Ends(how, communicator.rank))
    history = trainer.fit(X, CLASSES, verbose=True, checkpoint=folder, **settings)
    told(communicator, trainer, history)


def run_of(communicator, *callbacks):
    """Return a trainer, and the settings of its run."""
    model = built(lamina.Sequential(lamina.layers.LSTM(5), lamina.layers.Dropout(0.3), lamina.layers.Dense(4)))
    trainer = lamina.Trainer(
        model, optimizer="adam", metrics="accuracy", callbacks=callbacks, communicator=communicator
    )
    return trainer, {"epochs": 3, "batch_size": 8, "every": 1}


def told(communicator, trainer, history):
    """Print what a run came to, on rank 0."""
    if communicator.rank == 0:
        weights = sum(float(np.abs(one).sum()) for one in trainer.model.state_dict().values())
        print(f"came to {weights!r} {history['loss'][-1]!r} {history['accuracy'][-1]!r}", flush=True)


def sent(communicator):
    """Print how many bytes a step sends, beside those of the gradients."""
    for name, model, x, rows in (
        ("recurrent", built(lamina.Sequential(lamina.layers.LSTM(40), lamina.layers.Dense(4)), dtype="float32"), X, 0),
        (
            "embedding",
            built(
                lamina.Sequential(lamina.layers.Embedding(50_000, 8), lamina.layers.GRU(8), lamina.layers.Dense(4)),
                dtype="float32",
                shape=(None, None),
            ),
            IDS,
            50_000,
        ),
    ):
        counts = []

        class Counts(Callback):
            def on_step_end(self, trainer, epoch, step, loss, counts=counts):
                counts.append(communicator.sent)

        trainer = lamina.Trainer(model, callbacks=[Counts()], communicator=communicator)
        trainer.fit(x, CLASSES, epochs=1, batch_size=8, verbose=False)
        if communicator.rank == 0:
            gradients = sum(one.size for one in model.parameters() if one.trainable) * 4
            dense = gradients - rows * 8 * 4
            print(f"{name}: {counts[1] - counts[0]} bytes, gradients {gradients}, but the table {dense}", flush=True)


def plain(communicator):
    """Use the communicator as it is."""
    numbers = np.arange(5.0) + communicator.rank
    communicator.allreduce(numbers)
    largest = np.array([communicator.rank], np.int64)
    communicator.allreduce(largest, "max")
    root = np.array([communicator.rank], np.int64)
    communicator.broadcast(root, 1)
    communicator.barrier()
    pending = lamina.distributed.mpi().start(np.ones(3, np.uint8))  # another of the same ranks
    pending.advance()
    pending.wait()
    print(f"rank {communicator.rank} {numbers.tolist()} {largest[0]} {root[0]} {communicator!r}", flush=True)


def main():
    """Run what is asked for."""
    what, *arguments = sys.argv[1:]
    communicator = lamina.distributed.mpi(float(os.environ.get("TIMEOUT", "50")))
    globals()[what](communicator, *arguments)


if __name__ == "__main__":
    main()
