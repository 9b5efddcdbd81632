"""Will the notebooks run here? One finding per known trouble, each with a remedy."""

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import torch
from packaging.requirements import Requirement

PROJECT = "inception-lib"
REPAIR = "close JupyterLab and start it with `make lab`, which repairs the installation"
WIDGETS = "share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager"
LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
MEMORY_GIB = 4.0  # the training notebook's peak is below this


@dataclass(frozen=True)
class Finding:
    """``way_out`` is empty when all is well with ``subject``."""

    subject: str
    what: str
    way_out: str = ""

    @property
    def good(self) -> bool:
        return not self.way_out


@dataclass(frozen=True)
class Situation:
    """What the findings are taken from; a test fills in its own.

    ``requirements`` are the project's ("torch>=2.6"), None if it isn't installed, and
    ``versions`` what is installed of them. ``server`` is the folder of the Python that
    runs JupyterLab, ``server_widgets`` whether it can draw sliders; both are None where
    that can't be seen, as outside JupyterLab. ``thread_limit`` is the variable that
    limits ``threads``.
    """

    requirements: tuple[str, ...] | None
    versions: dict[str, str]
    python: Path
    server: Path | None
    server_widgets: bool | None
    threads: int
    cores: int
    thread_limit: str | None
    memory_gib: float


def here() -> Situation:
    """The situation of this kernel."""
    requirements = _requirements()
    server = _server()
    return Situation(
        requirements=requirements,
        versions=_versions(requirements or ()),
        python=Path(sys.prefix),
        server=server,
        server_widgets=None if server is None else (server / WIDGETS).is_dir(),
        threads=torch.get_num_threads(),
        cores=_cores(),
        thread_limit=next((name for name in LIMITS if name in os.environ), None),
        memory_gib=psutil.virtual_memory().available / 2**30,
    )


def check_environment(situation: Situation | None = None) -> list[Finding]:
    """One finding per subject, good or with what to do; by default of this kernel."""
    seen = situation or here()
    return [check(seen) for check in (_packages, _kernel, _sliders, _threads, _memory)]


def report() -> None:
    """Print the findings: a line each, and below a bad one what to do."""
    everything = check_environment()
    for finding in everything:
        print(f"{'✓' if finding.good else '✗'} {finding.subject:9} {finding.what}")
        if not finding.good:
            print(f"  {'→':>9} {finding.way_out}")
    bad = sum(not finding.good for finding in everything)
    print(f"\n{bad} to look at" if bad else "\nEverything is ready.")


def _packages(s: Situation) -> Finding:
    if s.requirements is None:
        return Finding("packages", f"{PROJECT} is not installed in this Python", REPAIR)
    ranges = {r.name: r.specifier for r in map(Requirement, s.requirements)}
    missing = [name for name in ranges if name not in s.versions]
    old = [
        f"{name} {version} (needs {ranges[name]})"
        for name, version in s.versions.items()
        if not ranges[name].contains(version, prereleases=True)
    ]
    if missing:
        return Finding("packages", f"missing: {', '.join(missing)}", REPAIR)
    if old:
        return Finding("packages", f"wrong version: {', '.join(old)}", REPAIR)
    shown = [f"{n} {s.versions[n]}" for n in ("torch", "jupyterlab") if n in s.versions]
    listed = f"Python {platform.python_version()}, {', '.join(shown)}"
    return Finding("packages", f"{listed} and {len(ranges) - len(shown)} more")


def _kernel(s: Situation) -> Finding:
    if s.server is not None and s.server.resolve() != s.python.resolve():
        return Finding(
            "kernel",
            "this notebook runs in another Python than JupyterLab",
            "menu Kernel → Change Kernel… → Python 3 (ipykernel), then run again; "
            "if there is no such entry, start with `make lab`",
        )
    return Finding("kernel", "the Python that the project was installed into")


def _sliders(s: Situation) -> Finding:
    if s.server_widgets is False:
        return Finding(
            "sliders",
            "JupyterLab can't draw widgets: you will see text instead of a slider",
            f"{REPAIR}; then reload the browser page",
        )
    if s.server_widgets is None:
        return Finding("sliders", "not checked: no JupyterLab around this notebook")
    return Finding("sliders", "JupyterLab can draw them")


def _threads(s: Situation) -> Finding:
    counted = f"PyTorch uses {s.threads} of {s.cores} processor cores"
    if s.cores == 1:
        return Finding(
            "threads",
            "one processor core",
            "nothing to repair, but training takes about twice the time told",
        )
    if s.thread_limit and s.threads < s.cores:
        return Finding(
            "threads",
            f"{counted}: training will be slow",
            f"unset {s.thread_limit} before you start JupyterLab, or run "
            f"torch.set_num_threads({s.cores}) first in each notebook",
        )
    if s.threads * 2 < s.cores:  # two logical cores often are one real one
        return Finding(
            "threads",
            f"{counted}: training will be slow",
            f"run torch.set_num_threads({s.cores // 2}) first in each notebook",
        )
    return Finding("threads", counted)


def _memory(s: Situation) -> Finding:
    free = f"{s.memory_gib:.1f} GiB free"
    if s.memory_gib < MEMORY_GIB:
        return Finding(
            "memory",
            f"{free}; training needs up to {MEMORY_GIB:.0f}",
            "shut down other notebooks (menu Kernel → Shut Down All Kernels…) and "
            "close large programs before notebook 07",
        )
    return Finding("memory", free)


def _requirements() -> tuple[str, ...] | None:
    try:
        listed = metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:
        return None
    chosen = {"extra": "lab"}
    wanted = [Requirement(line) for line in listed]
    return tuple(
        f"{r.name}{r.specifier}"
        for r in wanted
        if r.marker is None or r.marker.evaluate(chosen)
    )


def _versions(requirements: tuple[str, ...]) -> dict[str, str]:
    versions = {}
    for name in (Requirement(line).name for line in requirements):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return versions


def _server() -> Path | None:
    """The Python folder of the JupyterLab around this kernel, if it can be seen."""
    try:
        process = psutil.Process(int(os.environ.get("JPY_PARENT_PID", "")))
        command = process.cmdline()
        if "jupyter" not in " ".join(command[1:3]) or "python" not in command[0]:
            return None
        return Path(process.cwd(), command[0]).parent.parent
    except (ValueError, IndexError, OSError, psutil.Error):
        return None


def _cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
