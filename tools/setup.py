"""Create .venv with the tested versions of everything; return at once if it is there.

Called by the Makefile, with "cpu" or nothing. Only the standard library, and only old
syntax: a Python that is too old must get far enough to say so.
"""

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 11)
# 7 GB are taken in the end: on Linux, torch comes with its CUDA libraries.
FREE_GB = 8 if sys.platform.startswith("linux") else 3
FREE_GB_CPU = 3
# PyTorch's own index, with builds that know no GPU. They are newer to pip than those of
# the same number from PyPI, as their versions end in "+cpu".
CPU_BUILDS = ["--extra-index-url", "https://download.pytorch.org/whl/cpu"]
CPU = ", PyTorch for the processor only"
UNFINISHED = "unfinished"


def problem(version, importable, free_gb, needed=FREE_GB):
    """One sentence that says what this machine lacks, or None."""
    if version < OLDEST:
        return (
            "Set-up needs Python 3.11 or newer, but this is Python %d.%d: install a "
            "newer one and name it, as in 'make lab PYTHON=python3.12'." % version
        )
    for module in ("venv", "ensurepip"):
        if not importable(module):
            return (
                "Set-up needs Python's module '%s', which is missing here: on Debian "
                "or Ubuntu, 'apt install python3-venv' brings it." % module
            )
    if free_gb < needed:
        return (
            "Set-up needs %d GB of free disk space, most of it for PyTorch, but there "
            "are %.1f GB here: make room and call it again." % (needed, free_gb)
        )
    return None


def importable(module):
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def free_gb(folder):
    return shutil.disk_usage(folder).free / 1e9


def home(root):
    """What a virtual environment can't outlive: its Python's version, and its place."""
    return "Python %d.%d.%d in %s" % (sys.version_info[:3] + (root,))


def wanted_state(root, cpu=False):
    """What the state file says after a finished set-up: home, and what was wanted."""
    digest = hashlib.sha256()
    for name in ("constraints.txt", "pyproject.toml"):
        with open(os.path.join(root, name), "rb") as file:
            digest.update(file.read())
    return home(root) + CPU * cpu + "\n" + digest.hexdigest() + "\n"


def read(path):
    """The text of a file; "" if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def python_of(venv):
    windows = os.path.join(venv, "Scripts", "python.exe")
    return windows if os.name == "nt" else os.path.join(venv, "bin", "python")


def reusable(venv, state, wanted):
    """Whether pip can continue in this environment; if not, it is built from nothing.

    An interrupted installation leaves packages that look complete and aren't. An
    environment without a state file was made by hand: that one is kept.
    """
    if not os.path.exists(python_of(venv)):
        return False
    return state == "" or state.splitlines()[0] == wanted.splitlines()[0]


# What pip writes when it fails, and what helps; the first that fits is said.
REMEDIES = [
    (
        "No space left",
        "the disk is full: make room (TMPDIR may name another disk for the downloads)",
    ),
    (
        "407 |ProxyError|proxy",
        "the proxy was in the way: set HTTPS_PROXY=http://user:password@host:port, or "
        "look at 'pip config list'",
    ),
    (
        "SSLError|CERTIFICATE",
        "the index has a certificate that this machine doesn't know: set PIP_CERT to "
        "your organisation's certificate file",
    ),
    (
        "NewConnection|NameResolution|Connect|Network is unreachable|timed out|Timeout",
        "there is no connection to the package index: connect once, or on a machine "
        "with a connection 'pip download -d wheels -c constraints.txt "
        '".[lab,test,site]"\' and here set PIP_FIND_LINKS=wheels PIP_NO_INDEX=1',
    ),
    (
        "No matching distribution|404 |401 |403 ",
        "the package index lacks a package: 'pip config list' shows an index of your "
        "own, and PIP_INDEX_URL=https://pypi.org/simple passes it by",
    ),
    (
        "Permission denied|externally-managed",
        "this folder can't be written: copy the project to one of your own",
    ),
]


def remedy(said):
    """What helps against a failure of pip that ``said`` this, as half a sentence."""
    for pattern, words in REMEDIES:
        if re.search(pattern, said):
            return words
    return "call it again, and it starts afresh"


def call(command, **options):
    """Run a command that speaks for itself; a CalledProcessError holds its stderr."""
    environment = dict(os.environ, PIP_USER="0")  # a venv has no user's packages
    said = []
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, env=environment, **options) as process:
        for line in process.stderr or ():
            said.append(line.decode("utf-8", "replace"))
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
    if process.returncode:
        raise subprocess.CalledProcessError(
            process.returncode, command, stderr="".join(said)
        )


def install(root, run=call, cpu=False):
    """Bring .venv up to date; ``run`` starts a command and raises if it fails.

    With ``cpu`` it gets the build of PyTorch that knows no GPU, and keeps it.
    """
    venv = os.path.join(root, ".venv")
    state_file = os.path.join(venv, "setup-state.txt")
    state = read(state_file)
    cpu = cpu or CPU in state
    wanted = wanted_state(root, cpu)
    if state == wanted and os.path.exists(python_of(venv)):
        return
    fresh = not reusable(venv, state, wanted)
    needed = FREE_GB_CPU if cpu else FREE_GB
    space = free_gb(root) if fresh else needed
    found = problem(sys.version_info[:2], importable, space, needed)
    if found:
        raise SystemExit(found)
    print("Setting up .venv: this takes a few minutes, once.", flush=True)
    if fresh:
        shutil.rmtree(venv, ignore_errors=True)
        os.makedirs(venv)
    write(state_file, UNFINISHED + CPU * cpu + "\n")
    try:
        if fresh:
            run([sys.executable, "-m", "venv", venv])
        pip = [python_of(venv), "-m", "pip", "--disable-pip-version-check", "install"]
        builds = CPU_BUILDS if cpu else []
        wanted_packages = ["-c", "constraints.txt", "-e", ".[lab,test,site]"]
        run(pip + builds + wanted_packages, cwd=root)
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            "Set-up could not finish, for the reason above: %s."
            % remedy(error.stderr or "")
        ) from None
    except KeyboardInterrupt:
        raise SystemExit("Set-up was interrupted: call it again.") from None
    write(state_file, wanted)


if __name__ == "__main__":
    # Asked first and alone: install() may use what an old Python hasn't got.
    if sys.version_info[:2] < OLDEST:
        sys.exit(problem(sys.version_info[:2], importable, FREE_GB))
    if sys.argv[1:] not in ([], ["cpu"]):
        sys.exit("TORCH can be cpu, for a machine without a GPU, or nothing at all.")
    install(ROOT, cpu=sys.argv[1:] == ["cpu"])
