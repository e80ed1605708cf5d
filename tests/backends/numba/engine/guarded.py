"""Arrays between walls: what a pass reads of them shows, and what it writes into them is caught."""

import numpy as np

import lamina

_WALL = 512


class Guarded:
    """The Numba backend, all of whose arrays stand between walls of NaN."""

    def __init__(self, monkeypatch):
        self.backend = lamina.get_backend("numba")
        self._all = []
        monkeypatch.setattr(self.backend, "empty", self.empty)

    def empty(self, shape, dtype):
        """Return an array whose content is NaN."""
        count = int(np.prod(shape)) if np.ndim(shape) else int(shape)
        whole = np.full(count + 2 * _WALL, np.nan, dtype)
        self._all.append((whole, count))
        return whole[_WALL : _WALL + count].reshape(shape)

    def place(self, array):
        """Return a copy of an array."""
        own = self.empty(array.shape, array.dtype)
        own[...] = array
        return own

    def require_whole(self):
        """Fail where a wall was written to."""
        assert self._all
        for whole, count in self._all:
            assert np.isnan(whole[:_WALL]).all()
            assert np.isnan(whole[_WALL + count :]).all()
