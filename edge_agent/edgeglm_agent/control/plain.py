"""Text of strangers, made fit for a terminal."""


def plain(text: str) -> str:
    """Escape what a stranger may have sent to play with a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
