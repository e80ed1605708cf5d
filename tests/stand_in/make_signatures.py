"""What CuPy offers, read from an installed wheel: its names, the signatures of its functions, the loops of its ufuncs.

No GPU is needed. ``python tests/stand_in/make_signatures.py`` writes ``signatures.json`` beside this file;
with ``--check`` it only tells whether that file is what the wheel says, and exits with 1 where it is not.
"""

import argparse
import inspect
import json
import re
import sys
from pathlib import Path

#: Those of ``cupy.cuda`` of which the stand-in has a part.
CLASSES = ("Event", "MemoryPool", "PinnedMemoryPointer", "Stream")
PATH = Path(__file__).with_name("signatures.json")


def plain(signature):
    """Return a signature without annotations, and classes by their names: ``(a, dtype=float)``."""
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)


def signature_of(function):
    """Return a function's signature; None of what has none, such as a ufunc."""
    try:
        return plain(inspect.signature(function))
    except (TypeError, ValueError):
        return documented(function, r"^\w+\(")


def documented(function, beginning=r"\(self(?:, )?(?:/, )?"):
    """Return the signature that a compiled function has in the first line of its docstring, without ``self``."""
    first = (getattr(function, "__doc__", None) or "").partition("\n")[0]
    found = re.search(rf"{beginning}(.*)\)(?: ->.*)?$", first)
    if found is None:
        return None
    untyped = re.sub(r"\b\w+ (?=[A-Za-z_])", "", found[1])  # Cython's types
    return f"({untyped})"


def of_class(cls):
    """Return the signatures of what one can do with a class: make an object, and its methods, without ``self``."""
    found = {"": signature_of(cls)}
    for name in dir(cls):
        if not name.startswith("_"):
            method = getattr(cls, name)
            attribute = inspect.isdatadescriptor(method)
            text = "an attribute" if attribute else signature_of(method) or documented(method)
            if text is not None:
                found[name] = re.sub(r"^\(self(?:, )?", "(", text)
    return found


def facts(cupy):
    """Return what the module offers, as JSON can hold it."""
    public = sorted(name for name in dir(cupy) if not name.startswith("_"))
    loops = {name: getattr(getattr(cupy, name), "types", None) for name in public}
    methods = {name: getattr(cupy.ndarray, name) for name in dir(cupy.ndarray) if not name.startswith("_")}
    return {
        "version": cupy.__version__,
        "names": public,
        "signatures": {name: text for name in public if (text := signature_of(getattr(cupy, name)))},
        "loops": {name: list(own) for name, own in loops.items() if isinstance(own, list)},
        "attributes": sorted(methods),
        "methods": {name: text for name, one in methods.items() if (text := documented(one))},
        # cuBLAS is loaded when first asked for, and so is no name of the module before.
        "cuda": sorted({*(name for name in dir(cupy.cuda) if not name.startswith("_")), "cublas"}),
        "classes": {name: of_class(getattr(cupy.cuda, name)) for name in CLASSES},
    }


def written(found):
    """Return the facts as text, a line for each, so that a new version of CuPy shows as a short difference."""
    lines = []
    for key, value in found.items():
        if isinstance(value, dict):
            inner = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in sorted(value.items()))
            lines.append(f" {json.dumps(key)}: {{\n{inner}\n }}")
        elif isinstance(value, list):
            inner = ",\n".join(f"  {json.dumps(one)}" for one in value)
            lines.append(f" {json.dumps(key)}: [\n{inner}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where the file differs")
    given = parser.parse_args()
    import cupy

    text = written(facts(cupy))
    if not given.check:
        PATH.write_text(text)
        print(f"{PATH.name}: CuPy {cupy.__version__}")
        return 0
    if text != PATH.read_text():
        known = json.loads(PATH.read_text())
        wrong = [key for key, value in facts(cupy).items() if known.get(key) != value]
        print(f"{PATH.name} is not what CuPy {cupy.__version__} offers: {', '.join(wrong)}", file=sys.stderr)
        return 1
    print(f"{PATH.name} is what CuPy {cupy.__version__} offers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
