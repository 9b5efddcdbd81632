"""What repeats a training to the last bit, and what doesn't: the README's table.

``pytest -s tests/training/test_determinism.py`` prints it as it comes out here.
"""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_distributed import finish, port
from warm_start import Warm, await_checkpoint

COMMAND = (
    "--image-size 32 --no-aux --no-grow --epochs 3 --batch-size 8 --precision float32"
).split()
PROMISED = ("the same command again", "killed and resumed")
OPEN: dict[str, dict] = {
    "two threads instead of one": {"environment": {"THREADS": "2"}},
    "two processes instead of one": {"processes": 2},
    "--accumulate 2": {"options": ["--accumulate", "2"]},
    "bfloat16 instead of float32": {"options": ["--precision", "bfloat16"]},
}
# How the README calls them, and what it says that isn't measured here.
README = Path(__file__).parents[2] / "docs" / "training.md"
CALLED = {
    "the same command again": "nothing: the same command",
    "killed and resumed": "killed at any moment and resumed",
    "two threads instead of one": "the number of threads",
    "two processes instead of one": "the number of processes",
    "--accumulate 2": "`--accumulate`",
    "bfloat16 instead of float32": "bfloat16",
}
ELSEWHERE = {
    "with `--stream`, the number of `--workers`": "identical",  # test_stream.py
    "another processor, GPU or version of PyTorch": "not promised",
}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def distances(warm: Warm, pictures: Path, folder: Path) -> dict[str, float]:
    """How far the final weights end from those of the plain run, as a fraction of the
    weights' length, for each thing that may be different.
    """
    command = ["--data", pictures, *COMMAND, "--out"]
    finish(warm, [warm.start(*command, folder / "plain")])
    expected = weights(folder / "plain")

    def distance(name: str) -> float:
        found = weights(folder / name)
        far = sum((found[k] - w).double().norm() ** 2 for k, w in expected.items())
        return (
            float(far / sum(w.double().norm() ** 2 for w in expected.values())) ** 0.5
        )

    again, resumed = PROMISED
    finish(warm, [warm.start(*command, folder / again)])
    pid = warm.start(*command, folder / resumed)
    await_checkpoint(folder / resumed)
    warm.kill(pid)
    warm.wait(pid)
    finish(warm, [warm.start(*command, folder / resumed, "--resume")])
    for name, changes in OPEN.items():
        arguments = [*command, folder / name, *changes.get("options", [])]
        environment = changes.get("environment", {})
        if "processes" in changes:
            finish(warm, warm.group(2, *arguments, port=port()))
        else:
            finish(warm, [warm.start(*arguments, **environment)])
    return {name: distance(name) for name in (*PROMISED, *OPEN)}


def table(found: dict[str, float]) -> str:
    lines = ["| what is different | the final weights |", "|---|---|"]
    for name, far in found.items():
        words = f"end {far:.1%} of their length away" if far else "identical"
        lines.append(f"| {name} | {words} |")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def found(warm, few_pictures, tmp_path_factory):
    return distances(warm, few_pictures, tmp_path_factory.mktemp("runs"))


def test_what_is_promised_is_identical(found):
    assert {name: found[name] for name in PROMISED} == dict.fromkeys(PROMISED, 0)


def test_what_is_not_promised_trains_too_and_is_told(found):
    assert all(0 < found[name] < 2 for name in OPEN)
    print("", table(found), sep="\n")


def test_the_readme_s_table_says_what_was_found(found):
    text = README.read_text(encoding="utf-8").partition("## What repeats")[2]
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.M)[1:])
    said = {name: rows.pop(name) for name in ELSEWHERE}
    assert said == ELSEWHERE
    for name, far in found.items():
        (row,) = [row for row in rows if row.startswith(CALLED[name])]
        assert rows.pop(row).startswith("differ" if far else "identical"), name
    assert rows == {}
