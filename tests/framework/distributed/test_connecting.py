"""Communicators by name."""

import sys

import pytest

from lamina.distributed import available_communicators, connect, connecting, mpi
from lamina.errors import DistributedError, MissingPackageError, UnknownNameError
from tests.framework.distributed.test_communicator import Doubling


class _Point:
    def __init__(self, found):
        self._found = found

    def load(self):
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


@pytest.fixture
def plug_in(monkeypatch):
    """Return what makes something known by a name, as another package does."""

    def known(**found):
        monkeypatch.setattr(connecting, "_plug_ins", lambda: {name: _Point(one) for name, one in found.items()})

    return known


def test_another_package_s_is_found_by_its_name(plug_in):
    plug_in(doubling=Doubling)
    assert "doubling" in available_communicators()
    assert {"mpi", "nccl"} <= set(available_communicators())
    assert isinstance(connect("doubling"), Doubling)


def test_one_that_is_given_is_returned():
    one = Doubling()
    assert connect(one) is one


def test_a_name_that_is_not_known_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown communicator 'mpy'.*mpi"):
        connect("mpy")


def test_what_is_no_communicator_is_refused(plug_in):
    plug_in(odd=dict, broken=ImportError("no libodd"))
    with pytest.raises(DistributedError, match=r"'odd': expected a lamina.distributed.Communicator, got dict"):
        connect("odd")
    with pytest.raises(DistributedError, match=r"'broken': its package cannot be imported \(no libodd\)"):
        connect("broken")


def test_without_its_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingPackageError, match=r"pip install -e '\.\[mpi\]'"):
        mpi()
