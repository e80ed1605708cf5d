"""Weights and models from and to PyTorch and Keras.

>>> import lamina
>>> model = lamina.Sequential(lamina.layers.LSTM(4), lamina.layers.Dense(3))
>>> model.build((None, None, 2), seed=0)
(None, 3)
>>> state = lamina.convert.torch_state(model)
>>> list(state)[-2:]
['1.weight', '1.bias']
>>> twin = lamina.Sequential(lamina.layers.LSTM(4), lamina.layers.Dense(3))
>>> twin.build((None, None, 2), seed=1)
(None, 3)
>>> twin = lamina.convert.from_torch(state, twin)
>>> bool((twin([[[1.0, 2.0]]]) == model([[[1.0, 2.0]]])).all())
True
"""

from lamina.convert.from_keras import from_keras
from lamina.convert.from_torch import from_torch
from lamina.convert.to_keras import to_keras
from lamina.convert.to_torch import to_torch
from lamina.convert.torch_state import torch_state

__all__ = ["from_keras", "from_torch", "to_keras", "to_torch", "torch_state"]
