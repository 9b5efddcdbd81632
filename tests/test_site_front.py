"""What others show of the site: its address, a card, a list of pages, the 404 page."""

import re
from pathlib import Path

import numpy as np
import pytest
import site_front
from PIL import Image


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({}, ""),
        (
            {"SITE_REPOSITORY": "Someone/a-course"},
            "https://someone.github.io/a-course/",
        ),
        (
            {"SITE_REPOSITORY": "someone/someone.github.io"},
            "https://someone.github.io/",
        ),
        (
            {"SITE_REPOSITORY": "a/b", "SITE_URL": "https://example.org/course"},
            "https://example.org/course/",
        ),
    ],
)
def test_the_address_of_the_site(environment, expected):
    assert site_front.address(environment) == expected


def test_what_is_no_address_is_refused():
    with pytest.raises(ValueError, match="SITE_URL must be like"):
        site_front.address({"SITE_URL": "example.org"})


def test_the_card_is_as_large_as_it_has_to_be(tmp_path):
    path = tmp_path / "card.png"
    site_front.draw_card(path)
    assert path.stat().st_size < 150_000
    with Image.open(path) as card:
        assert card.size == site_front.CARD_SIZE
        grey = np.asarray(card.convert("L"))
    # Nothing touches the edge, so nothing is cut off; and something is there.
    edges = [grey[:8], grey[-8:], grey[:, :8], grey[:, -8:]]
    assert all(edge.min() == 255 for edge in edges)
    assert len(np.unique(grey)) > 20


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small site."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "404.html").write_text(
        '<html data-content_root="./"><link href="_static/a.css?v=1">'
        '<a href="index.html#top"></a><a href="https://other.org/"></a><a href="#here">'
        '</a><a href="#"></a><script src="_static/a.js"></script>',
        encoding="utf-8",
    )
    for name in ("index.html", "search.html", "notebooks/01_a.html"):
        (tmp_path / name).write_text("", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "address, top", [("", "/"), ("https://example.org/course/", "/course/")]
)
def test_a_page_for_any_depth_leads_to_the_sites_top(folder, address, top):
    site_front.write(folder, address)
    html = (folder / "404.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:href|src|root)="([^"]*)"', html) == [
        top,
        f"{top}_static/a.css?v=1",
        f"{top}index.html#top",
        "https://other.org/",
        "#here",
        "#",
        f"{top}_static/a.js",
    ]


def test_the_list_of_pages(folder):
    site_front.write(folder, "https://example.org/course/")
    text = (folder / "sitemap.xml").read_text(encoding="utf-8")
    assert re.findall("<loc>(.*?)</loc>", text) == [
        "https://example.org/course/index.html",
        "https://example.org/course/notebooks/01_a.html",
    ]


def test_without_an_address_there_is_no_list(folder):
    site_front.write(folder, "")
    assert not (folder / "sitemap.xml").exists()
