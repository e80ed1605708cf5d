"""``python -m lamina.testing [BACKEND]``: prove a backend with every layer, loss and optimizer of Lamina."""

from __future__ import annotations

import sys

from lamina.errors import LaminaError
from lamina.testing.backends import check_backend
from lamina.testing.report import CheckError
from lamina.testing.strict import StrictBackend, register_strict_backend


def main() -> int:
    """Print the report, or what failed."""
    name = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        if name == StrictBackend.name:
            register_strict_backend()
        report = check_backend(name)
    except (CheckError, LaminaError) as error:
        print(error, file=sys.stderr)
        return 1
    print(report)
    print(f"worst gradient error: {report.worst_error:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
