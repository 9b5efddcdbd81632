"""The set-up: the same versions in three files, and errors that people understand."""

import ast
import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SETUP = SimpleNamespace(**runpy.run_path(str(ROOT / "tools" / "setup.py")))
CONDA_NAMES = {"torch": "pytorch", "playwright": "playwright-python"}
NOT_ON_CONDA_FORGE = {"elpv-dataset", "axe-playwright-python", "sphinx-revealjs"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> dict[str, Requirement]:
    """What pyproject.toml asks for, all groups together."""
    groups = [project()["dependencies"], *project()["optional-dependencies"].values()]
    found = [Requirement(line) for group in groups for line in group]
    found = [r for r in found if r.name != project()["name"]]  # lab includes train
    assert len(found) == len({r.name for r in found}), "named twice"
    return {canonicalize_name(r.name): r for r in found}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_dependency_is_pinned_within_its_range():
    pinned = pins()
    for name, requirement in requirements().items():
        assert requirement.specifier.contains(pinned[name]), requirement


def test_conda_asks_for_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert set(environment["channels"]) <= {"conda-forge", "nodefaults"}
    *conda, pip = environment["dependencies"]
    wanted = {n: r.specifier for n, r in requirements().items()}
    from_pip = {n: wanted.pop(n) for n in NOT_ON_CONDA_FORGE}
    expected = {CONDA_NAMES.get(n, n): s for n, s in wanted.items()}
    expected["python"] = Requirement("python" + project()["requires-python"]).specifier
    conda.remove("pip")
    found = [Requirement(line) for line in conda]
    assert {r.name: r.specifier for r in found} == expected
    *pip, package = pip["pip"]
    assert package == "-e ."
    assert {r.name: r.specifier for r in map(Requirement, pip)} == from_pip


def make(*arguments: str) -> str:
    """The commands that make would run."""
    options = ["--no-print-directory", "--dry-run", "--always-make"]
    command = ["make", *options, *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_lab_is_for_this_machine_only_and_keeps_its_token():
    commands = make("lab")
    assert "tools/setup.py" in commands
    assert "--ip=127.0.0.1" in commands and "00_start_here.ipynb" in commands
    assert not re.search("token|password|0\\.0\\.0\\.0|xsrf|origin", commands)


def test_ci_runs_make_test_and_make_test_runs_everything():
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    assert ci[-1] == "make test"
    assert "-m slow tests/notebooks\n" in make("test-slow")
    commands = make("test")
    checks = ("ruff check", "ruff format --check", "codespell", "mypy", "--nbval")
    for part in ("tools/setup.py", *checks):
        assert part in commands
    assert "--nbval-current-env notebooks\n" in commands
    assert re.search("-m pytest .* tests$", commands.rstrip())


def test_a_commit_is_checked_by_the_tools_of_make_test():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (local,) = config["repos"]
    assert local["repo"] == "local"  # the pinned versions, not others
    for hook in local["hooks"]:
        module = hook["entry"].split(" -m ")[1].split()[0]
        assert re.search(rf"python -m {module}\b", make("test")), hook


@pytest.mark.parametrize(
    "version, missing, free, words",
    [
        ((3, 8), "", 100, ["3.11", "3.8", "PYTHON="]),
        ((3, 12), "venv", 100, ["venv", "apt install python3-venv"]),
        ((3, 12), "ensurepip", 100, ["ensurepip", "apt install python3-venv"]),
        ((3, 12), "", 1.2, [f"{SETUP.FREE_GB} GB", "1.2 GB", "disk"]),
    ],
)
def test_what_is_missing_is_one_sentence(version, missing, free, words):
    sentence = SETUP.problem(version, lambda module: module != missing, free)
    assert all(word in sentence for word in words)
    assert sentence.endswith(".") and "\n" not in sentence and ". " not in sentence


def test_nothing_is_missing():
    assert SETUP.problem((3, 11), lambda module: True, 8) is None


def test_old_python_gets_to_the_sentence():
    """The file parses under old grammar; ast knows that of 3.7 and later."""
    ast.parse((ROOT / "tools" / "setup.py").read_text(), feature_version=(3, 7))


@pytest.fixture
def root(tmp_path):
    """A project folder in which to set up."""
    for name in ("constraints.txt", "pyproject.toml"):
        (tmp_path / name).write_text(name)
    return tmp_path


class FakeRun:
    """Notes the commands; makes an environment's Python, and fails when told to."""

    def __init__(self, error=None):
        self.commands, self.error = [], error

    def __call__(self, command, cwd=None):
        self.commands.append(" ".join(command[1:3]))
        self.last = command
        if "pip" in command and self.error:
            raise self.error
        if "venv" in command:
            python = Path(SETUP.python_of(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()


BOTH = ["-m venv", "-m pip"]


def install(root, cpu=False, **how) -> list[str]:
    run = FakeRun(**how)
    SETUP.install(str(root), run, cpu)
    index = SETUP.CPU_BUILDS[-1]
    kept = SETUP.CPU in (root / ".venv" / "setup-state.txt").read_text()
    assert not run.commands or (index in run.last) == kept
    return run.commands


def test_second_set_up_does_nothing(root):
    assert install(root) == BOTH
    assert install(root) == []


def test_changed_versions_are_installed_into_the_same_environment(root):
    install(root)
    (root / "constraints.txt").write_text("torch==99")
    assert install(root) == ["-m pip"]
    assert install(root) == []


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), subprocess.CalledProcessError(1, "pip")]
)
def test_interrupted_set_up_says_so_and_is_built_anew(root, error):
    with pytest.raises(SystemExit, match="call it again"):
        install(root, error=error)
    leftover = root / ".venv" / "half"
    leftover.touch()
    assert install(root) == BOTH
    assert not leftover.exists()


@pytest.mark.parametrize(
    "said, words",
    [
        ("ERROR: Could not install packages: No space left on device", "disk is full"),
        ("WARNING: ProxyError('Cannot connect to proxy.')", "HTTPS_PROXY"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE", "PIP_CERT"),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError('\n"
            "ERROR: No matching distribution found for torch",
            "no connection.*PIP_NO_INDEX",
        ),
        ("ERROR: No matching distribution found for torch", "PIP_INDEX_URL"),
        ("ERROR: 401 Error, Credentials not correct for", "PIP_INDEX_URL"),
        ("PermissionError: [Errno 13] Permission denied", "copy the project"),
        ("something else", "call it again"),
    ],
)
def test_after_pip_s_own_words_one_sentence_says_what_helps(root, said, words):
    error = subprocess.CalledProcessError(1, "pip", stderr=said)
    with pytest.raises(SystemExit, match=words) as caught:
        install(root, error=error)
    sentence = str(caught.value)
    assert sentence.startswith("Set-up could not finish, for the reason above: ")
    assert sentence.endswith(".") and "\n" not in sentence


def test_pip_speaks_for_itself_and_is_heard(capfd, monkeypatch):
    """Also where it is told to install for the user, which a venv can't."""
    monkeypatch.setenv("PIP_USER", "1")
    code = "import os, sys; print('no' + os.environ['PIP_USER'], file=sys.stderr); 1/0"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        SETUP.call([sys.executable, "-c", code])
    assert caught.value.stderr.startswith("no0")
    assert capfd.readouterr().err == caught.value.stderr


def test_another_python_or_place_gets_a_new_environment(root):
    install(root)
    state = root / ".venv" / "setup-state.txt"
    state.write_text(state.read_text().replace("Python 3", "Python 2"))
    assert install(root) == BOTH
    moved = root.rename(root.with_name("moved"))
    assert install(moved) == BOTH


def test_pytorch_without_cuda_is_a_new_environment_and_stays(root):
    """pip would take the CUDA build that is there for the same version."""
    assert install(root) == BOTH
    assert install(root, cpu=True) == BOTH
    for cpu in (True, False):
        assert install(root, cpu=cpu) == []
    (root / "constraints.txt").write_text("torch==99")
    assert install(root) == ["-m pip"]
    with pytest.raises(SystemExit):
        (root / "pyproject.toml").write_text("changed")
        install(root, error=KeyboardInterrupt())
    assert install(root) == BOTH


def test_make_hands_the_build_on():
    assert make("setup").splitlines()[-1].endswith("tools/setup.py ")
    assert make("setup", "TORCH=cpu").splitlines()[-1].endswith("tools/setup.py cpu")
    command = [sys.executable, str(ROOT / "tools" / "setup.py"), "tpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("TORCH can be cpu")


def test_an_environment_made_by_hand_is_kept(root):
    install(root)
    (root / ".venv" / "setup-state.txt").unlink()
    assert install(root) == ["-m pip"]


def test_binder_installs_what_the_notebooks_need_with_the_tested_versions():
    """It looks into .binder, and then no longer at environment.yml."""
    folder = ROOT / ".binder"
    lines = (folder / "requirements.txt").read_text().splitlines()
    options = dict(line.split() for line in lines if not line.startswith("#"))
    assert options["-e"] == ".[lab]"
    assert (folder / options["-c"]).resolve() == ROOT / "constraints.txt"
    assert options["--extra-index-url"].endswith("/whl/cpu")
    (version,) = re.findall(r"python-(3\.\d+)", (folder / "runtime.txt").read_text())
    oldest = project()["requires-python"].removeprefix(">=")
    assert version == oldest  # the tested one


def test_a_dev_container_sets_up_with_make():
    described = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    command = described["postCreateCommand"].split()
    make = subprocess.run([*command, "-n"], cwd=ROOT, capture_output=True, text=True)
    assert make.returncode == 0 and "tools/setup.py" in make.stdout
    name, version = described["image"].split(":")
    assert name == "python" and version == project()["requires-python"][2:]
    assert described["forwardPorts"] == [8888]  # JupyterLab's own
    settings = described["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"] == ".venv/bin/python"
