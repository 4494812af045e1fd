"""What is wrong with a file that a person gave us."""


class BadInput(Exception):  # noqa: N818 - it names the input's state
    """One or more faults, each a full line: `FILE: Kind/namespace/name: field.path: message`."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
