"""The record's list of jobs, its fixed splits, and what a job leaves."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as oracle

from inception_lib.teaching import results
from inception_lib.training import solar_cells, split

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import ceiling  # noqa: E402
import gpu  # noqa: E402
import record  # noqa: E402
import record_report  # noqa: E402
from record import Job, Record  # noqa: E402


def test_the_committed_splits_are_those_of_the_library():
    cells = solar_cells(8)
    table = pd.read_csv(ROOT / "benchmarks" / "splits.csv", index_col="cell")
    for column in table:
        by, seed = column.split("-")
        for name, part in zip(record.SETS, split(cells, int(seed), by), strict=True):
            assert table.index[table[column] == name].tolist() == list(part.names)


def test_every_beginning_of_the_list_is_worth_having():
    jobs = [job for job in record.all_jobs() if job.recipe not in record.BASELINES]
    assert len({job.key for job in jobs}) == len(jobs)
    assert {(j.protocol, j.split) for j in jobs[:10]} == {
        (p, s) for p in ("class", "panel") for s in range(5)
    }
    assert {job.recipe for job in jobs[:50]} == {"default"}
    assert {job.recipe for job in jobs[50:60]} == {"ensemble of default"}
    assert {job.recipe for job in jobs[60:75]} == record.BUDGETS.keys()
    assert {job.recipe for job in jobs[75:125]} == {"long"}


def test_a_job_leaves_its_line_and_its_answers(tmp_path):
    job = Job("file number", "panel", 3)
    kept = Record(tmp_path)
    answers, info = record.done_by(job, lambda: solar_cells(8))
    kept.add(job, answers, info)
    again = Record(tmp_path)
    assert again.rows.keys() == {job.key}
    line = pd.read_csv(tmp_path / "record.csv").iloc[0]
    test = record.read_split(solar_cells(8), job)["test"]
    chance, labels = again.answers[job.key]["test"], test.labels.numpy()
    assert line["test_accuracy"] == pytest.approx(
        np.mean((chance >= 0.5) == labels), abs=1e-4
    )
    assert line["test_roc_auc"] == pytest.approx(
        oracle.roc_auc_score(labels, chance), abs=1e-3
    )
    mono = np.array(test.groups) == "mono"
    assert line["test_mono_balanced_accuracy"] == pytest.approx(
        oracle.balanced_accuracy_score(labels[mono], chance[mono] >= 0.5), abs=1e-4
    )
    assert "file number" in record.status([job], again)
    assert "nothing is left" in record.status([job], again)


def test_an_ensemble_waits_for_its_members():
    job = Job("ensemble of long", "class", 0)
    known: dict[str, record.Answers] = {}
    for seed in range(5):
        assert record.ensemble(job, known) is None
        known[Job("long", "class", 0, seed).key] = {
            f"{name}, 8 views": np.array([seed / 4, 1.0])
            for name in ("validation", "test")
        }
    assert record.ensemble(job, known)["test"].tolist() == [0.5, 1.0]


def test_as_many_processes_as_a_gpu_has_memory_for(capsys):
    assert record.fitting(24, 79e9) == 19
    assert "--jobs 19 instead of 24" in capsys.readouterr().out
    assert record.fitting(4, 79e9) == 4
    assert capsys.readouterr().out == ""
    assert record.fitting(2, 1e9) == 1


def test_a_gpu_s_script_runs_on_a_processor():
    assert gpu.peak("float32", small=True) > 0
    found = gpu.recorded_like_plain()
    assert found["gradients_apart"] == 0
    lines = gpu.speed("infer", 64, 1, dict.fromkeys(gpu.PRECISIONS, 1e12), small=True)
    assert [line["name"] for line in lines][0] == "torchvision"
    assert all(line["images_per_second"] >= 0 for line in lines)
    assert torch.get_default_dtype() == torch.float32


def test_the_page_shows_what_was_recorded():
    page = (ROOT / "docs" / "record.md").read_text(encoding="utf-8")
    kept, cells = Record(record.FOLDER), solar_cells(8)
    chances = cells.targets[:, 1].double().numpy()
    for table in (
        record_report.scores(pd.DataFrame(kept.rows.values())),
        record_report.paired(kept, cells),
        ceiling.ceilings(chances),
    ):
        assert record_report.markdown(table) in page
    shown = record_report.scores(pd.DataFrame(kept.rows.values())).round(3)
    pd.testing.assert_frame_equal(results.table("record"), shown)


def test_ensembles_are_the_means_of_their_saved_members():
    kept = Record(record.FOLDER)
    for protocol in record.PROTOCOLS:
        for place in record.SPLITS:
            job = Job("ensemble of default", protocol, place)
            found = record.ensemble(job, kept.answers)["test"]
            assert kept.answers[job.key]["test"] == pytest.approx(found, abs=1e-5)


def test_of_one_split_the_paired_error_is_mcnemar_s():
    # 9 cells right for ours alone, 4 for the rival alone, 87 for both or neither.
    differences = np.array([1.0] * 9 + [-1.0] * 4 + [0.0] * 87)
    found = record_report.standard_error([differences], [np.arange(100)])
    assert found == pytest.approx((9 + 4 - (9 - 4) ** 2 / 100) ** 0.5 / 100)


def test_the_paired_error_of_groups_is_that_of_a_bootstrap():
    draws = np.random.default_rng(0)
    groups = np.repeat(np.arange(200), 10)
    alike = draws.normal(size=200)
    splits = [alike[groups] + draws.normal(size=2000) for _ in range(2)]
    found = record_report.standard_error(splits, [groups, groups])
    both = (splits[0] + splits[1]).reshape(200, 10).mean(1) / 2
    means = [both[draws.integers(200, size=200)].mean() for _ in range(4000)]
    assert found == pytest.approx(np.std(means), rel=0.05)
    assert record_report.standard_error(splits, [np.arange(2000)] * 2) < found / 2
