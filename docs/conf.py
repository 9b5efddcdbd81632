"""Sphinx's settings. ``make site`` builds; tools/build_site.py says how."""

import os
import sys
from pathlib import Path
from textwrap import shorten

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from docutils import nodes  # noqa: E402
from site_data import script  # noqa: E402
from site_front import CARD, CARD_SIZE, address  # noqa: E402

# "owner/name" on GitHub, for links that open a notebook on Binder or Colab; the one
# place where it is set. Without it there are no such links.
REPOSITORY = os.environ.get("SITE_REPOSITORY", "")
BRANCH = os.environ.get("SITE_BRANCH", "main")
# Where the site will lie: SITE_URL, or else GitHub's pages of the repository.
ADDRESS = address(os.environ)

project = "GoogLeNet, built and measured"
html_title = "GoogLeNet"
language = "en"
copyright = "MIT licence; pictures of solar cells CC BY-NC-SA 4.0"

extensions = [
    "myst_nb",
    "site_maths",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_*"]
templates_path = ["_templates"]

nb_execution_mode = "off"  # the notebooks are committed executed
nb_merge_streams = True
nb_ipywidgets_js = {}  # else fetched from a server
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css", "network.css"]
VIEWS = ["views", "costs", "heads", "speed", "pictures", "cracks"]
html_js_files = [
    (None, {"body": script()}),
    *((f"explorers/{name}.js", {"defer": "defer"}) for name in VIEWS),
    ("explorers.js", {"defer": "defer"}),
    ("offline.js", {"defer": "defer"}),
]
html_baseurl = ADDRESS
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_domain_indices = False  # every name is in the general index
html_show_sphinx = False
html_context = {
    "repository": REPOSITORY,
    "branch": BRANCH,
    "card": ADDRESS and ADDRESS + CARD,
    "card_size": CARD_SIZE,
}
# Colours with enough contrast, by their makers' promise and by our test.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def name_heading_levels(app, page, template, context, doctree) -> None:
    """Sphinx's captions say that they are headings, but not of which level."""
    tree = context.get("furo_navigation_tree", "")
    levelled = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    context["furo_navigation_tree"] = levelled


def describe(app, page, template, context, doctree) -> None:
    """A page's first paragraph of some length, for those who show links to it."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else []
    texts = (paragraph.astext() for paragraph in paragraphs)
    text = next((text for text in texts if len(text) > 60), "")
    context["description"] = shorten(text, 200, placeholder=" …")


def setup(app) -> None:
    # After furo, which makes the tree on the same event.
    app.connect("html-page-context", name_heading_levels, priority=900)
    app.connect("html-page-context", describe)
