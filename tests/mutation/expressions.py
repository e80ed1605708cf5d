"""What is changed in an expression: each mutator yields the texts that may stand in a node's place."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from tests.mutation.context import Context, is_warning

__all__ = ["ARITHMETIC", "MUTATORS", "Mutator", "changed", "negated"]

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_PAIRS = [("min", "max"), ("any", "all"), ("minimum", "maximum"), ("argmin", "argmax"), ("zeros", "ones")]
_PAIRS += [("floor", "ceil"), ("zeros_like", "ones_like"), ("less", "greater"), ("forward", "backward")]
_OTHER_NAMES = dict(_PAIRS) | {second: first for first, second in _PAIRS}
# Elsewhere a text is mostly a message.
_WHERE_TEXT_ACTS = (ast.Compare, ast.Subscript, ast.arguments, ast.keyword, ast.Return)
# Calls that say something to a type checker alone, and calls that would only fail.
_NOT_SWAPPED = {"cast", "isinstance", "issubclass", "hasattr", "getattr", "setattr"}


def changed(node: Any, **fields: Any) -> str:
    """Return the text of a node with other parts."""
    return ast.unparse(type(node)(**{**dict(ast.iter_fields(node)), **fields}))


def negated(node: ast.expr, context: Context) -> Iterator[str]:
    """Take the opposite of a condition that no other mutator turns round."""
    if not isinstance(context.parent, ast.IfExp) and not isinstance(node, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
        yield ast.unparse(ast.UnaryOp(ast.Not(), node))


def comparison(node: ast.Compare, context: Context) -> Iterator[str]:
    """Swap an operator, or shift it by one."""
    for position, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            yield changed(node, ops=[*node.ops[:position], other(), *node.ops[position + 1 :]])


def arithmetic(node: ast.BinOp, context: Context) -> Iterator[str]:
    """Take the opposite operator; texts are left alone."""
    if not any(_is_text(side) for side in (node.left, node.right)):
        yield changed(node, op=ARITHMETIC[type(node.op)]())


def boolean(node: ast.BoolOp, context: Context) -> Iterator[str]:
    """Take ``or`` for ``and``, and leave out each operand."""
    yield changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for left_out in range(len(node.values)):
        rest = [value for position, value in enumerate(node.values) if position != left_out]
        yield ast.unparse(rest[0]) if len(rest) == 1 else changed(node, values=rest)


def unary(node: ast.UnaryOp, context: Context) -> Iterator[str]:
    """Leave out ``not`` and the sign."""
    if isinstance(node.op, (ast.Not, ast.USub)):
        yield ast.unparse(node.operand)


def constant(node: ast.Constant, context: Context) -> Iterator[str]:
    """Shift a number, flip a truth value, and change a text that something is compared with or asked for by."""
    value = node.value
    if isinstance(context.parent, ast.keyword) and _is_guard(context.parent):
        return
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int):
        yield from (str(other) for other in sorted({value + 1, value - 1, 0} - {value}))
    elif isinstance(value, float):
        yield from ("0.0", repr(2 * value)) if value else ("1.0",)
    elif isinstance(value, str) and not context.in_raise and isinstance(context.parent, _WHERE_TEXT_ACTS):
        yield repr(f"{value}_")


def condition(node: ast.IfExp, context: Context) -> Iterator[str]:
    """Take the other of two values."""
    yield changed(node, body=node.orelse, orelse=node.body)


def comprehension(node: ast.expr, context: Context) -> Iterator[str]:
    """Keep what a comprehension leaves out, and the other way round."""
    generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
    for position, generator in enumerate(generators):
        if generator.ifs:
            every = ast.BoolOp(ast.And(), generator.ifs) if len(generator.ifs) > 1 else generator.ifs[0]
            opposite = ast.UnaryOp(ast.Not(), every)
            other = ast.comprehension(generator.target, generator.iter, [opposite], generator.is_async)
            yield changed(node, generators=[*generators[:position], other, *generators[position + 1 :]])


def name(node: ast.Name, context: Context) -> Iterator[str]:
    """Take min for max."""
    if node.id in _OTHER_NAMES and context.field == "func":
        yield _OTHER_NAMES[node.id]


def attribute(node: ast.Attribute, context: Context) -> Iterator[str]:
    """Take minimum for maximum."""
    if node.attr in _OTHER_NAMES and context.field == "func":
        yield changed(node, attr=_OTHER_NAMES[node.attr])


def arguments(node: ast.Call, context: Context) -> Iterator[str]:
    """Swap the first two arguments; leave out the last of several, and each that is given by its name."""
    called = ast.unparse(node.func).rpartition(".")[2]
    if context.in_raise or is_warning(node) or called == "cast":
        return
    plain = not any(isinstance(argument, ast.Starred) for argument in node.args)
    if len(node.args) > 1 and plain and called not in _NOT_SWAPPED:
        yield changed(node, args=[node.args[1], node.args[0], *node.args[2:]])
        yield changed(node, args=node.args[:-1])
    for position, keyword in enumerate(node.keywords):
        if keyword.arg is not None and not _is_guard(keyword):
            yield changed(node, keywords=[*node.keywords[:position], *node.keywords[position + 1 :]])


def bounds(node: ast.Slice, context: Context) -> Iterator[str]:
    """Leave out an end or the step of a slice, and shift an end."""
    for field in ("lower", "upper", "step"):
        end = getattr(node, field)
        if end is None:
            continue
        yield changed(node, **{field: None})
        if field != "step" and not isinstance(end, (ast.Constant, ast.UnaryOp)):
            yield changed(node, **{field: ast.BinOp(end, ast.Add(), ast.Constant(1))})


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _is_guard(keyword: ast.keyword) -> bool:
    """Tell whether a keyword is ``strict=True`` of zip, which says what holds anyhow."""
    return keyword.arg == "strict"


Mutator = Callable[[Any, Context], Iterator[str]]
MUTATORS: dict[type[ast.AST], tuple[Mutator, ...]] = {
    ast.Compare: (comparison,),
    ast.BinOp: (arithmetic,),
    ast.BoolOp: (boolean,),
    ast.UnaryOp: (unary,),
    ast.Constant: (constant,),
    ast.IfExp: (condition,),
    ast.Name: (name,),
    ast.Attribute: (attribute,),
    ast.Call: (arguments,),
    ast.Slice: (bounds,),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), (comprehension,)),
}
