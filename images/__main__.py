"""`python -m images`: the images of operator, agent and CPU engine as OCI archives, without Docker."""

import argparse
import sys

from images.make import archives
from images.recipes import RECIPES

ALL = ("pause", "base", "operator", "agent", "engine")


def main() -> int:
    """Build, and print the archives."""
    parser = argparse.ArgumentParser(prog="python -m images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build what is out of date; prints one archive a line")
    build.add_argument("names", nargs="+", choices=[*RECIPES, "all"], metavar="NAME", help=f"{', '.join(ALL)} or all")
    names = parser.parse_args().names
    for archive in archives(ALL if "all" in names else names):
        print(archive)
    return 0


if __name__ == "__main__":
    sys.exit(main())
