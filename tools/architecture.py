"""Write docs/architecture.md from the library's own docstrings and imports.

python tools/architecture.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = "inception_lib"
PAGE = ROOT / "docs" / "architecture.md"
INTRODUCTION = """\
# Architecture

This page is written by `tools/architecture.py` from the docstrings and the imports of
`inception_lib`; a test compares it with them. To write it again:
`python tools/architecture.py`.

An arrow says "imports". Arrows point one way: the network knows only the checks, its
analysis and its training know the network, the lessons may know all three, and nothing
knows the lessons.
"""


def imported(file: Path, root: Path) -> set[str]:
    """Full names of what a file below ``root`` imports, relative imports resolved."""
    package = file.relative_to(root).parent.parts
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            source = [*above, *([node.module] if node.module else [])]
            names |= {".".join([*source, alias.name]) for alias in node.names}
    return names


def modules() -> dict[str, Path]:
    """The library's files by the name that an import gives them, in order."""
    files = sorted((ROOT / LIBRARY).rglob("*.py"))
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(
            ".__init__"
        ): file
        for file in files
    }


def known(file: Path, names: dict[str, Path]) -> list[str]:
    """The library's modules that a file imports, or imports something from."""
    found = set()
    for name in imported(file, ROOT):
        while name and name not in names:
            name = name.rpartition(".")[0]
        found.add(name)
    return sorted(found - {""})


def package_of(name: str) -> str:
    """``inception_lib.model.layers`` is in "model"; the root is the library's name."""
    return [*name.split("."), LIBRARY][1]


def arrows(names: dict[str, Path]) -> list[tuple[str, str]]:
    """Which package imports which."""
    pairs = {
        (package_of(name), package_of(other))
        for name, file in names.items()
        for other in known(file, names)
    }
    return sorted((one, other) for one, other in pairs if one != other)


def purpose(file: Path) -> str:
    """The first paragraph of a module's docstring."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")


def page() -> str:
    """The whole page."""
    names = modules()
    diagram = [f"    {one} --> {other}" for one, other in arrows(names)]
    parts = [INTRODUCTION, "\n".join(["```mermaid", "graph TD", *diagram, "```"])]
    # The network first, then those that know it.
    packages = sorted({package_of(name) for name in names} - {LIBRARY})
    packages.sort(key=lambda p: sum(one == p for one, _ in arrows(names)))
    for package in packages:
        root = f"{LIBRARY}.{package}"
        rows = ["| module | what it is | imports |", "|---|---|---|"]
        for name, file in names.items():
            if package_of(name) != package or name == root:
                continue
            short = name.removeprefix(f"{root}.")
            link = f"[{short}](../{file.relative_to(ROOT).as_posix()})"
            others = [
                other.removeprefix(f"{root}.").removeprefix(f"{LIBRARY}.")
                for other in known(file, names)
            ]
            rows.append(f"| {link} | {purpose(file)} | {', '.join(others)} |")
        parts.append(f"\n## {package}\n\n{purpose(names[root])}")
        if len(rows) > 2:  # a package, not a single file
            parts.append("\n" + "\n".join(rows))
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
