"""What is changed in a statement: each mutator yields the texts that may stand in its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from tests.mutation.context import Context
from tests.mutation.expressions import ARITHMETIC, Mutator, changed

__all__ = ["KEPT_DECORATORS", "MUTATORS"]

# They say something to a type checker or a reader alone.
KEPT_DECORATORS = {"overload", "final", "override", "abstractmethod"}


def deleted(node: ast.stmt, context: Context) -> Iterator[str]:
    """Leave out a call, an error, a deletion, or an assignment to a part of something."""
    if isinstance(node, ast.Expr) and not isinstance(node.value, (ast.Call, ast.Await)):
        return
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    # A name that is never assigned is an error at once.
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and all(isinstance(one, (ast.Name, ast.Tuple)) for one in targets):
        return
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return
    # Only a class that lacks a method meets it.
    if isinstance(node, ast.Raise) and node.exc is not None and ast.unparse(node.exc).startswith("NotImplementedError"):
        return
    yield "pass"


def augmented(node: ast.AugAssign, context: Context) -> Iterator[str]:
    """Take the opposite operator."""
    yield changed(node, op=ARITHMETIC[type(node.op)]())


def returned(node: ast.Return, context: Context) -> Iterator[str]:
    """Return None; and go on, where that is what is returned."""
    if node.value is None:
        yield "pass"
    elif not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return None"


def loop_exit(node: Any, context: Context) -> Iterator[str]:
    """Take ``continue`` for ``break``."""
    yield "continue" if isinstance(node, ast.Break) else "break"


MUTATORS: dict[type[ast.AST], tuple[Mutator, ...]] = {
    **dict.fromkeys((ast.Expr, ast.Assign, ast.AnnAssign, ast.Raise, ast.Delete), (deleted,)),
    ast.AugAssign: (augmented, deleted),
    ast.Return: (returned,),
    ast.Break: (loop_exit,),
    ast.Continue: (loop_exit,),
}
