"""Each trouble that readers have, faked: one finding names it and a way out."""

from dataclasses import replace
from pathlib import Path

import pytest

from inception_lib.teaching import environment

VENV = Path("/home/ada/inception/.venv")
READY = environment.Situation(
    requirements=("torch>=2.6", "ipywidgets>=8.1"),
    versions={"torch": "2.14.1+cpu", "ipywidgets": "8.1.9"},
    python=VENV,
    server=VENV,
    server_widgets=True,
    threads=4,
    cores=8,
    thread_limit=None,
    memory_gib=6.0,
)
TROUBLES: dict[str, tuple[dict, str, str, str]] = {
    "wrong Python": ({"requirements": None}, "packages", "not installed", "make lab"),
    "missing package": (
        {"versions": {"torch": "2.14.1"}},
        "packages",
        "missing: ipywidgets",
        "make lab",
    ),
    "old version": (
        {"versions": {"torch": "2.6", "ipywidgets": "7.8.1"}},
        "packages",
        "ipywidgets 7.8.1 (needs >=8.1)",
        "make lab",
    ),
    "wrong kernel": (
        {"python": Path("/usr")},
        "kernel",
        "another Python",
        "Change Kernel",
    ),
    "text instead of a slider": (
        {"server_widgets": False},
        "sliders",
        "text instead of a slider",
        "reload",
    ),
    "a limit on threads": (
        {"threads": 1, "thread_limit": "OMP_NUM_THREADS"},
        "threads",
        "1 of 8",
        "unset OMP_NUM_THREADS",
    ),
    "few threads": ({"threads": 1}, "threads", "1 of 8", "set_num_threads(4)"),
    "one core": ({"threads": 1, "cores": 1}, "threads", "one processor", "twice"),
    "little memory": ({"memory_gib": 1.5}, "memory", "1.5 GiB", "Shut Down"),
}


def bad(situation):
    return [f for f in environment.check_environment(situation) if not f.good]


def test_a_good_computer_has_five_good_findings():
    findings = environment.check_environment(READY)
    assert [f.subject for f in findings] == [
        "packages",
        "kernel",
        "sliders",
        "threads",
        "memory",
    ]
    assert all(f.good for f in findings)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_is_named_once_with_a_way_out(trouble):
    changes, subject, what, way_out = TROUBLES[trouble]
    (finding,) = bad(replace(READY, **changes))
    assert finding.subject == subject
    assert what in finding.what
    assert way_out in finding.way_out


def test_what_cannot_be_seen_is_no_trouble():
    assert bad(replace(READY, server=None, server_widgets=None)) == []


def test_a_newer_pre_release_is_new_enough():
    assert (
        bad(replace(READY, versions={"torch": "2.15.0a0", "ipywidgets": "8.1"})) == []
    )


def test_every_core_used_is_fine_whatever_the_variable_says():
    assert bad(replace(READY, threads=8, thread_limit="OMP_NUM_THREADS")) == []


def test_the_requirements_are_the_projects_without_those_for_its_tests(monkeypatch):
    listed = ["torch>=2.6", 'ipywidgets>=8.1; extra == "lab"', 'x; extra == "test"']
    monkeypatch.setattr(environment.metadata, "requires", lambda _: listed)
    assert environment.here().requirements == ("torch>=2.6", "ipywidgets>=8.1")


def test_the_report_prints_the_way_out_below_the_trouble(monkeypatch, capsys):
    monkeypatch.setattr(environment, "here", lambda: replace(READY, memory_gib=1.0))
    environment.report()
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("✗"))
    assert "memory" in lines[at] and "Shut Down" in lines[at + 1]
    assert lines[-1] == "1 to look at"


def test_this_computer_can_be_looked_at():
    assert len(environment.check_environment()) == 5
