"""Build the website into build/site, from the notebooks as they are committed.

python tools/build_site.py [FOLDER] [--run RUN]    # FOLDER/site instead

No notebook is executed. The steps: notebooks and pages are copied into site-source, the
generated parts are written beside them, Sphinx makes the pages, nbconvert the slides.
The network of the landing page is the run in RUN; npm fetches what runs it, once.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns

import site_explorers  # noqa: E402
import site_front  # noqa: E402
import site_network  # noqa: E402
import site_notebooks  # noqa: E402
import site_offline  # noqa: E402
import site_runtime  # noqa: E402
import site_slides  # noqa: E402
import site_teachers  # noqa: E402

from inception_lib.teaching.trained import trained_run  # noqa: E402
from inception_lib.training import Run, load_run  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
DOCS, NOTEBOOKS = ROOT / "docs", ROOT / "notebooks"
CACHE = ROOT / "build"  # of what npm fetched


def build(source: Path, site: Path) -> None:
    """Fill ``source`` and ``site`` from scratch; a warning of Sphinx is an error."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(NOTEBOOKS / "maps", source / "notebooks/maps")
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    notebooks = {path.stem: site_notebooks.read(path) for path in paths}
    for name, notebook in notebooks.items():
        site_notebooks.write(notebook, source / "notebooks" / f"{name}.ipynb")
    for page in DOCS.glob("*.md"):
        text = for_the_site(page.read_text(encoding="utf-8"))
        (source / page.name).write_text(text, encoding="utf-8")
    for picture in DOCS.glob("*.png"):
        shutil.copyfile(picture, source / picture.name)
    parts = site_teachers.parts(notebooks, DOCS / "teaching.toml")
    for name, text in parts.items():
        (source / name).write_text(text + "\n", encoding="utf-8")

    sphinx = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning"]
    folders = [f"--conf-dir={DOCS}", f"--doctree-dir={source}-doctrees"]
    subprocess.run([*sphinx, *folders, str(source), str(site)], check=True)
    site_slides.write(notebooks, DOCS / "slides", site / "slides")
    for path in paths:  # as they are, to download
        shutil.copyfile(path, site / "notebooks" / path.name)
    shutil.copytree(NOTEBOOKS / "maps", site / "notebooks/maps")


def write_network(run: Path | None, folder: Path, cache: Path = CACHE) -> Run | None:
    """The landing page's network, or the reason why there is none. Returns its run."""
    try:
        runtime = site_runtime.runtime(cache)
    except site_runtime.NoRuntimeError as error:
        print(f"The landing page has no live network: {error}.")
        site_network.write_reason(
            f"This site was built without its network: {error}. To meet one, install "
            "npm and call make site again.",
            folder,
        )
        return None
    if run is not None:
        found = load_run(run)
    else:
        found = trained_run(ROOT / "runs/mine", ROOT / "runs/quick")
    site_network.write(found, runtime, folder)
    return found


def for_the_site(markdown: str) -> str:
    """Links to files that are in the repository and not on the site: the text stays.

    So does that of diagrams: drawing them would take a script from elsewhere.
    """
    markdown = markdown.replace("```mermaid", "```text")
    return re.sub(r"(?<!!)\[([^\]]+)\]\(\.\./(?!notebooks/)[^)]*\)", r"\1", markdown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the website.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build")
    parser.add_argument("--run", type=Path, help="default: runs/mine, or a quick one")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    build(folder / "site-source", folder / "site")
    run = write_network(arguments.run, folder / "site/network")
    site_explorers.write(run, folder / "site/explorers")
    site_front.write(folder / "site", site_front.address(os.environ))
    site_offline.write(folder / "site")  # of all that lies there
    print(f"The site is ready: {(folder / 'site' / 'index.html').as_uri()}")
