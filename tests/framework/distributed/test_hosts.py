"""Ranks on three hosts: network namespaces of this machine, joined by a bridge, where it allows such."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.framework.distributed.launching import launch, require_mpi
from tests.framework.distributed.test_over_mpi import JOB

HOSTS = ["10.77.0.1", "10.77.0.2", "10.77.0.3"]
# MPI's launcher starts what it needs on a host by a command such as ssh: this one goes into the namespace instead.
SHELL = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
exec ip netns exec "lamina-${host##*.}" sh -c "$*"
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def hosts():
    """Make three hosts, and the one from which MPI's launcher reaches them."""
    require_mpi()
    if sys.platform != "linux" or shutil.which("ip") is None or os.geteuid():
        pytest.skip("no network namespaces can be made here")
    made = []
    try:
        ip("link", "add", "lamina-bridge", "type", "bridge")
        made.append(("link", "del", "lamina-bridge"))
        ip("addr", "add", "10.77.0.254/24", "dev", "lamina-bridge")
        ip("link", "set", "lamina-bridge", "up")
        for host in HOSTS:
            number = host.rpartition(".")[2]
            name, here, there = f"lamina-{number}", f"lamina-h{number}", f"lamina-n{number}"
            ip("netns", "add", name)
            made.append(("netns", "del", name))
            ip("link", "add", here, "type", "veth", "peer", "name", there)
            made.append(("link", "del", here))
            ip("link", "set", here, "master", "lamina-bridge", "up")
            ip("link", "set", there, "netns", name)
            inside = ("netns", "exec", name, "ip")
            ip(*inside, "addr", "add", f"{host}/24", "dev", there)
            ip(*inside, "link", "set", there, "up")
            ip(*inside, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        remove(made)
        pytest.skip(f"no network namespaces can be made here: {getattr(error, 'stderr', error)}")
    yield HOSTS
    remove(made)


def remove(made):
    for words in reversed(made):
        subprocess.run(["ip", *words], check=False, capture_output=True, timeout=30)


def launched(hosts, tmp_path, *arguments, **environment):
    shell = tmp_path / "into_host"
    shell.write_text(SHELL)
    shell.chmod(shell.stat().st_mode | stat.S_IXUSR)
    # Each namespace is a host of its own for MPI too: what would pass by memory goes over the network.
    before = ["-launcher", "ssh", "-launcher-exec", str(shell), "-hosts", ",".join(hosts), "-iface", "lamina-bridge"]
    given = {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp", "FI_PROVIDER": "tcp", **environment}
    return launch(len(hosts), *arguments, before=before, timeout=180, **given)


def received():
    """Return how many bytes came over each host's cable."""
    names = [f"/sys/class/net/lamina-h{host.rpartition('.')[2]}/statistics/rx_bytes" for host in HOSTS]
    return [int(Path(name).read_text()) for name in names]


def test_three_hosts_come_to_what_one_process_does(hosts, tmp_path):
    before = received()
    process = launched(hosts, tmp_path, JOB, "equal", "numpy")
    assert process.returncode == 0, process.stderr
    assert all(after - there > 100_000 for after, there in zip(received(), before, strict=True))
    print(process.stdout)
    lines = process.stdout.splitlines()
    assert len(lines) >= 20
    assert all(line.endswith("same bits") for line in lines)
    assert all(float(line.split()[-5]) < 1e-9 and float(line.split()[-3]) < 1e-9 for line in lines)


def test_a_host_that_dies_ends_all_and_the_run_goes_on(hosts, tmp_path):
    process = launched(hosts, tmp_path, JOB, "kept", str(tmp_path / "kept"), "kill", TIMEOUT="5")
    assert process.returncode != 0
    told = process.stdout + process.stderr
    assert "10.77.0.2" in told or "rank 1 of 3" in told
    again = launched(hosts, tmp_path, JOB, "kept", str(tmp_path / "kept"))
    assert "goes on from step" in again.stdout
    assert "came to" in again.stdout
