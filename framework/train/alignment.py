"""What ranks that train together have alike: rank 0's, before the first step, and wherever they have come apart."""

from __future__ import annotations

import zlib

import numpy as np

from lamina.core.layer import Layer
from lamina.kinds.random import RandomLayer
from lamina.optimization.optimizer import Optimizer
from lamina.train.ranks import Ranks

__all__ = ["align", "average_statistics", "have_come_apart"]


def align(ranks: Ranks, model: Layer, optimizer: Optimizer, generator: np.random.Generator) -> None:
    """Give all ranks rank 0's parameters, random draws, optimizer's state and order of rows."""
    parameters = model.named_parameters()
    drawing = {path: layer for path, layer in model.walk() if isinstance(layer, RandomLayer)}
    own = None
    if ranks.leads:
        own = {
            "parameters": model.state_dict(),
            "frozen": [name for name, one in parameters.items() if not one.trainable],
            "draws": {path: layer.draws for path, layer in drawing.items()},
            "optimizer": optimizer.state_dict(),
            "order": dict(generator.bit_generator.state),
        }
    found = ranks.first(own, model.backend)
    if ranks.leads:
        return
    model.load_state_dict(found["parameters"])
    for name, parameter in parameters.items():
        if parameter.trainable != (name not in found["frozen"]):
            parameter.trainable = name not in found["frozen"]
    for path, layer in drawing.items():
        if found["draws"][path] is not None:
            layer.reseed(**found["draws"][path])
    optimizer.load_state_dict(found["optimizer"])
    generator.bit_generator.state = found["order"]


def have_come_apart(ranks: Ranks, model: Layer) -> bool:
    """Tell whether ranks have other parameters, as on machines that round otherwise, or by a callback's doing."""
    mark = 0
    for parameter in model.parameters():
        mark = zlib.crc32(parameter.numpy().data, mark)
    return ranks.any(ranks.totals(mark)[0] != mark * ranks.size)


def average_statistics(ranks: Ranks, model: Layer) -> None:
    """Give all ranks the mean of what each has measured of its own rows, where layers are to measure these alone."""
    for _, layer in model.walk():
        if getattr(layer, "synchronized", True):
            continue
        for one in layer.own_parameters().values():
            if not one.trainable:
                one.data = ranks.summed(one.data) / ranks.size
