"""Print how long our functions are, and how many lines of tests stand against the code.

The goal, from the projects we learn from: median ≤ 10 lines, nine in ten ≤ 35. A length is that of signature and body,
without the docstring.

Usage: python bench/code_figures.py
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = ("operator", "edge_agent")
TESTS = ("tests",)


def main() -> None:
    """Print the table."""
    print(f"{'':10} {'functions':>9} {'median':>7} {'p90':>5} {'longest':>8} {'lines':>7}")
    lines = {name: report(name, folders) for name, folders in (("code", CODE), ("tests", TESTS))}
    print(f"\ntests : code = {lines['tests'] / lines['code']:.2f} : 1 (lines that are not blank)")


def report(name: str, folders: tuple[str, ...]) -> int:
    """Print one row; return the number of lines that are not blank."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    lengths = sorted((length, where) for file in files for length, where in functions(file))
    only = [length for length, _ in lengths]
    total = sum(bool(line.strip()) for file in files for line in file.read_text().splitlines())
    longest, where = lengths[-1]
    median, p90 = only[len(only) // 2], only[len(only) * 9 // 10]
    print(f"{name:10} {len(only):9} {median:7} {p90:5} {longest:8} {total:7}   longest: {where}")
    return total


def functions(file: Path) -> Iterator[tuple[int, str]]:
    """Each function of a file: its length in lines, and where it stands."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            end = node.end_lineno or node.lineno
            yield end - node.lineno + 1 - docstring_lines(node), f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines the docstring takes."""
    if ast.get_docstring(node) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


if __name__ == "__main__":
    main()
