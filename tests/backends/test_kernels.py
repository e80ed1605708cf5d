"""The table of kernels: filled in by the classes that define them, and shown to whoever looks."""

import ast
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends import Backend
from lamina.backends.kernels import KernelTable, adding, takes_gradients


class First(KernelTable):
    def plain_forward(self, x: Any) -> Any: ...

    def plain_backward(self, dy: Any) -> Any: ...

    def half_forward(self, x: Any) -> Any: ...


class Second(First):
    def plain_forward(self, x: Any) -> Any: ...

    def half_backward(self, dy: Any) -> Any: ...


def test_a_class_fills_in_the_pairs_that_it_defines_or_completes() -> None:
    assert First.kernels == {"plain": First}
    assert Second.kernels == {"plain": Second, "half": Second}
    assert KernelTable.kernels == {}


def test_every_kernel_lies_in_the_file_of_its_name_or_kind() -> None:
    for name in ("numpy", "reference"):
        for kernel, cls in lamina.get_backend(name).kernels.items():
            assert f"    def {kernel}_" in Path(inspect.getfile(cls)).read_text(), kernel
    numpy = lamina.get_backend("numpy").kernels
    assert numpy["dense"].__module__ == "lamina.backends.numpy.dense"
    assert numpy["softmax_cross_entropy"].__module__ == "lamina.backends.numpy.losses"
    assert numpy["huber"].__module__ == "lamina.backends.generic.losses"
    assert Backend.kernels["dense"].__module__ == "lamina.backends.generic.dense"


def test_a_kernel_assigned_to_a_class_later_is_the_one_that_runs() -> None:
    class Late(Backend):
        name, xp, array_type = "late", np, np.ndarray

    Late.tanh_forward = lambda self, x: ("mine", x)  # type: ignore[method-assign, assignment, return-value]
    assert Late().select("tanh").forward(1) == ("mine", 1)
    assert Late().select("tanh").source == "late"


def test_the_pair_of_a_class_is_bound_to_the_backend() -> None:
    backend = lamina.get_backend("numpy")
    forward, backward = backend.pair("tanh", Backend)
    y, saved = forward(np.zeros(1))
    assert (y.tolist(), backward(np.ones(1), saved).tolist()) == ([0], [1])
    assert forward.__func__ is Backend.tanh_forward
    assert backend.pair("tanh")[0].__func__ is not Backend.tanh_forward


# What a kernel or update takes where it is not told: nothing out of the ordinary, and else what the layer, the loss or
# the optimizer of its name has.
GENERIC = {
    "adadelta_update": {"weight_decay": 0.0},
    "adagrad_update": {"weight_decay": 0.0},
    "adafactor_update": {"beta1": 0.0, "weight_decay": 0.0},
    "adam_update": {"weight_decay": 0.0, "decoupled": False},
    "adamax_update": {"weight_decay": 0.0},
    "lion_update": {"weight_decay": 0.0},
    "muon_update": {"weight_decay": 0.0},
    "nadam_update": {"weight_decay": 0.0, "decoupled": False},
    "radam_update": {"weight_decay": 0.0, "decoupled": False},
    "attention_forward": {"causal": False},
    "average_pool_forward": {"after": None},
    "binary_cross_entropy_forward": {"positive_weight": None, "class_weight": None, "each": False},
    "binary_focal_cross_entropy_forward": {"class_weight": None, "gamma": 2.0, "alpha": None, "each": False},
    "categorical_hinge_forward": {
        "class_weight": None,
        "margin": 1.0,
        "squared": False,
        "every": False,
        "each": False,
    },
    "conv1d_backward": {"input_gradient": True},
    "conv1d_transpose_backward": {"input_gradient": True},
    "cosine_similarity_forward": {"epsilon": 1e-8, "each": False},
    "ctc_forward": {"blank": 0, "zero_infinity": False, "each": False},
    "dense_backward": {"input_gradient": True},
    "dice_forward": {"smooth": 1.0, "each": False},
    "elementwise_loss_forward": {"each": False},
    "gaussian_negative_log_likelihood_forward": {"epsilon": 1e-6, "constant": 0.0, "each": False},
    "gelu_forward": {"approximate": "none"},
    "grouped_conv1d_backward": {"input_gradient": True},
    "gru_backward": {"input_gradient": True},
    "gru_forward": {"reset_after": True, "reverse": False},
    "gru_step": {"reset_after": True},
    "huber_forward": {"delta": 1.0, "each": False},
    "ind_rnn_backward": {"input_gradient": True},
    "ind_rnn_forward": {"activation": "relu", "reverse": False},
    "ind_rnn_step": {"activation": "relu"},
    "lru_backward": {"input_gradient": True},
    "lru_forward": {"reverse": False},
    "lstm_backward": {"input_gradient": True},
    "lstm_forward": {"reverse": False},
    "min_gru_backward": {"input_gradient": True},
    "min_gru_forward": {"reverse": False},
    "min_lstm_backward": {"input_gradient": True},
    "min_lstm_forward": {"reverse": False},
    "kl_divergence_forward": {"log_target": False, "each": False},
    "mean_absolute_error_forward": {"each": False},
    "mean_squared_error_forward": {"each": False},
    "negative_log_likelihood_forward": {"class_weight": None, "each": False},
    "quantile_forward": {"each": False},
    "softmax_focal_cross_entropy_forward": {"class_weight": None, "gamma": 2.0, "alpha": 1.0, "each": False},
    "positional_encoding_forward": {"before": None},
    "rmsprop_update": {"momentum": 0.0, "weight_decay": 0.0},
    "scan_forward": {"reverse": False},
    "sgd_update": {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    "simple_rnn_backward": {"input_gradient": True},
    "simple_rnn_forward": {"activation": "tanh", "reverse": False},
    "simple_rnn_step": {"activation": "tanh"},
    "slstm_backward": {"input_gradient": True},
    "slstm_forward": {"forget": "sigmoid", "reverse": False},
    "slstm_step": {"forget": "sigmoid"},
    "softmax_cross_entropy_forward": {"class_weight": None, "smoothing": 0.0, "each": False},
    "cached_attention_forward": {"keep": None, "rate": 0.0},
    "extended_gru_backward": {"input_gradient": True},
    "extended_gru_forward": {"reset_after": True, "state_mask": None, "reverse": False},
    "extended_lstm_backward": {"input_gradient": True},
    "extended_lstm_forward": {"state_mask": None, "w_p": None, "reverse": False},
    "extended_simple_rnn_backward": {"input_gradient": True},
    "extended_simple_rnn_forward": {"activation": "tanh", "state_mask": None, "reverse": False},
    "layer_norm_gru_backward": {"input_gradient": True},
    "layer_norm_gru_forward": {"state_mask": None, "reverse": False},
    "layer_norm_lstm_backward": {"input_gradient": True},
    "layer_norm_lstm_forward": {"state_mask": None, "reverse": False},
    "masked_attention_forward": {"allowed": None, "bias": None, "keep": None, "causal": False, "rate": 0.0},
}
GRADIENTS = "KEYWORD_ONLY", "gradients", None
KERNEL_ENDS = ("_forward", "_backward", "_update", "_step")
FOLDER = Path(inspect.getfile(Backend)).parent


def test_the_defaults_of_kernels_are_as_written_out(defaults: Any) -> None:
    kernels = [name for name in dir(Backend) if name.endswith(KERNEL_ENDS)]
    found = {name: defaults(getattr(Backend, name)) for name in kernels}
    assert {name: table for name, table in found.items() if table} == GENERIC


def methods(folder: Path) -> dict[str, list[ast.FunctionDef]]:
    """Return the methods of all classes in a folder's files, read as text: nothing is imported."""
    found: dict[str, list[ast.FunctionDef]] = {}
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                for own in node.body:
                    if isinstance(own, ast.FunctionDef) and not own.name.startswith("_"):
                        found.setdefault(f"{path.stem}.{node.name}.{own.name}", []).append(own)
    return found


def taken(function: Any) -> list[tuple[str, str, Any]]:
    """Return a function's parameters: how they are taken, their names and their defaults."""
    parameters = inspect.signature(function).parameters.values()
    found = [(one.kind.name, one.name, one.default) for one in parameters]
    return [*found, *[GRADIENTS] * (takes_gradients(function) and GRADIENTS not in found)]


def taken_in(node: ast.FunctionDef) -> list[tuple[str, str, Any]]:
    """Return what `taken` would of a function's text."""
    code = ast.unparse(ast.FunctionDef("function", node.args, [ast.Pass()], [], lineno=0, type_params=[]))
    scope: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{code}", scope)
    adds = any(isinstance(one, ast.Name) and one.id == "adding" for one in node.decorator_list)
    return taken(adding(scope["function"]) if adds else scope["function"])


OVERRIDES = [
    pytest.param(node, id=f"{folder}.{name}")
    for folder in ("numpy", "numba", "cupy")
    for name, nodes in methods(FOLDER / folder).items()
    for node in nodes
    if hasattr(Backend, node.name)
]


@pytest.mark.parametrize("node", OVERRIDES)
def test_an_override_takes_what_the_generic_one_takes(node: ast.FunctionDef) -> None:
    """By the same names, with the same defaults: also CuPy's and Numba's, where neither is installed."""
    assert taken_in(node) == taken(getattr(Backend, node.name))


def test_overrides_are_found() -> None:
    names = {node.values[0].name for node in OVERRIDES}  # type: ignore[attr-defined]
    kernels = {"lstm_forward", "gru_backward", "simple_rnn_step", "adam_update", "attention_forward", "conv1d_backward"}
    assert names >= kernels | {"astype", "synchronize", "to_numpy"}
    per_folder = {str(one.id).partition(".")[0] for one in OVERRIDES}
    assert per_folder == {"numpy", "numba", "cupy"}


@pytest.mark.parametrize(
    "text",
    [
        "def step(self, x, *, reverse=True): ...",
        "def step(self, x, *, backwards=False): ...",
        "def step(self, x, reverse=False): ...",
        "def step(self, x, *, reverse): ...",
        "def step(self, *, x, reverse=False): ...",
        "def step(self, x, *, reverse=False, further=None): ...",
    ],
)
def test_another_signature_is_found(text: str) -> None:
    def step(self: Any, x: Any, *, reverse: bool = False) -> Any: ...

    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert taken_in(node) != taken(step)
    same = ast.parse("def step(self, x: Array, *, reverse: bool = False) -> Array: ...").body[0]
    assert isinstance(same, ast.FunctionDef)
    assert taken_in(same) == taken(step)


# The kernels that give gradients of weights, and how many: what they take with ``gradients``.
WEIGHTED = {
    "axis_norm": 2, "batch_norm": 2, "conv1d": 2, "conv1d_transpose": 2, "dense": 2, "extended_gru": 4,
    "extended_lstm": 4, "extended_simple_rnn": 3, "grouped_conv1d": 2, "gru": 4, "ind_rnn": 3, "layer_norm": 2,
    "layer_norm_gru": 6, "layer_norm_lstm": 7, "lru": 4, "lstm": 3, "min_gru": 2, "min_lstm": 2, "prelu": 1,
    "rms_norm": 1, "simple_rnn": 3, "slstm": 3,
}  # fmt: skip


def test_kernels_that_give_gradients_of_weights_take_where_to_add_them() -> None:
    assert {name for name in Backend.kernels if takes_gradients(getattr(Backend, f"{name}_backward"))} == set(WEIGHTED)


class Third(lamina.get_backend("numpy").__class__):  # type: ignore[misc]
    """A third party's, whose kernels were written before there was such an argument."""

    name = "third"

    def dense_forward(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b, x

    def dense_backward(self, dy: Any, saved: Any, w: Any, *, input_gradient: bool = True) -> Any:
        return dy @ w.T, saved.T @ dy, dy.sum(axis=0)


@pytest.mark.parametrize("backend", [Third(), *map(lamina.get_backend, ("numpy", "reference"))], ids=repr)
def test_what_is_there_is_added_to_and_given_back(backend: Any) -> None:
    kernel = backend.select("dense")
    x, w, b, dy = np.array([[1.0, 2.0]]), np.eye(2), np.zeros(2), np.array([[3.0, 4.0]])
    dw, db = np.ones((2, 2)), np.full(2, 5.0)
    fresh = kernel.backward(dy, kernel.forward(x, w, b)[1], w)
    dx, *given = kernel.backward(dy, kernel.forward(x, w, b)[1], w, gradients=lambda: (dw, db))
    assert given[0] is dw
    assert given[1] is db
    assert dx.tolist() == fresh[0].tolist() == [[3, 4]]
    assert dw.tolist() == [[4, 5], [7, 9]]
    assert db.tolist() == [8, 9]
    assert [one.tolist() for one in fresh[1:]] == [[[3, 4], [6, 8]], [3, 4]]
    # Nothing is written for what nobody wants, and of what is not named nothing is said.
    dx, alone, none, *_ = kernel.backward(dy, kernel.forward(x, w, b)[1], w, gradients=lambda: [dw, None])
    assert (alone is dw, none) == (True, None)
    assert dw.tolist() == [[7, 9], [13, 17]]
    assert db.tolist() == [8, 9]
