"""What stands between the parts of a key: names of entities, sources, properties and words."""

from typing import Final

BETWEEN: Final = "\x1f"
"""No id and no word has it: they are printable."""
