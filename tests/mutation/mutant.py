"""Mutants: what is changed, and where; and the ones of a file of source."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from tests.mutation import expressions, statements
from tests.mutation.context import Context, is_type_alias

__all__ = ["Mutant", "find_mutants"]

# Only what the change itself needs is put into parentheses: where these hold an expression, it may bind too loosely.
_TIGHT = (
    ast.Attribute,
    ast.BinOp,
    ast.BoolOp,
    ast.Call,
    ast.Compare,
    ast.IfExp,
    ast.Starred,
    ast.Subscript,
    ast.UnaryOp,
)
_LOOSE = (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.UnaryOp)
# Names that tell what a module is, not what it does.
_DECLARATIONS = {"__all__", "__slots__", "__match_args__"}
# Text for a reader.
_SHOWN = {"__repr__", "__str__"}


@dataclass(frozen=True)
class Mutant:
    """One change to one file.

    Attributes
    ----------
    file : str
        From the root of the repository.
    line : int
    scope : str
        The function or class that holds it, dotted; empty in the module itself.
    mutator : str
    start, end : int
        Which bytes of the file are replaced.
    replacement : str
    before, after : str
        The lines it touches, with spaces for their ends.
    number : int
        Which of those that read the same in the same scope.
    """

    file: str
    line: int
    scope: str
    mutator: str
    start: int
    end: int
    replacement: str
    before: str
    after: str
    number: int = 0

    @property
    def key(self) -> str:
        """The same as long as the lines it touches are the same, wherever they move to in the file."""
        return digest(self.file, self.scope, self.before, self.after, str(self.number))

    def apply(self, text: str) -> str:
        """Return the file's text with the change made."""
        data = text.encode()
        return (data[: self.start] + self.replacement.encode() + data[self.end :]).decode()

    def is_valid(self, text: str) -> bool:
        """Tell whether the change gives another program, and one that Python compiles."""
        try:
            changed = ast.parse(self.apply(text))
            compile(changed, self.file, "exec", dont_inherit=True)
        except SyntaxError:
            return False
        return ast.dump(changed) != ast.dump(ast.parse(text))


def digest(*parts: str) -> str:
    """Return a name for texts, of sixteen letters, that is the same everywhere."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def find_mutants(text: str, file: str) -> list[Mutant]:
    """Return the mutants of a file's text, in the order of the lines; some may not compile."""
    found = _Finder(text, file)
    found.visit_all(ast.parse(text), Context())
    seen: Counter[str] = Counter()
    mutants = []
    for mutant in sorted(found.mutants, key=lambda one: (one.start, one.end, one.replacement)):
        number = seen[mutant.key]
        seen[mutant.key] += 1
        mutants.append(replace(mutant, number=number))
    return mutants


class _Finder:
    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.data = text.encode()
        self.lines = text.encode().splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.mutants: list[Mutant] = []

    def visit_all(self, node: ast.AST, context: Context) -> None:
        for field, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child, context.below(node, field))

    def visit(self, node: ast.AST, context: Context) -> None:
        if _is_left_alone(node, context):
            return
        mutators = statements.MUTATORS if isinstance(node, ast.stmt) else expressions.MUTATORS
        for mutator in mutators.get(type(node), ()):
            for replacement in mutator(node, context):
                self.add(node, context, mutator.__name__, replacement)
        if isinstance(node, ast.expr) and context.field == "test":
            for replacement in expressions.negated(node, context):
                self.add(node, context, "negated", replacement)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.drop_decorators(node, context)
            context = context.inside(node.name)
        if isinstance(node, ast.If) and _is_for_types(node.test):
            for child in node.orelse:
                self.visit(child, context.below(node, "orelse"))
        else:
            self.visit_all(node, context)

    def drop_decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, context: Context) -> None:
        for decorator in node.decorator_list:
            if ast.unparse(decorator).rpartition(".")[2] not in statements.KEPT_DECORATORS:
                start, end = self.span(decorator)
                # The sign itself has no node.
                self.add_span(decorator.lineno, context, "decorator", (self.data.rindex(b"@", 0, start), end), "")

    def span(self, node: Any) -> tuple[int, int]:
        """Return the bytes that a node stands on; any node that has a place."""
        ends = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        start, end = (self.starts[line - 1] + column for line, column in ends)
        return start, end

    def add(self, node: Any, context: Context, mutator: str, replacement: str) -> None:
        if isinstance(node, ast.expr) and isinstance(context.parent, _TIGHT) and context.field not in ("args", "slice"):
            new = ast.parse(replacement, mode="eval").body
            replacement = f"({replacement})" if isinstance(new, _LOOSE) else replacement
        self.add_span(node.lineno, context, mutator, self.span(node), replacement)

    def add_span(self, line: int, context: Context, mutator: str, span: tuple[int, int], replacement: str) -> None:
        start, end = span
        first = self.data.rfind(b"\n", 0, start) + 1
        last = self.data.find(b"\n", end)
        last = len(self.data) if last < 0 else last
        before = _flat(self.data[first:last])
        after = _flat(self.data[first:start] + replacement.encode() + self.data[end:last])
        self.mutants.append(Mutant(self.file, line, context.scope, mutator, start, end, replacement, before, after))


def _flat(data: bytes) -> str:
    return " ".join(data.decode().split())


def _is_for_types(test: ast.expr) -> bool:
    return ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING"


def _is_left_alone(node: ast.AST, context: Context) -> bool:
    """Tell whether nothing in a node is ever changed."""
    if context.field in ("annotation", "returns", "decorator_list", "bases", "type_params"):
        return True
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name in _SHOWN or any(ast.unparse(one).endswith("overload") for one in node.decorator_list)
    if isinstance(node, ast.ClassDef):
        return any(ast.unparse(base).partition("[")[0] == "Protocol" for base in node.bases)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)  # a docstring, or three dots
    if isinstance(node, ast.Assign):
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        return bool(names & _DECLARATIONS) or is_type_alias(node, context)
    if isinstance(node, ast.If):
        return context.scope == "" and "__name__" in ast.unparse(node.test)
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("TypeVar", "ParamSpec", "NewType")
    # Python 3.11 says wrongly where the parts of an f-string stand; and most are messages.
    return isinstance(node, ast.JoinedStr)
