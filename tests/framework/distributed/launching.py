"""Starting ranks with MPI's own launcher."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# What runs as root, on fewer processors than ranks, in a container: for OpenMPI; MPICH asks nothing.
_ALLOWED = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def require_mpi():
    """Skip where there is no mpi4py, or no launcher; return the launcher."""
    pytest.importorskip("mpi4py", reason="the mpi extra is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    launcher = shutil.which("mpiexec", path=path)
    if launcher is None:
        pytest.skip("there is no mpiexec")
    return launcher


def launch(ranks, *arguments, before=(), timeout=120, **environment):
    """Run a module on some ranks; return the process, with what it printed."""
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    given = {**os.environ, **_ALLOWED, "PYTHONPATH": python_path, **environment}
    command = [require_mpi(), *before, "-n", str(ranks), sys.executable, "-m", *arguments]
    return subprocess.run(command, env=given, cwd=ROOT, timeout=timeout, capture_output=True, text=True)
