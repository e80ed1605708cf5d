"""Training on several processes at once: data-parallel, on engines that people already run.

Each process, a *rank*, has the whole model and takes its share of the rows of every batch; the gradients are added up,
and every rank takes the same step. Nothing of Lamina's own carries a message: MPI does for arrays of the host, and NCCL
for those of NVIDIA GPUs. A script is started once on each rank, by MPI's own launcher::

    mpiexec -n 4 python train.py
    mpiexec -n 4 lamina train digits --distributed

and hands the ranks' `Communicator` to its trainer::

    trainer = lamina.Trainer(model, communicator=lamina.distributed.mpi())

What that comes to is what one process does with the same ``batch_size``, which counts the rows of all ranks together,
but for rounding, and always the same bits for the same number of ranks. Every rank is given the same data and the same
settings, and gets the same history; only rank 0 writes files and shows progress.

Another engine is one class in one file: a `Communicator`, made known by an entry point in the group
``lamina.communicators``; then `connect` finds it by its name.
"""

from lamina.distributed.communicator import Communicator, Pending
from lamina.distributed.connecting import available_communicators, connect, mpi, nccl

__all__ = ["Communicator", "Pending", "available_communicators", "connect", "mpi", "nccl"]
