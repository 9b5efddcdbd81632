"""The pages around the notebooks agree with library, paper and torchvision."""

import csv
import inspect
import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from torch.utils.flop_counter import FlopCounterMode

from inception_lib import BranchWidths
from inception_lib.analysis import costs

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# How the paper's table prints the heads of its columns that our file names otherwise.
PRINTED = {
    "patch_size": "patch size",
    "output_height": "output size",
    "output_width": "output size",
    "output_channels": "output size",
    "n1x1": "#1×1",
    "n3x3_reduce": "#3×3 reduce",
    "n3x3": "#3×3",
    "n5x5_reduce": "#5×5 reduce",
    "n5x5": "#5×5",
    "pool_proj": "pool proj",
    "printed_params": "params",
    "printed_ops": "ops",
}


def column(number: int) -> str:
    """What stands in this column of the glossary's tables, a name a line."""
    rows = re.findall(r"^\| (.*) \|$", GLOSSARY, re.MULTILINE)
    return "\n".join(row.split(" | ")[number] for row in rows).replace(" / ", "\n")


def test_the_glossary_has_torchvisions_names():
    network = inspect.signature(torchvision.models.GoogLeNet).parameters
    outputs = torchvision.models.GoogLeNetOutputs._fields
    missing = [n for n in [*network, *outputs] if f"`{n}`" not in column(2)]
    assert not missing


def test_the_glossary_has_our_names():
    names = [field.name for field in fields(BranchWidths)]
    assert not [name for name in names if f"`{name}`" not in column(0)]


def test_the_glossary_has_the_columns_of_table_1():
    path = ROOT / "tests" / "reference" / "paper_table1.csv"
    with path.open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file))
    there = column(1).splitlines()
    missing = [name for name in names if PRINTED.get(name, name) not in there]
    assert not missing


def test_the_glossarys_words_are_in_order():
    words = re.findall(r"^(\w.*)\n  \w", GLOSSARY.partition("{glossary}")[2], re.M)
    assert len(words) > 50 and words == sorted(words, key=str.casefold)


def test_torchvision_counts_multiply_adds_as_we_do():
    """Its _ops against PyTorch's counter, which counts each as two operations."""
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(init_weights=False, aux_logits=False)
        with FlopCounterMode(display=False) as counter:
            theirs.eval()(torch.empty(1, 3, 224, 224))
    billions = counter.get_total_flops() / 2 / 1e9
    told = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1.meta["_ops"]
    assert told == pytest.approx(billions, abs=0.0005)
    ours = sum(costs.googlenet(aux_logits=False).values()).multiply_adds / 1e9
    assert f"{ours:.3f} billion here" in GLOSSARY
    assert f"\n  {told:.3f} billion in torchvision's" in GLOSSARY


def test_every_source_of_a_notebook_is_among_the_references():
    references = (DOCS / "references.md").read_text(encoding="utf-8")
    links = set()
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        prose = "".join("".join(c["source"]) for c in cells if c["cell_type"] != "code")
        links |= set(re.findall(r"\]\((https?://[^)]+)\)", prose))
    assert len(links) > 20
    assert not [link for link in sorted(links) if f"({link})" not in references]


def test_every_public_module_is_on_the_page_of_the_library():
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    files = [
        file
        for package in ("model", "analysis", "training")
        for file in (ROOT / "inception_lib" / package).glob("[!_]*.py")
    ]
    names = [f"inception_lib.{file.parent.name}.{file.stem}" for file in files]
    assert len(names) > 30
    assert not [name for name in names if not re.search(rf"{name}\b", page)]


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    # What the format asks for: citation-file-format.github.io
    assert {"cff-version", "title", "message", "authors"} <= set(citation)
    assert re.search(r"^## (\S+?),? ", changes, re.M)[1] == project["version"]
