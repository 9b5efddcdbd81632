"""The arrows between the packages, and the one place of the network's widths."""

import ast
import json
import re
import runpy
import sys
import tomllib
from dataclasses import astuple
from importlib.metadata import packages_distributions
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from inception_lib import GOOGLENET_WIDTHS

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "inception_lib"
ARCHITECTURE = SimpleNamespace(**runpy.run_path(f"{ROOT}/tools/architecture.py"))
MAY_KNOW = {
    "__init__": {"model"},
    "checks": set(),
    "model": {"checks"},
    "analysis": {"checks", "model"},
    "training": {"checks", "model"},
    "teaching": {"checks", "model", "analysis", "training"},
}


def imported(file: Path) -> set[str]:
    """Full names of what a file imports, relative imports resolved."""
    return ARCHITECTURE.imported(file, ROOT)


def packages(file: Path) -> set[str]:
    """The parts of the library that a file imports; its root hands out the model."""
    parts = {name.split(".")[1] for name in imported(file) if is_ours(name)}
    return {part if part in MAY_KNOW else "model" for part in parts}


def is_ours(name: str) -> bool:
    return name.startswith("inception_lib.")


@pytest.mark.parametrize("package", MAY_KNOW)
def test_arrows_point_one_way(package):
    folder = LIBRARY / package
    files = list(folder.rglob("*.py")) or [LIBRARY / f"{package}.py"]
    for file in files:
        unknown = packages(file) - {package} - MAY_KNOW[package]
        assert not unknown, f"{file.relative_to(ROOT)} imports {unknown}"


def test_every_package_has_its_arrows():
    folders = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    files = {path.stem for path in LIBRARY.glob("*.py")}
    assert folders | files == set(MAY_KNOW)


def test_resolving_imports(tmp_path, monkeypatch):
    """The reader of imports itself: each way to name a module is seen."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    file = tmp_path / "inception_lib" / "model" / "module.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import torch.nn\nfrom . import layers\nfrom .. import training\n"
        "from ..analysis.costs import Cost\nimport inception_lib.teaching.drawing\n"
        "def f():\n    from inception_lib import GoogLeNet\n"
    )
    assert imported(file) == {
        "torch.nn",
        "inception_lib.model.layers",
        "inception_lib.training",
        "inception_lib.analysis.costs.Cost",
        "inception_lib.teaching.drawing",
        "inception_lib.GoogLeNet",
    }
    assert packages(file) == {"model", "training", "analysis", "teaching"}


def test_the_architecture_page_is_up_to_date():
    """If not: python tools/architecture.py"""
    assert ARCHITECTURE.PAGE.read_text(encoding="utf-8") == ARCHITECTURE.page()


def from_elsewhere(file: Path) -> tuple[set[str], set[str]]:
    """Packages that a file imports with itself, and those that it imports later: in a
    function, or for the type checker alone.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    late = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    found: tuple[set[str], set[str]] = (set(), set())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        packages = {name.partition(".")[0] for name in names}
        found[node in late].update(packages - sys.stdlib_module_names - {LIBRARY.name})
    return found


def test_each_part_needs_no_more_than_its_extra():
    """What a module imports at once is in the extra of its package, what a function
    imports may be in lab; the network needs PyTorch alone.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def names(requirements):
        return {canonicalize_name(Requirement(one).name) for one in requirements}

    base = names(project["dependencies"])
    train = base | names(extras["train"])
    lab = train | names(extras["lab"]) | names(extras["serve"])
    parts = {
        "inception_lib": (base, "*.py"),
        "inception_lib/model": (base, "**/*.py"),
        "inception_lib/analysis": (train, "**/*.py"),
        "inception_lib/training": (train, "**/*.py"),
        "inception_lib/teaching": (lab, "**/*.py"),
        "benchmarks": (lab, "**/*.py"),
        "examples": (lab, "**/*.py"),
        "tests": (lab | names(extras["test"]), "**/*.py"),
    }
    scripts = ("benchmarks", "examples", "tests", "tools")
    local = {file.stem for one in scripts for file in (ROOT / one).rglob("*.py")}
    local |= {folder.name for folder in (ROOT / "tests").iterdir()}
    owners, seen = packages_distributions(), set()
    for part, (allowed, pattern) in parts.items():
        for file in (ROOT / part).glob(pattern):
            at_once, late = from_elsewhere(file)
            for imports, known in ((at_once, allowed), (late, allowed | lab)):
                for name in imports - local:
                    owner = {canonicalize_name(one) for one in owners.get(name, [])}
                    assert owner & known, f"{file.relative_to(ROOT)} imports {name}"
            seen |= at_once | late
    # The reader of imports sees both kinds.
    assert {"torch", "PIL", "skimage", "sklearn"} <= seen


def code_of(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def widths_in_a_row() -> re.Pattern:
    """Any four neighbouring numbers of a row, with or without their names between."""
    between = r"\s*,\s*(?:[\w\"']+\s*[=:]\s*)?"
    rows = [astuple(widths) for widths in GOOGLENET_WIDTHS.values()]
    fours = {row[start : start + 4] for row in rows for start in range(3)}
    patterns = (between.join(map(str, four)) for four in fours)
    return re.compile("|".join(rf"\b{pattern}\b" for pattern in patterns))


def test_the_widths_are_written_in_one_place():
    folders = ("inception_lib", "tests", "tools", "notebooks", "benchmarks", "examples")
    files = [f for folder in folders for f in (ROOT / folder).rglob("*.*")]
    pattern = widths_in_a_row()
    written = {
        str(file.relative_to(ROOT))
        for file in files
        if file.suffix in (".py", ".ipynb")
        and ".ipynb_checkpoints" not in file.parts
        and pattern.search(code_of(file))
    }
    assert written == {"inception_lib/model/googlenet.py"}


def test_a_copy_of_the_widths_would_be_found():
    values = list(GOOGLENET_WIDTHS["4a"])
    named = (f"{name}={value}" for name, value in zip("abcdef", values, strict=True))
    assert widths_in_a_row().search(str(values))
    assert widths_in_a_row().search(",\n".join(named))
    assert not widths_in_a_row().search(str(values[::-1]))
