"""`extraArgs` as vLLM reads them."""


def flag_of(argument: str) -> str:
    """The flag that an argument sets: underscores are dashes, `--no-x` sets `--x`; `--x.key` is a flag of its own."""
    name = argument.partition("=")[0].replace("_", "-")
    return "--" + name.removeprefix("--").removeprefix("no-")
