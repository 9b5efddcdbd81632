"""One JupyterLab server, one website and one Chromium for all browser tests."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
import torch
from checked_outputs import code, needed
from filelock import FileLock
from playwright.sync_api import sync_playwright
from websites import listen, served

from inception_lib.training import Run, TrainingConfig, save_run
from inception_lib.training.run import build_model

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
FAST_TRAINING = ROOT / "tests" / "fast_training.py"
BUILD_SECONDS = 600  # at most, for the website, on a busy machine
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Root, as whom containers run, is bound by permissions only without these.
BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
# Trains the network of explorers that show it untrained as well.
AS_IT_BEGINS = {"03-trained"}
# All cells are drawn, nothing asks for news, and nothing is saved behind our back.
SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


class Lab(NamedTuple):
    """A running server."""

    url: str
    token: str
    folder: Path  # its notebooks
    log: Path  # what the server and its kernels print

    def address(self, notebook: Path) -> str:
        """Of the notebook in a workspace of its own: no tabs of another test."""
        workspace = f"{self.url}/lab/workspaces/{notebook.stem}"
        return f"{workspace}/tree/{notebook.name}?token={self.token}"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    found = os.environ.get("CHROMIUM")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = found or shutil.which(name)
    if not found:
        reason = "no Chromium here: install it, or set CHROMIUM to its path"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_FLAGS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tiny_run() -> Run:
    """An untrained network for 64 pixels: what it says is noise, and is compared."""
    torch.manual_seed(0)
    config = TrainingConfig(image_size=64)
    model = build_model(config, 2).eval()
    return Run(model, config, ("functional", "defective"), 0.17)


@pytest.fixture(scope="session")
def site(chromium, tiny_run, tmp_path_factory, worker_id):
    """The website, built as ``make site RUN=…`` does it, and served: built by the first
    of pytest's processes that needs it, for all.
    """
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":  # several: each has a folder in there
        shared = shared.parent
    with FileLock(shared / "website.lock"):
        if not (shared / "website").exists():
            build_site(tiny_run, tmp_path_factory).rename(shared / "website")
    with served(shared / "website" / "site") as site:
        yield site


def build_site(run: Run, tmp_path_factory) -> Path:
    folder, saved = tmp_path_factory.mktemp("building"), tmp_path_factory.mktemp("run")
    save_run(run, saved)
    command = [sys.executable, str(ROOT / "tools" / "build_site.py"), str(folder)]
    done = subprocess.run(
        [*command, "--run", str(saved)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def page(site, browser):
    """A page; whatever a test does with it, nothing goes wrong or out."""
    page = browser.new_page()
    page.set_default_timeout(10_000)
    heard = listen(page)
    yield page
    page.close()
    assert heard.errors == [] and heard.outside(site) == []


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):
    """JupyterLab on copies of the notebooks, without outputs or the user's settings: in
    a folder with spaces and non-ASCII letters that can't be written.
    """
    home = tmp_path_factory.mktemp("Kurs – 電池")
    folder = home / "Mein Projekt, Größe 1" / "notebooks"
    folder.mkdir(parents=True)
    for path in NOTEBOOKS.glob("*.ipynb"):
        copy_without_outputs(path, folder)
    for path in (*folder.iterdir(), folder):
        path.chmod(0o444 if path.is_file() else 0o555)
    with serve(home, folder) as lab:
        yield lab


@contextmanager
def serve(home: Path, folder: Path) -> Iterator[Lab]:
    """JupyterLab on ``folder``, with all that it writes in ``home``."""
    settings = home / "settings"
    settings.mkdir()
    (settings / "overrides.json").write_text(json.dumps(SETTINGS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, token = f"http://127.0.0.1:{port}", secrets.token_hex(16)
    lab = Lab(url, token, folder, home / "log.txt")
    command = [
        *(BOUND if hasattr(os, "geteuid") and os.geteuid() == 0 else ()),
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.app_settings_dir={settings}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
        "--LabApp.expose_app_in_browser=True",
        # As make lab does, for large pictures.
        "--ServerApp.tornado_settings={'websocket_max_message_size':209715200}",
    ]
    own = "JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR IPYTHONDIR".split()
    environment = {
        **os.environ,
        **{name: str(home / name.lower()) for name in own},
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_TOKEN": lab.token,
        "PYTHONSTARTUP": str(FAST_TRAINING),
    }
    with (
        lab.log.open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until_ready(lab, server)
            yield lab
        finally:
            server.terminate()  # JupyterLab ends its kernels, then itself
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


def copy_without_outputs(path: Path, folder: Path) -> None:
    """So that whatever the browser shows was made there: the explorers and films, and
    the cells that these need. nbval runs all.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id not in AS_IT_BEGINS]
    moving = {cell.id for cell in code(notebook) if moves(cell)}
    kept = needed(code(notebook), moving)
    notebook.cells = [
        c for c in notebook.cells if c.cell_type != "code" or c.id in kept
    ]
    for cell in code(notebook):
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / path.name)


def moves(cell: nbformat.NotebookNode) -> bool:
    """Whether it shows a widget or a film."""
    return any(kind in str(cell.outputs) for kind in ("(children=", "image/webp"))


def wait_until_ready(lab: Lab, server: subprocess.Popen, seconds: float = 60) -> None:
    request = urllib.request.Request(
        f"{lab.url}/api/status", headers={"Authorization": f"token {lab.token}"}
    )
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{lab.log.read_text()}")
