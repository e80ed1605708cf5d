"""Checkpoints: what a training run needs to go on after its process has died, in files that are whole or not there.

`Trainer.fit` with ``checkpoint="runs/x"``, and ``lamina train --checkpoint``, keep a run in a folder:

- ``checkpoint-000000120.safetensors``: all of it after 120 steps, and the one before; nothing in it is ever unpickled.
- ``best.safetensors``: the model of the epoch with the lowest loss, of the validation data where there are some, as
  `lamina.load` reads it.
- ``.lock``: held by the system as long as the run lives, so that two runs cannot write to one folder.

The same call made again goes on from the latest one that is sound, and comes to what it would have come to: the same
bits on the same backend with as many threads. A run is known by its model, data (by a hash), loss, metrics,
optimizer, callbacks and settings, and another one is refused by the name of what differs. Kept are parameters and which
are frozen, where random layers are, the optimizer, callbacks and metrics by their ``state_dict``, the history, the
order of the rows and the place in it, states between chunks, and the sums of the running epoch. A checkpoint falls
between two steps: Ctrl-C, and SIGTERM, let a step of several batches end first.
"""
