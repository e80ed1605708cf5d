"""The process that names a rank that was killed."""

import os
import subprocess
import sys

import pytest

from lamina.distributed import watching

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system cannot watch processes")


@pytest.fixture
def sleepers():
    several = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(3)]
    yield several
    for one in several:
        one.kill()
        one.wait()
        one.stdin.close()


def started(sleepers):
    command = [sys.executable, watching.__file__, *(str(one.pid) for one in sleepers)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_first_that_ends_is_named(sleepers):
    watcher = started(sleepers)
    sleepers[1].kill()
    told = watcher.stderr.read().decode()
    watcher.stdin.close()
    watcher.wait(timeout=30)
    watcher.stderr.close()
    assert told == (
        f"lamina: rank 1 of 3 (process {sleepers[1].pid}) ended without a word, as one does that is killed: "
        "all ranks end\n"
    )


def test_where_all_end_as_they_should_nothing_is_said(sleepers):
    watcher = started(sleepers)
    assert watcher.communicate(watching._ORDERLY, timeout=30)[1] == b""
    assert watcher.returncode == 0


def test_rank_0_itself_is_named_where_it_ends_without_a_word(sleepers):
    watcher = started(sleepers)
    assert b"rank 0 of 3" in watcher.communicate(b"", timeout=30)[1]  # its end of the pipe closes with it


def test_one_that_is_gone_already_is_named(sleepers):
    sleepers[2].kill()
    sleepers[2].wait()
    assert watching.watch([one.pid for one in sleepers]) == watching._told(2, [one.pid for one in sleepers])


@pytest.mark.parametrize(("rank", "hosts"), [(1, "aa"), (0, "ab")], ids=["not rank 0", "several machines"])
def test_elsewhere_none_is_started(rank, hosts):
    watcher = watching.Watcher(rank, [(os.getpid(), host) for host in hosts])
    assert watcher._process is None
    watcher.close()


def test_rank_0_ends_its_watcher():
    watcher = watching.Watcher(0, [(os.getpid(), "here")])
    process = watcher._process
    watcher.close()
    assert process.returncode == 0
