"""Each trouble that readers have, faked: one finding names it and a way out."""

from importlib import metadata
from pathlib import Path

import pytest

from inception_lib.teaching import environment

VENV = Path("/home/ada/inception/.venv")
REQUIRES = ["torch>=2.6", 'ipywidgets>=8.1; extra == "lab"', 'x; extra == "test"']


def packages(**versions):
    def faked():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(metadata, "requires", lambda _: REQUIRES)
            patch.setattr(metadata, "version", lambda name: found(name, versions))
            return environment.packages()

    return faked


def found(name, versions):
    if name not in versions:
        raise metadata.PackageNotFoundError(name)
    return versions[name]


def not_installed():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "PROJECT", "no such project")
        return environment.packages()


TROUBLES = [
    (not_installed, "not installed", "make lab"),
    (packages(torch="2.14.1"), "ipywidgets is missing", "make lab"),
    (
        packages(torch="2.6", ipywidgets="7"),
        "ipywidgets is 7 (needs >=8.1)",
        "make lab",
    ),
    (lambda: environment.kernel(Path("/usr"), VENV), "another Python", "Change Kernel"),
    (lambda: environment.sliders(VENV), "text instead of a slider", "reload"),
    (
        lambda: environment.threads(1, 8, "OMP_NUM_THREADS"),
        "1 of 8",
        "unset OMP_NUM_THREADS",
    ),
    (lambda: environment.threads(1, 8, None), "1 of 8", "set_num_threads(4)"),
    (lambda: environment.threads(1, 1, None), "one processor", "twice"),
    (lambda: environment.memory(1.5), "1.5 GiB", "Shut Down"),
]


@pytest.mark.parametrize("check, what, remedy", TROUBLES)
def test_each_trouble_is_named_with_a_way_out(check, what, remedy):
    finding = check()
    assert what in finding[0] and remedy in finding[1]


@pytest.mark.parametrize(
    "check",
    [
        packages(torch="2.14.1+cpu", ipywidgets="8.1.9"),
        packages(torch="2.15.0a0", ipywidgets="8.1"),  # a pre-release is new enough
        lambda: environment.kernel(VENV, VENV),
        lambda: environment.kernel(VENV, None),  # what can't be seen is no trouble
        lambda: environment.sliders(None),
        lambda: environment.threads(4, 8, None),
        lambda: environment.threads(8, 8, "OMP_NUM_THREADS"),
        lambda: environment.memory(6.0),
    ],
)
def test_no_trouble_asks_for_nothing(check):
    assert check()[1] == ""


def test_widgets_are_looked_for_where_jupyterlab_runs(tmp_path):
    (tmp_path / environment.WIDGETS).mkdir(parents=True)
    assert environment.sliders(tmp_path) == ("JupyterLab can draw them", "")


def test_the_report_prints_the_way_out_below_the_trouble(monkeypatch, capsys):
    monkeypatch.setattr(environment, "MEMORY_GIB", 1e6)
    for name in ("packages", "threads"):
        monkeypatch.setattr(environment, name, lambda *_: ("as it should be", ""))
    environment.report()
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.split()[1] for line in lines if line[:1] in ("✓", "✗")]
    assert subjects == ["packages", "kernel", "sliders", "threads", "memory"]
    assert lines[4].startswith("✗ memory") and "Shut Down" in lines[5]
    assert lines[-1] == "1 to look at"
