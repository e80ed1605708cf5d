"""Files: written whole or not at all, and drawings."""

from lamina.files.whole import require_writable, write_file

__all__ = ["require_writable", "write_file"]
