"""Where a node of a syntax tree stands."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

__all__ = ["Context", "is_type_alias", "is_warning"]


@dataclass(frozen=True)
class Context:
    """What a mutator must know of a node beside itself.

    Attributes
    ----------
    parent : ast.AST or None
    field : str
        Which part of the parent it is.
    scope : str
        The function or class that holds it, dotted.
    in_raise : bool
        Whether it is part of an error that is raised, or of a warning.
    """

    parent: ast.AST | None = None
    field: str = ""
    scope: str = ""
    in_raise: bool = False

    def below(self, parent: ast.AST, field: str) -> Context:
        """Return the context of a part of a node that has this one."""
        told = isinstance(parent, ast.Raise) or (isinstance(parent, ast.Call) and is_warning(parent))
        return replace(self, parent=parent, field=field, in_raise=self.in_raise or told)

    def inside(self, name: str) -> Context:
        """Return the context in a function or class."""
        return replace(self, scope=f"{self.scope}.{name}".removeprefix("."), in_raise=False)


def is_warning(call: ast.Call) -> bool:
    """Tell whether a call warns."""
    return ast.unparse(call.func).rpartition(".")[2] in ("warn", "warning")


def is_type_alias(node: ast.Assign, context: Context) -> bool:
    """Tell whether a module gives a type another name: ``Shape = tuple[int, ...]``, ``Number = int | float``."""
    if context.scope:
        return False
    value = node.value
    return isinstance(value, ast.Subscript) or (isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr))
