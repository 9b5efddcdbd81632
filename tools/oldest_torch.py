"""Run the tests of the network and its numbers with the oldest torch we allow.

python tools/oldest_torch.py [PYTEST ARGUMENT ...]

In an environment of its own, made and removed again: 6 GB, and about six minutes.
"""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ["tests/model", "tests/analysis"]
# Their versions follow from torch's.
FREE = r"(torch|torchvision|sympy|triton|nvidia-.*|cuda-.*|setuptools|inception.*)=="


def oldest(name: str) -> str:
    """torch>=2.6 in pyproject.toml becomes torch==2.6."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(rf'"{name}>=([\d.]+)"', text)
    return f"{name}=={version}"


def main(arguments: list[str]) -> int:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(x for x in lines if not re.match(FREE, x)))
        venv.create(Path(folder) / "venv", with_pip=True)
        bin = "Scripts" if sys.platform == "win32" else "bin"
        python = str(Path(folder) / "venv" / bin / "python")
        wanted = [oldest("torch"), oldest("torchvision"), "-e", ".[lab,test]"]
        pip = [python, "-m", "pip", "install", "-q", "-c", str(constraints)]
        subprocess.run([*pip, *wanted], cwd=ROOT, check=True)
        told = "import torch, torchvision as t; print(torch.__version__, t.__version__)"
        subprocess.run([python, "-c", told], check=True)
        pytest = [python, "-m", "pytest", "-q", *(arguments or TESTS)]
        return subprocess.run(pytest, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
