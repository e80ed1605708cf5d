"""How long a step takes on some ranks: from what a rank computes, and what messages take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Network", "fitted", "step_seconds", "table"]


class Network(NamedTuple):
    """What a message takes: ``latency`` seconds for each of its rounds, and its bytes over ``bandwidth``.

    Attributes
    ----------
    latency : float
        Seconds.
    bandwidth : float
        Bytes a second.
    """

    latency: float
    bandwidth: float

    def allreduce(self, size: int, ranks: int) -> float:
        """Return the seconds in which so many ranks add up so many bytes.

        Every rank sends and is sent 2 (N - 1) / N of them, in 2 log2 N rounds (Thakur et al., 2005).
        """
        if ranks == 1:
            return 0.0
        return 2 * math.ceil(math.log2(ranks)) * self.latency + 2 * (ranks - 1) / ranks * size / self.bandwidth


def fitted(ranks: int, seconds: Mapping[int, float]) -> Network:
    """Return the network of which measured allreduces, seconds by bytes, tell: relative errors are smallest."""
    sizes, times = (np.array(list(one), float) for one in (seconds.keys(), seconds.values()))
    rounds, share = 2 * math.ceil(math.log2(ranks)), 2 * (ranks - 1) / ranks
    columns = np.stack([np.full_like(sizes, rounds), share * sizes], 1) / times[:, None]
    latency, per_byte = np.linalg.lstsq(columns, np.ones_like(times), rcond=None)[0]
    return Network(max(float(latency), 1e-9), 1 / max(float(per_byte), 1e-15))


def step_seconds(computed: float, update: float, gradients: int, network: Network, ranks: int) -> float:
    """Return the seconds of a step.

    Parameters
    ----------
    computed : float
        Seconds in which a rank computes the gradients of its rows, while the others do.
    update : float
        Seconds of the update, which every rank makes.
    gradients : int
        Bytes.
    network : Network
    ranks : int
    """
    # A step sends the gradients, and a few numbers beside them: a message more.
    return computed + update + network.allreduce(gradients, ranks) + network.allreduce(64, ranks)


def table(
    computed: Sequence[float], update: float, gradients: int, network: Network, ranks: Sequence[int]
) -> list[tuple[int, float, float]]:
    """Return for each number of ranks the seconds of a step, and the share of it that is no message.

    Parameters
    ----------
    computed : sequence of float
        For each number of ranks the seconds in which one computes its rows.
    update, gradients, network : as for `step_seconds`
    ranks : sequence of int
    """
    rows = []
    for count, own in zip(ranks, computed, strict=True):
        seconds = step_seconds(own, update, gradients, network, count)
        rows.append((count, seconds, (own + update) / seconds))
    return rows
