"""Random models, held to the relations of `check_model`; ``python -m lamina.testing.random_models 300`` runs some.

They are drawn by Hypothesis (``pip install -e '.[test]'``), which makes a model that fails as small as it can. It
prints as code that runs.
"""

from lamina.testing.random_models.description import Description
from lamina.testing.random_models.run import Tally, descriptions, run

__all__ = ["Description", "Tally", "descriptions", "run"]
