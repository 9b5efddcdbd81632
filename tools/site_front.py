"""What others show of the site: its address, a card for links to it, a list of pages,
and the page for addresses that lead nowhere.
"""

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from inception_lib import GoogLeNet
from inception_lib.teaching.lessons import nb05

CARD = "_static/card.png"
CARD_SIZE = (1200, 630)  # pixels: what those who show links ask for
NOT_LISTED = ("404", "genindex", "search", "py-modindex")


def address(environment: Mapping[str, str]) -> str:
    """Where the site will lie, with a slash at the end: SITE_URL, or GitHub's pages of
    SITE_REPOSITORY ("owner/name"); "" if neither is set.

    Raises ValueError if SITE_URL is no address of a website.
    """
    url = environment.get("SITE_URL", "")
    if url:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise ValueError(
                f"SITE_URL must be like https://example.org/site, not {url}"
            )
        return url.rstrip("/") + "/"
    owner, _, name = environment.get("SITE_REPOSITORY", "").partition("/")
    if not name:
        return ""
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def write(site: Path, address: str) -> None:
    draw_card(site / CARD)
    lead_home(site / "404.html", address)
    if address:  # a list of pages must say where they are
        (site / "sitemap.xml").write_text(sitemap(site, address), encoding="utf-8")


def draw_card(path: Path) -> None:
    """The network of notebook 05 with the site's name: legible when it is small."""
    figure = nb05.draw_network(GoogLeNet()).figure
    (ax,) = figure.axes
    figure.legends[0].remove()
    figure.set_layout_engine("none")
    width, height = CARD_SIZE
    figure.set_size_inches(width / 100, height / 100)
    ax.set_position((0.02, 0.2, 0.96, 0.56))
    ax.set(title="", ylim=(-7.5, 7.5))
    for words in list(ax.texts):
        frame = words.get_bbox_patch()
        if words.get_position()[1] < -7.5:  # a stage's bracket
            words.remove()
        else:
            words.set_fontsize(17 if frame else 14)
    for one in list(ax.lines):
        if np.min(one.get_ydata()) < -7.5:
            one.remove()
    told = "Meet a trained one in your browser, then build your own"
    figure.text(0.04, 0.86, "GoogLeNet, built and measured", fontsize=42, weight="bold")
    figure.text(0.04, 0.07, told, fontsize=28, color="#444")
    figure.savefig(path, dpi=100, facecolor="white")


def sitemap(site: Path, address: str) -> str:
    """The pages, not the slides, which say the same, nor what Sphinx adds."""
    pages = sorted(site.glob("*.html")) + sorted((site / "notebooks").glob("*.html"))
    listed = [page for page in pages if page.stem not in NOT_LISTED]
    urls = "".join(
        f"<url><loc>{escape(address + page.relative_to(site).as_posix())}</loc></url>\n"
        for page in listed
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{urls}</urlset>\n"
    )


def lead_home(page: Path, address: str) -> None:
    """It is shown at any depth: what it leads to begins where the site does, at the top
    of its server if the address isn't known.
    """
    top = urlsplit(address).path or "/"
    html = page.read_text(encoding="utf-8")
    elsewhere = r"(?![a-z]+:|/|#)"
    html = re.sub(rf'\b(href|src|data-content_root)="{elsewhere}', rf'\1="{top}', html)
    page.write_text(html.replace(f'"{top}./', f'"{top}'), encoding="utf-8")
