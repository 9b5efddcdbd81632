"""Will the notebooks run here? A check per known trouble, each with a remedy.

A check returns what it found and what to do about it, which is "" when all is well.
"""

import os
import platform
import sys
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


def report() -> None:
    """Print a line per check, and below a bad one what to do."""
    server = _server()
    # os.cpu_count would count processors that this process may not use.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    limit = next((name for name in LIMITS if name in os.environ), None)
    found = {
        "packages": packages(),
        "kernel": kernel(Path(sys.prefix), server),
        "sliders": sliders(server),
        "threads": threads(torch.get_num_threads(), cores, limit),
        "memory": memory(psutil.virtual_memory().available / 2**30),
    }
    for subject, (what, remedy) in found.items():
        print(f"{'✗' if remedy else '✓'} {subject:9} {what}")
        if remedy:
            print(f"  {'→':>9} {remedy}")
    bad = sum(bool(remedy) for _, remedy in found.values())
    print(f"\n{bad} to look at" if bad else "\nEverything is ready.")


def packages() -> tuple[str, str]:
    """Is all that the project and its lab require installed, in the right version?"""
    try:
        listed = [Requirement(line) for line in metadata.requires(PROJECT) or []]
    except metadata.PackageNotFoundError:
        return f"{PROJECT} is not installed in this Python", REPAIR
    versions, bad = {}, []
    for need in listed:
        if need.marker and not need.marker.evaluate({"extra": "lab"}):
            continue
        try:
            versions[need.name] = version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            bad.append(f"{need.name} is missing")
            continue
        if not need.specifier.contains(version, prereleases=True):
            bad.append(f"{need.name} is {version} (needs {need.specifier})")
    if bad:
        return ", ".join(bad), REPAIR
    shown = [f"{n} {versions.pop(n)}" for n in ("torch", "jupyterlab") if n in versions]
    listing = ", ".join([f"Python {platform.python_version()}", *shown])
    return f"{listing} and {len(versions)} more", ""


def kernel(python: Path, server: Path | None) -> tuple[str, str]:
    """``server``: the folder of the Python that runs JupyterLab, if it can be seen."""
    if server and server.resolve() != python.resolve():
        return (
            "this notebook runs in another Python than JupyterLab",
            "menu Kernel → Change Kernel… → Python 3 (ipykernel), then run again; "
            "if there is no such entry, start with `make lab`",
        )
    return "the Python that the project was installed into", ""


def sliders(server: Path | None) -> tuple[str, str]:
    if server is None:
        return "not checked: no JupyterLab around this notebook", ""
    if not (server / WIDGETS).is_dir():
        return (
            "JupyterLab can't draw widgets: you will see text instead of a slider",
            f"{REPAIR}; then reload the browser page",
        )
    return "JupyterLab can draw them", ""


def threads(used: int, cores: int, limit: str | None) -> tuple[str, str]:
    """``limit``: the variable that limits PyTorch's threads."""
    if cores == 1:
        return (
            "one processor core",
            "nothing to repair, but training takes twice as long",
        )
    counted = f"PyTorch uses {used} of {cores} processor cores"
    enough = cores if limit else cores / 2  # two logical cores often are one real one
    if used >= enough:
        return counted, ""
    how = f"unset {limit} before you start JupyterLab, or run" if limit else "run"
    remedy = f"{how} torch.set_num_threads({int(enough)}) first in each notebook"
    return f"{counted}: training will be slow", remedy


def memory(gib: float) -> tuple[str, str]:
    free = f"{gib:.1f} GiB free"
    if gib < MEMORY_GIB:
        return (
            f"{free}; training needs up to {MEMORY_GIB:.0f}",
            "shut down other notebooks (menu Kernel → Shut Down All Kernels…) and "
            "close large programs before notebook 07",
        )
    return free, ""


def _server() -> Path | None:
    try:
        process = psutil.Process(int(os.environ.get("JPY_PARENT_PID", "")))
        command = process.cmdline()
        if "jupyter" not in " ".join(command[1:3]) or "python" not in command[0]:
            return None
        return Path(process.cwd(), command[0]).parent.parent
    except (ValueError, IndexError, OSError, psutil.Error):
        return None
