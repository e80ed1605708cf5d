"""Ranks on the CuPy backend, over NCCL and through the host.

Without a GPU: over stand-ins for CuPy, and for NCCL with MPI beneath.
"""

import re

import pytest

from tests.framework.distributed.launching import launch, require_mpi
from tests.framework.distributed.nccl_job import WAYS
from tests.stand_in.raw import COMPILER

JOB = "tests.framework.distributed.nccl_job"


@pytest.fixture(autouse=True)
def _mpi():
    require_mpi()
    if COMPILER is None:
        pytest.skip("the stand-in runs CUDA's kernels with a C++ compiler, and this machine has none")


@pytest.mark.parametrize("engine", ["nccl", "mpi"])
def test_ranks_on_devices_come_to_what_one_process_does(engine):
    process = launch(2, JOB, "2", engine)
    assert process.returncode == 0, process.stderr
    found = re.findall(r"weights (\S+) loss (\S+) same bits", process.stdout)
    assert len(found) == len(WAYS)
    assert all(float(weights) < 1e-9 and float(loss) < 1e-9 for weights, loss in found)
    told = re.findall(r"rank (\d) on device \[(\d)\], (\d+) calls", process.stdout)
    # Through the host NCCL is not asked at all.
    assert [(rank, device) for rank, device, _ in sorted(told)] == (
        [("0", "0"), ("1", "1")] if engine == "nccl" else []
    )
    assert all(int(calls) > 100 for *_, calls in told)


def test_fewer_devices_than_ranks_are_refused():
    process = launch(2, JOB, "1", "nccl")
    assert re.search(r"BackendError: nccl: expected a GPU for each of 2 ranks on \S+, found 1", process.stderr)
