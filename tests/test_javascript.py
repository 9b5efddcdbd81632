"""The site's JavaScript: TypeScript checks its types, Prettier its format."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import site_runtime

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "docs" / "_static"
# Version, what its archive must hash to, and the program in it.
TOOLS = {
    "typescript": (
        "5.9.3",
        "jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y"
        "4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw==",
        "bin/tsc",
    ),
    "prettier": (
        "3.6.2",
        "I7AIg5boAr5R0FFtJ6rCfD+LFsWHp81dolrFD8S79U9tb8Az2nGr"
        "JncnMSnys+bpQJfRUzqs9hnA81OAA3hCuQ==",
        "bin/prettier.cjs",
    ),
}
TYPES = [
    *("--noEmit", "--allowJs", "--checkJs", "--moduleResolution", "bundler"),
    *("--target", "es2022", "--module", "es2022"),
    *("--lib", "es2022,dom,dom.iterable"),
]


def tool(name: str) -> list[str]:
    """The command that starts it; npm fetches it once, into build/."""
    node, npm = shutil.which("node"), shutil.which("npm")
    version, sha512, program = TOOLS[name]
    cache = ROOT / "build"
    folder = cache / f"{name}-{version}"
    try:
        if node is None or npm is None:
            raise site_runtime.NoRuntimeError("npm is not installed")
        if not folder.is_dir():
            part = cache / f"{name}.{os.getpid()}"
            part.mkdir(parents=True)
            try:
                archive = site_runtime.fetch(npm, part, name, version)
                site_runtime.check(archive, f"{name} {version}", sha512)
                with tarfile.open(archive) as tar:
                    tar.extractall(part, filter="data")
                (part / "package").rename(folder)  # whole or not at all
            finally:
                shutil.rmtree(part)
    except site_runtime.NoRuntimeError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(f"the site's JavaScript is not checked: {error}")
    return [node, str(folder / program)]


def run(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_types(tmp_path):
    tsc = [*tool("typescript"), *TYPES]
    given = tmp_path / "given.d.ts"
    given.write_text("declare const INCEPTION: any;  // from tools/site_data.py\n")
    scripts = sorted(map(str, SCRIPTS.rglob("*.js")))
    assert len(scripts) > 15
    done = run([*tsc, str(given), *scripts])
    assert done.returncode == 0, done.stdout
    # And it would say so: the comments with types are read.
    wrong = tmp_path / "wrong.js"
    wrong.write_text("/** @param {string} a */ function f(a) {}\nf(3);\n")
    done = run([*tsc, str(wrong)])
    assert done.returncode != 0 and "not assignable" in done.stdout


def test_format():
    prettier = [*tool("prettier"), "--list-different", "--print-width=96"]
    done = run([*prettier, *map(str, SCRIPTS.rglob("*.js"))])
    assert done.returncode == 0, done.stdout + done.stderr
