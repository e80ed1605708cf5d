"""The process that names a rank that was killed."""

import os
import socket
import subprocess
import sys

import pytest

from lamina.distributed import watching

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="this system has no sockets without a file")
# A rank: connects, tells its number, and ends as it is told, or when it is killed.
RANK = """
import os, socket, sys
from lamina.distributed.watching import Watcher
watcher = Watcher(int(sys.argv[1]), [(int(sys.argv[2]), "here")] * 3, None)
print("here", flush=True)
if sys.stdin.readline():
    watcher.close()
"""


@pytest.fixture
def watched():
    """Return a watching process, and the three ranks that it watches."""
    at = watching.listening(0)
    several = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for rank in range(3)
    ]
    command = [sys.executable, watching.__file__, *(str(one.pid) for one in several)]
    watcher = subprocess.Popen(command, stdin=at, stderr=subprocess.PIPE)
    at.close()
    for one in several:
        assert one.stdout.readline() == b"here\n"
    yield watcher, several
    for one in several:
        one.kill()
        one.communicate()
    watcher.kill()
    watcher.communicate()


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_first_that_ends_without_a_word_is_named(watched, rank):
    watcher, several = watched
    several[rank].kill()
    told = watcher.stderr.read().decode()
    assert told == (
        f"lamina: rank {rank} of 3 (process {several[rank].pid}) ended without a word, as one does that is killed: "
        "all ranks end\n"
    )


def test_where_all_end_as_they_should_nothing_is_said(watched):
    watcher, several = watched
    for one in several:
        one.communicate(b"end\n", timeout=30)
    assert watcher.stderr.read() == b""
    assert watcher.wait(timeout=30) == 0


def test_one_that_says_a_word_does_not_hide_another_that_does_not(watched):
    watcher, several = watched
    several[0].communicate(b"end\n", timeout=30)
    several[2].kill()
    assert b"rank 2 of 3" in watcher.stderr.read()


def test_of_several_at_once_nothing_is_guessed():
    at = watching.listening(0)
    ends = []
    for rank in range(2):
        one = socket.socket(socket.AF_UNIX)
        one.connect(watching._name(os.getpid()))
        one.sendall(rank.to_bytes(4, "little"))
        ends.append(one)
    for one in ends:
        one.close()
    assert watching.watch(at, [1, 2]) == ""
    at.close()


def test_of_several_machines_none_is_started():
    at = watching.listening(0)
    watcher = watching.Watcher(0, [(os.getpid(), "a"), (os.getpid(), "b")], at)
    assert watcher._process is None and watcher._connection is None
    watcher.close()
    at.close()
    assert watching.listening(1) is None
