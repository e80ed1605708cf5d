"""What is changed in source, and what never is."""

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from tests.mutation.mutant import Mutant, find_mutants
from tests.mutation.sample import draw, find_sources

ROOT = Path(__file__).resolve().parents[2]


def texts(source: str) -> set[str]:
    """Return what the mutants of a text read like."""
    return {mutant.apply(source) for mutant in find_mutants(source, "file.py")}


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a < b", {"a <= b", "a > b"}),
        ("a == b", {"a != b"}),
        ("a is None", {"a is not None"}),
        ("a not in b", {"a in b"}),
        ("a < b <= c", {"a <= b <= c", "a > b <= c", "a < b < c", "a < b >= c"}),
        ("a + b", {"a - b"}),
        ("a * b", {"a / b"}),
        ("a @ b", {"a * b"}),
        ("a << b", {"a >> b"}),
        ("a + b * c", {"a - b * c", "a + (b / c)"}),
        ("(a + b) * c", {"(a - b) * c", "(a + b) / c"}),
        ("(a * b).c", {"(a / b).c"}),
        ("'a' + b", set()),
        ("a and b", {"a or b", "a", "b"}),
        ("a and b or c", {"(a or b) or c", "a or c", "b or c", "(a and b) and c", "a and b", "c"}),
        ("not a", {"a"}),
        ("-a", {"a"}),
        ("True", {"False"}),
        ("2", {"0", "1", "3"}),
        ("0", {"1", "-1"}),
        ("0.5", {"0.0", "1.0"}),
        ("0.0", {"1.0"}),
        ("None", set()),
        ("'text'", set()),
        ("f'{a + 1} {b}'", set()),
        ("a == 'text'", {"a != 'text'", "a == 'text_'"}),
        ("a['text']", {"a['text_']"}),
        ("a if b else c", {"c if b else a"}),
        ("[a for a in b if c]", {"[a for a in b if not c]"}),
        ("f(a, b)", {"f(b, a)", "f(a)"}),
        ("f(a)", set()),
        ("f(*a, b)", set()),
        ("f(a, b=c, d=e)", {"f(a, d=e)", "f(a, b=c)"}),
        ("isinstance(a, b)", set()),
        ("zip(a, b, strict=True)", {"zip(b, a, strict=True)", "zip(a, strict=True)"}),
        ("min(a, key=b)", {"max(a, key=b)", "min(a)"}),
        ("a.maximum(*b)", {"a.minimum(*b)"}),
        ("a.max", set()),
        ("a[b:c]", {"a[:c]", "a[b:]", "a[b + 1:c]", "a[b:c + 1]"}),
        ("a[1:]", {"a[:]", "a[0:]", "a[2:]"}),
        ("a[::b]", {"a[:]"}),
    ],
)
def test_expressions(source: str, changed: set[str]) -> None:
    # Some are written with other spaces: what counts is the program.
    # In a function, as a module may write types like that.
    written = "def f():\n    x = {}"
    assert {ast.unparse(ast.parse(text)) for text in texts(written.format(source))} == {
        ast.unparse(ast.parse(written.format(text))) for text in changed
    }


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("f()", {"pass"}),
        ("a.b = c", {"pass"}),
        ("a[b] = c", {"pass"}),
        ("a = b", set()),
        ("a, b = c", set()),
        ("a: int", set()),
        ("a.b: int = c", {"pass"}),
        ("a += b", {"a -= b", "pass"}),
        ("del a", {"pass"}),
        ("raise A", {"pass"}),
        ("raise NotImplementedError", set()),
        ("raise A(f'{b}', 'c') from d", {"pass"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("def f():\n    return None", set()),
        (
            "def f():\n    if a: return\n    b",
            {"def f():\n    if a: pass\n    b", "def f():\n    if not a: return\n    b"},
        ),
        ("for a in b: break", {"for a in b: continue"}),
        ("for a in b: continue", {"for a in b: break"}),
        ("if a: pass", {"if not a: pass"}),
        ("while a(): pass", {"while not a(): pass"}),
        ("def f(a=1): pass", {"def f(a=0): pass", "def f(a=2): pass"}),
        ("def f(*, a='b'): pass", {"def f(*, a='b_'): pass"}),
        ("@a\ndef f(): pass", {"\ndef f(): pass"}),
        ("@a.b(1, 2)\nclass C: pass", {"\nclass C: pass"}),
    ],
)
def test_statements(source: str, changed: set[str]) -> None:
    assert texts(source) == changed


@pytest.mark.parametrize(
    "source",
    [
        '"""Text of a module: 1."""',
        'def f():\n    """Text."""',
        "class C:\n    '''Text.'''\n    ...",
        "def f(a: list[1] | None, *b: A[1:2], c: 'not d') -> tuple[1, 2]: ...",
        "a: Literal[1, 2]",
        "if TYPE_CHECKING:\n    a = 1",
        "if typing.TYPE_CHECKING:\n    f(a, b)",
        "__all__ = ['a' < 'b', 1]",
        "class C:\n    __slots__ = (1, 2)",
        "Shape = tuple[int, Literal[1]]",
        "Number = int | float",
        "def __repr__(self):\n    return a + 1",
        "def __str__(self):\n    return a + 1",
        "@overload\ndef f(a: int = 1): ...",
        "class C(Protocol):\n    def f(self, a: int = 1): return 1",
        "T = TypeVar('T', 1, bound=2)",
        "if __name__ == '__main__':\n    pass",
        "a = cast(B, c)",
        "class C(f(1)): ...",
    ],
)
def test_left_alone(source: str) -> None:
    assert texts(source) == set()


def test_the_text_of_a_message_is_left_alone_and_what_it_says_is_not() -> None:
    assert texts("warn('a', g('b' == c, d=1), e=2)") == {
        "pass",
        "warn('a', g('b' != c, d=1), e=2)",
        "warn('a', g('b' == c, d=0), e=2)",
        "warn('a', g('b' == c, d=2), e=2)",
        "warn('a', g('b' == c, d=1), e=0)",
        "warn('a', g('b' == c, d=1), e=1)",
        "warn('a', g('b' == c, d=1), e=3)",
    }


def test_what_is_not_for_types_is_changed() -> None:
    assert texts("if TYPE_CHECKING:\n    a = 1\nelse:\n    a = 0") == {
        "if TYPE_CHECKING:\n    a = 1\nelse:\n    a = 1",
        "if TYPE_CHECKING:\n    a = 1\nelse:\n    a = -1",
    }


def test_a_mutant_says_where_it_is() -> None:
    source = dedent(
        """\
        class Größe:
            def f(self):
                # ä
                a = "ü", b < c
                return g(
                    1,
                    x,
                )
        """
    )
    found = find_mutants(source, "file.py")
    shifted = next(mutant for mutant in found if mutant.replacement == "b <= c")
    assert (shifted.line, shifted.scope, shifted.mutator) == (4, "Größe.f", "comparison")
    assert (shifted.before, shifted.after) == ('a = "ü", b < c', 'a = "ü", b <= c')
    swapped = next(mutant for mutant in found if mutant.replacement == "g(x, 1)")
    assert (swapped.line, swapped.before, swapped.after) == (5, "return g( 1, x, )", "return g(x, 1)")


def test_the_key_is_the_same_where_the_line_moves_and_differs_where_two_read_the_same() -> None:
    def keys(source: str) -> list[str]:
        return [mutant.key for mutant in find_mutants(source, "file.py")]

    assert keys("def f():\n    a = not b") == keys("x\n\ndef f():\n    a = not b")
    assert len(set(keys("a = not b\na = not b"))) == 2
    assert keys("def f():\n    a = not b") != keys("def g():\n    a = not b")


def test_a_mutant_that_is_no_program_or_the_same_one_is_told() -> None:
    def of(source: str, replacement: str) -> Mutant:
        return Mutant("file.py", 1, "", "", 0, len(source), replacement, source, replacement)

    assert not of("a = 1", "a = ").is_valid("a = 1")
    assert not of("a = 1", "break").is_valid("a = 1")
    assert not of("a = 1", "a  =  (1)").is_valid("a = 1")
    assert of("a = 1", "a = 2").is_valid("a = 1")


# The sample.

SOURCES = {"a.py": "a = b < c\nd = e + f\ng = h and i\n", "b.py": "def f(x=1):\n    return x * 2\n"}


def test_the_sample_is_the_seeds() -> None:
    assert draw(SOURCES, 1, 4) == draw(SOURCES, 1, 4)
    assert len({tuple(draw(SOURCES, seed, 4)) for seed in range(8)}) > 1


def test_the_sample_has_one_mutant_a_line_and_ends_with_the_lines() -> None:
    drawn = draw(SOURCES, 1, 99)
    assert sorted((mutant.file, mutant.line) for mutant in drawn) == [
        ("a.py", 1),
        ("a.py", 2),
        ("a.py", 3),
        ("b.py", 1),
        ("b.py", 2),
    ]


def test_a_change_elsewhere_leaves_the_sample_as_it_was() -> None:
    moved = {"a.py": "# above\n" + SOURCES["a.py"], "b.py": SOURCES["b.py"]}
    assert [mutant.key for mutant in draw(moved, 1, 3)] == [mutant.key for mutant in draw(SOURCES, 1, 3)]


def test_the_product_is_found_and_every_mutant_drawn_from_it_is_a_program() -> None:
    sources = find_sources(ROOT)
    assert {file.partition("/")[0] for file in sources} == {"backends", "framework", "layers", "optimizers"}
    assert not any({"cupy", "cases", "random_models"} & set(file.split("/")) for file in sources)
    assert len(draw(sources, 0, 40)) == 40
