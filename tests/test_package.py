"""The library without its repository: built, installed elsewhere, and used."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys; from setuptools import build_meta as b; b.build_sdist(sys.argv[1])"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
OFFLINE = ["--no-deps", "--no-index"]


def run(command: list, **how) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, **how)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """Built from a copy, so that nothing is left behind in the repository."""
    folder = tmp_path_factory.mktemp("source") / "repository"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "inception_lib", folder / "inception_lib", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSES.md"):
        shutil.copy(ROOT / name, folder)
    run([sys.executable, "-c", BUILD, folder.parent], cwd=folder, check=True)
    return next(folder.parent.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist) -> Path:
    """Built from the sdist: so that has all it takes."""
    how = ["--no-build-isolation", "-w", sdist.parent]
    run([*PIP, "wheel", *OFFLINE, *how, sdist], check=True)
    return next(sdist.parent.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with the library and its commands in it, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    run([*PIP, "install", *OFFLINE, "--target", folder, wheel], check=True)
    return folder


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    package = ROOT / "inception_lib"
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == ours
    assert "inception_lib/py.typed" in names
    assert any(name.endswith("/LICENSES.md") for name in names)


def test_the_sdist_holds_the_licences_and_the_readme(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "LICENSES.md", "README.md", "pyproject.toml"} <= names


def test_the_command_answers_elsewhere_and_its_exit_code_is_kept(installed):
    command = installed / "bin" / "inception"
    outside = {
        "cwd": installed.parent,
        "env": os.environ | {"PYTHONPATH": str(installed)},
    }
    done = run([command, "train", "--image-size", "5"], **outside)
    assert done.returncode == 2, done
    assert done.stderr.startswith("error: image_size"), done.stderr


def needed_by(name: str, found: set[str]) -> set[str]:
    """The distributions that ``name`` needs, itself included."""
    if name not in found:
        found.add(name)
        for line in distribution(name).requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or marker.evaluate({"extra": ""}):
                needed_by(requirement.name, found)
    return found


@pytest.fixture(scope="module")
def torch_alone(installed, tmp_path_factory) -> list[str]:
    """Python with what ``pip install inception-lib`` brings, and nothing else."""
    folder = tmp_path_factory.mktemp("torch_alone")
    for name in needed_by("torch", set()) | needed_by("numpy", set()):
        for file in distribution(name).files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (folder / top).exists():
                whole = Path(str(distribution(name).locate_file(top)))
                (folder / top).symlink_to(whole, target_is_directory=whole.is_dir())
    start = f"import sys; sys.path[:0] = [{str(installed)!r}, {str(folder)!r}]; "
    return [sys.executable, "-I", "-S", "-W", "error", "-c", start]


def test_the_readme_snippet_needs_torch_alone(torch_alone):
    *python, start = torch_alone
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    serve = "from inception_lib import for_serving\nfor_serving(model)\n"
    done = run([*python, f"{start}\n{snippet}{serve}"])
    lines = done.stdout.splitlines()
    assert lines and all(f"# {line}" in snippet for line in lines), done.stderr


@pytest.mark.parametrize("package", ["training", "analysis"])
def test_a_missing_extra_is_named(torch_alone, package):
    *python, start = torch_alone
    done = run([*python, f"{start}import inception_lib.{package}"])
    last = done.stderr.splitlines()[-1]
    assert last.endswith(' is missing: pip install "inception-lib[train]"'), done.stderr
