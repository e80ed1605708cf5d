"""Which layers are cells inside recurrent ones."""

from lamina import Recurrent, Sequential
from lamina.inspect.cells import cell_paths
from lamina.layers import Dense, SimpleRNN
from lamina.testing.cases.examples import LeakyPair


def test_cells_are_found() -> None:
    assert cell_paths(Sequential(Dense(2), Recurrent(LeakyPair(2)))) == {"1.cell"}
    assert cell_paths(Recurrent(LeakyPair(2))) == {"cell"}
    assert cell_paths(Sequential(SimpleRNN(2))) == set()
