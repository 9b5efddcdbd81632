"""Execute notebooks in place, each in a fresh kernel: all of them, or those named.

python tools/execute_notebooks.py [05_googlenet | notebooks/05_googlenet.ipynb] ...
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns

import nbformat  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbclient.exceptions import (  # noqa: E402
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
# Of a cell: its tags, and why its output isn't compared (see CONTRIBUTING.md).
KEPT = ("tags", "not_compared")
TIMEOUT = 1800  # seconds for a cell: nbclient can hang on Output widgets


def execute(path: Path) -> None:
    """Run the notebook at ``path`` from its first cell to its last and write it back.

    A notebook that raises, hangs or kills its kernel is left as it was; nbclient's
    exception goes through.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=True,  # nbclient needs it for sliders; strip() drops it
        record_timing=False,
        coalesce_streams=True,
    ).execute()
    strip(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def strip(notebook: nbformat.NotebookNode) -> None:
    """Leave only the metadata that a reader or a test needs: two runs differ little."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        kept = {k: v for k, v in cell.metadata.items() if k in KEPT}
        cell.metadata = nbformat.from_dict(kept)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)  # a random id; the text remains


def find(name: str) -> Path:
    """The notebook that ``name`` means: a path, a file name, or one without ending."""
    for path in (Path(name), FOLDER / name, FOLDER / f"{name}.ipynb"):
        if path.is_file():
            return path.resolve()
    raise SystemExit(f"There is no notebook '{name}' in {FOLDER.name}/.")


def main(names: list[str]) -> None:
    for path in [find(name) for name in names] or sorted(FOLDER.glob("*.ipynb")):
        print(path.stem, end=" … ", flush=True)
        start = time.perf_counter()
        try:
            execute(path)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise SystemExit(f"failed, and is left as it was:\n{error}") from None
        print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
