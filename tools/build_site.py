"""Build the website into build/site, from the notebooks as they are committed.

python tools/build_site.py [FOLDER]    # FOLDER/site instead

Nothing is executed and nothing fetched. The steps: notebooks and pages are copied into
site-source, the generated parts are written beside them, Sphinx makes the pages,
nbconvert the slides.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns

import site_notebooks  # noqa: E402
import site_slides  # noqa: E402
import site_teachers  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
DOCS, NOTEBOOKS = ROOT / "docs", ROOT / "notebooks"


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


def for_the_site(markdown: str) -> str:
    """Links to files that are in the repository and not on the site: the text stays.

    So does that of diagrams: drawing them would take a script from elsewhere.
    """
    markdown = markdown.replace("```mermaid", "```text")
    return re.sub(r"(?<!!)\[([^\]]+)\]\(\.\./(?!notebooks/)[^)]*\)", r"\1", markdown)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / "build"
    build(folder / "site-source", folder / "site")
    print(f"The site is ready: {(folder / 'site' / 'index.html').as_uri()}")
