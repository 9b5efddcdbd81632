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

ROOT = Path(__file__).resolve().parents[1]

TWO = 2  # images in a batch
FIELDS = {
    "name",
    "mode",
    "image_size",
    "batch_size",
    "precision",
    "ratio_to_torchvision_default",
    "fraction_of_peak",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Each task once, on two images of 64 px: that it runs, not what it finds."""

    def once(tasks, rounds):
        return pd.DataFrame([{name: timeit(tasks[name], number=1) for name in tasks}])

    cases = {(mode, 64, TWO): (0, 1) for mode in ("train", "epoch", "infer")}
    out = tmp_path_factory.mktemp("bench") / "results.json"
    out.write_text(json.dumps([{"machine": "another", "name": "kept"}]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bench.py", "--out", str(out)])
        patch.setattr(bench, "CASES", cases)
        patch.setattr(bench, "alone", lambda work, *arguments: work(*arguments))
        patch.setattr(bench, "interleaved", once)
        patch.setattr(bench, "peak_flops", functools.cache(bench.peak_flops))
        bench.main()
    return json.loads(out.read_text())


def test_what_is_measured_alone_has_a_process_of_its_own():
    assert bench.alone(os.getpid) != os.getpid()


def test_the_time_left_is_that_of_the_other_cases_at_this_pace():
    usual = [seconds for _, seconds in bench.CASES.values()]
    assert sum(usual) < 8 * 60
    assert bench.left(2, 2 * sum(usual[:2])) == pytest.approx(2 * sum(usual[2:]))
    assert bench.left(len(usual), 100) == 0


def test_turns_stop_when_the_time_is_over(monkeypatch):
    monkeypatch.setattr(bench, "interleaved", lambda tasks, n: pd.DataFrame([{"a": 1}]))
    assert len(bench.turns({}, 0)) == 2
    assert len(bench.turns({}, 60)) == 20


def test_committed_results_have_every_case(small):
    def cases(records, batch_size):
        return {
            (r["name"].split(", ")[0], r["mode"])
            for r in records
            if r.get("batch_size") == batch_size
        }

    for results in report.measurements().values():
        records = results.to_dict("records")
        assert cases(records, 32) == cases(small, TWO)
        done = {(r["mode"], r["image_size"], r["batch_size"]) for r in records}
        assert set(bench.CASES) <= done


def test_records_are_complete(small):
    other, *here = small
    assert other == {"machine": "another", "name": "kept"}  # is left as it was
    measured = [r for r in here if r["mode"] != "peak"]
    assert {r["mode"] for r in measured} == {"train", "infer", "epoch"}
    for record in measured:
        assert record.keys() >= FIELDS
        assert record["ratio_low"] <= record["ratio_high"]
        assert record["machine"]
        assert record["precision"] in bench.precisions()
    ones = [
        r["ratio_to_torchvision_default"] for r in here if r["name"] == "torchvision"
    ]
    assert ones == [1.0] * 3
    names = {r["name"] for r in measured if r["mode"] == "infer"}
    for program in ("ONNX Runtime", "OpenVINO", "ours, served"):
        assert {f"{program}, float32", f"{program}, int8"} <= names


def test_pages_show_the_tables_and_the_machines():
    machines = report.measurements()
    page, readme = (
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("docs/speed.md", "README.md")
    )
    for machine, results in machines.items():
        assert f"{machine}:\n\n{report.table(results)}\n" in page
    assert report.summary(machines) in readme


def test_the_page_shows_what_a_gpu_measured():
    results = json.loads((ROOT / "benchmarks" / "gpu.json").read_text())
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert report.gpu_table(results) in page


def test_figure_shows_what_was_measured():
    (*_, results) = report.measurements().values()
    measured = set(results["name"])
    figure = report.figure(results)
    assert [len(ax.patches) for ax in figure.axes] == [
        2 * len(measured & set(report.SHOWN[mode])) for mode in ("train", "infer")
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
