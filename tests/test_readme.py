"""What the README says of notebooks and results is so, and what it links is there."""

import json
import re
from pathlib import Path

import pytest

from inception_lib.teaching import results

ROOT = Path(__file__).resolve().parents[1]
PAGES = [f"docs/{name}.md" for name in ("training", "weights", "results", "help")]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", *PAGES])
def test_links_to_files_are_good(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https:)([^)#]+)", text)
    missing = [t for t in targets if not ((ROOT / page).parent / t).is_file()]
    assert not missing


def test_the_first_screen_is_short():
    """What it is, the picture, the commands, the series; then one's own pictures."""
    assert len(README.splitlines()) < 150
    headings = re.findall(r"^## (.+)", README, re.M)
    assert headings[:2] == ["The series", "Train on your own pictures, then predict"]


def test_every_notebook_is_on_the_map_with_the_minutes_that_it_tells():
    rows = re.findall(r"\(notebooks/(\w+\.ipynb)\) \|.*\| (\d+) \|", README)
    for name, minutes in rows:
        book = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
        opening = "".join(book["cells"][0]["source"])
        assert f"| **Reading and doing** | {minutes} minutes |" in opening, name
    there = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [name for name, _ in rows] == there


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_two_commands_come_before_the_picture_and_the_first_section(page):
    first, *_ = re.split(r"^(?:!\[|## )", (ROOT / page).read_text("utf-8"), flags=re.M)
    assert "\nmake lab " in first and "\nmake test " in first
    assert len(first.splitlines()) <= 20


def test_the_results_are_those_of_the_committed_runs():
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for run, scores in results.summary("seeds").iterrows():
        n, accuracy = scores["test_accuracy", "count"], scores["test_accuracy", "mean"]
        auc = scores["test_roc_auc", "mean"]
        row = rf"\| {run} \| {n:.0f} \| {accuracy:.3f}\b.*\| {auc:.3f}\b.*\|"
        assert re.search(row, page), row
    best = results.summary("seeds").loc["default"]
    means = best["test_accuracy", "mean"], best["test_roc_auc", "mean"]
    assert all(f"| {mean:.3f} ± " in README for mean in means)
