"""How Sphinx builds the site: see ``make.py``."""

import inspect
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import reference
from docutils import nodes
from docutils.utils.math.latex2mathml import parse_latex_math
from docutils.utils.math.mathml_elements import math as math_tag

from lamina.core.version import __version__

project = "Lamina"
author = "the authors of Lamina"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
root_doc = "index"
exclude_patterns = ["pictures"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_typehints = "none"  # the docstrings say shapes and units, which types do not
autodoc_class_signature = "mixed"
autodoc_inherit_docstrings = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_custom_sections = [("Attributes", "params_style")]  # several names on a line are one entry
highlight_language = "none"  # of literal blocks, which are equations
default_role = "py:obj"
add_module_names = False
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = f"Lamina {version}"
html_static_path = ["_static"]
html_css_files = ["lamina.css"]
html_show_sourcelink = False
html_show_copyright = False
html_math_renderer = "mathml"
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_exclude = ".linenos, .gp, .go"

PUBLIC = reference.public()


def link_to_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Lead `Name` in a docstring to where the reference shows it; leave others as code."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or node.get("reftype") != "obj":
        return None
    path = PUBLIC.get(target.removeprefix("lamina.")) or PUBLIC.get(target)
    if path is None:
        head, _, attribute = target.rpartition(".")
        owner = PUBLIC.get(head.removeprefix("lamina.")) if head else None
        if owner is None:
            return nodes.literal(target, target)
        path = f"{owner}.{attribute}"
    domain = env.get_domain("py")
    found = domain.resolve_xref(env, node["refdoc"], app.builder, "obj", path, node, content)
    return found if found is not None else nodes.literal(target, target)


def _mathml(formula: str, display: bool) -> str:
    made = math_tag(display="block") if display else math_tag()
    parse_latex_math(made, formula)
    return "".join(made.toxml())


def inline_formula(self: Any, node: Any) -> None:
    """Write a formula as MathML, which needs no script from elsewhere."""
    self.body.append(_mathml(node.astext(), False))
    raise nodes.SkipNode


def formula(self: Any, node: Any) -> None:
    """Write a formula that stands by itself."""
    self.body.append(f'<div class="formula">{_mathml(node.astext(), True)}</div>')
    raise nodes.SkipNode


def skip_others(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the methods that scikit-learn adds, what a base class has, and the engine's hook."""
    if name == "lower" or (name.startswith("set_") and name.endswith("_request")):
        return True
    owner = reference.owner_of(value)
    return True if owner is not None and any(name in vars(base) for base in owner.__mro__[1:]) else None


def show_signature(app: Any, what: str, name: str, value: Any, options: Any, *shown: Any) -> Any:
    """Give a class's signature as Python tells it, not that of what is called to make an object."""
    if what != "class" or issubclass(value, BaseException):
        return None
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    if [*signature.parameters] == ["given", "named"]:  # of a class without a constructor
        return "()", ""
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)), ""


def show_bases(app: Any, name: str, value: Any, options: Any, bases: list[Any]) -> None:
    """Name the nearest base class that is public."""
    bases[:] = reference.public_bases(value)


def setup(app: Any) -> None:
    """Connect what docstrings and formulas need."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    app.connect("autodoc-process-docstring", reference.process, priority=100)
    app.connect("autodoc-skip-member", skip_others)
    app.connect("autodoc-process-signature", show_signature)
    app.connect("autodoc-process-bases", show_bases)
    app.connect("missing-reference", link_to_name)
