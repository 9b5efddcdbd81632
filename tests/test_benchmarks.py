"""The benchmark runs, and the page on speed shows what was measured."""

import functools
import json
import os
import re
import sys
from pathlib import Path
from timeit import timeit

import bench
import memory
import pandas as pd
import processes
import pytest
import report
import torch

from inception_lib.model.serving import can_pack

ROOT = Path(__file__).resolve().parents[1]

FEW = 2
FIELDS = {
    "name",
    "mode",
    "image_size",
    "batch_size",
    "batch_norm",
    "precision",
    "ratio_to_torchvision_default",
    "fraction_of_peak",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Each task once, on few images of 64 px: that it runs, not what it finds. Where
    bfloat16 is emulated, more would take minutes.
    """
    peak_flops = bench.peak_flops

    def once(tasks, rounds):
        return pd.DataFrame([{name: timeit(tasks[name], number=1) for name in tasks}])

    def few(measure, size, count, *arguments):
        return measure(size, min(count, FEW), *arguments)

    @functools.cache
    def peak(dtype, kind="convolution", rounds=1):
        own = dtype if can_pack("bfloat16") else torch.float32
        return peak_flops(own, kind, 1)

    out = tmp_path_factory.mktemp("bench") / "results.json"
    with pytest.MonkeyPatch.context() as patch:
        options = ["--rounds", "1", "--sizes", "64", "--no-compile", "--out", str(out)]
        patch.setattr(sys, "argv", ["bench.py", *options])
        patch.setattr(bench, "alone", few)
        patch.setattr(bench, "interleaved", once)
        patch.setattr(bench, "peak_flops", peak)
        bench.main()
    return json.loads(out.read_text())


def test_what_is_measured_alone_has_a_process_of_its_own():
    assert bench.alone(os.getpid) != os.getpid()


def test_committed_results_have_every_case(small):
    committed = json.loads((ROOT / "benchmarks" / "results.json").read_text())

    def cases(records, batch_size):
        return {
            (r["name"], r["mode"], r["batch_size"] == batch_size)
            for r in records
            if "compiled" not in r["name"] and r["mode"] != "epoch"
        }

    assert cases(committed, 32) == cases(small, FEW)
    epochs = [
        {r["name"] for r in rs if r["mode"] == "epoch"} for rs in (committed, small)
    ]
    assert epochs[0] == epochs[1]
    assert {r["image_size"] for r in committed} == {96, 224, None}


def test_records_are_complete(small):
    measured = [r for r in small if r["mode"] != "peak"]
    assert {r["mode"] for r in measured} == {"train", "infer", "epoch"}
    for record in measured:
        assert record.keys() >= FIELDS
        assert record["ratio_low"] <= record["ratio_high"]
        assert record["machine"]
        assert not (record["fraction_of_peak"] or 0) > 1.5
    ones = [
        r["ratio_to_torchvision_default"] for r in small if r["name"] == "torchvision"
    ]
    assert ones == [1.0] * 5


def test_readme_shows_the_table_and_the_machine():
    results = report.measurements()
    readme = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert report.table(results) in readme
    assert results["machine"][0] in readme


def test_the_page_shows_what_a_gpu_measured():
    results = json.loads((ROOT / "benchmarks" / "gpu.json").read_text())
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert report.gpu_table(results) in page


def test_figure_shows_what_was_measured():
    figure = report.figure(report.measurements())
    assert [len(ax.patches) for ax in figure.axes] == [
        2 * len(report.SHOWN["train"]),
        2 * len(report.SHOWN["infer"]),
    ]


def test_two_processes_are_measured_beside_one(monkeypatch, capfd):
    options = "--image-size 64 --batch-size 4 --precision float32 --rounds 1 --steps 1"
    monkeypatch.setattr(sys, "argv", ["processes.py", *options.split()])
    launch = processes.launch  # two processes; one is that, and less
    monkeypatch.setattr(
        processes, "launch", lambda n, given: launch(n, given) if n > 1 else 1.0
    )
    processes.main()
    one, two, ratio = re.search(
        r"one +([\d.]+) +two +([\d.]+) images/s +([\d.]+)", capfd.readouterr().out
    ).groups()
    assert float(one) == 1 and float(two) > 0
    assert float(ratio) == pytest.approx(float(two) / float(one), abs=0.1)


def test_memory_is_measured_from_the_scan_to_the_end_of_an_epoch(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["memory.py", "--pictures", "120"])
    memory.main()
    own, worker = re.search(
        r"120 pictures: ([\d,]+) MB, ([\d,]+) MB in a worker", capsys.readouterr().out
    ).groups()
    # Both have imported torch; only one holds a network and its optimizer.
    assert 100 < int(worker.replace(",", "")) < int(own.replace(",", "")) < 4000
