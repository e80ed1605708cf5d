"""What a trainer measured: a dict that a notebook shows as tables."""

from __future__ import annotations

from typing import Any

__all__ = ["Results"]


class Results(dict[str, Any]):
    """A dict of figures by name, which a notebook shows as tables with the classes' names.

    Parameters
    ----------
    values : mapping
    class_names : sequence of names, or a dict of them by output, optional
    """

    def __init__(self, values: Any = (), class_names: Any = None) -> None:
        super().__init__(values)
        self.class_names = class_names

    def _repr_html_(self) -> str:
        from lamina.metrics.tables import figures_table

        return figures_table(self, self.class_names)
