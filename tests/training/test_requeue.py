"""One command that a queue may start again and again: it begins, continues, is content;
and what ends it from outside, or stands in its way.
"""

import os
import shutil
import signal

import pytest
from warm_start import await_checkpoint

from inception_lib.training import load_run, loop
from inception_lib.training.checkpoint import locked, read_tensors, remove_if_stale
from inception_lib.training.command import train_main as main

FAST = (
    "--image-size 32 --no-aux --no-grow --batch-size 4 --precision float32 --epochs 2"
).split()


def end_after_an_epoch(monkeypatch):
    """The training is interrupted when it has written its first checkpoint."""
    save = loop.Keeper.save

    def stop(*arguments, **options):
        save(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Keeper, "save", stop)


def test_one_command_begins_continues_and_is_content(
    few_pictures, tmp_path, monkeypatch, capsys
):
    command = ["--data", str(few_pictures), *FAST, "--resume", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        end_after_an_epoch(patch)
        assert main(command) == 130
    assert main(command) == 0
    assert len(load_run(tmp_path).history) == 2
    capsys.readouterr()
    assert main(command) == 0
    assert "the finished run of 2 epochs: nothing to do" in capsys.readouterr().out


def test_a_folder_that_has_moved_is_the_same_data(few_pictures, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    shutil.copytree(few_pictures, "pictures")
    with monkeypatch.context() as patch:
        end_after_an_epoch(patch)
        assert main(["--data", "pictures", *FAST, "--out", "run"]) == 130
    moved = (tmp_path / "here" / "pictures").rename(tmp_path / "there")
    assert main(["--data", f"{moved}/", *FAST, "--out", "run", "--resume"]) == 0
    assert len(load_run("run").history) == 2


def test_other_pictures_are_not(few_pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(few_pictures, "pictures")
    command = ["--data", "pictures", *FAST, "--out", "run", "--resume"]
    with monkeypatch.context() as patch:
        end_after_an_epoch(patch)
        assert main(command) == 130
    for i in range(4):
        shutil.copy(f"pictures/dark/{i}.png", f"pictures/light/again_{i}.png")
    assert main(command) == 2
    assert "error: " in capsys.readouterr().err


def test_more_epochs_than_a_finished_run_has_need_a_new_one(
    few_pictures, tmp_path, capsys
):
    command = ["--data", str(few_pictures), *FAST, "--out", str(tmp_path), "--resume"]
    assert main(command) == 0
    before = (tmp_path / "model.safetensors").read_bytes()
    assert main([*command, "--epochs", "5"]) == 2
    said = capsys.readouterr().err
    assert f"--weights {tmp_path} --epochs 3 --out another_folder" in said
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_sigterm_keeps_the_step_and_says_how_to_continue(warm, few_pictures, tmp_path):
    options = [*FAST[:-1], "500", "--checkpoint-minutes", "60"]
    pid = warm.start("--data", few_pictures, *options, "--out", tmp_path)
    await_checkpoint(tmp_path)
    os.kill(pid, signal.SIGTERM)
    assert warm.wait(pid) == 128 + signal.SIGTERM
    checkpoint = tmp_path / "checkpoint.safetensors"
    assert f"terminated: continue from {checkpoint} with --resume" in warm.said(pid)
    assert len(read_tensors(checkpoint)[1]["rows"]) >= 1
    assert not (tmp_path / "model.safetensors").exists()


@pytest.fixture
def strict_umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_lock_that_is_left_behind_is_no_wall(strict_umask, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    lock = tmp_path / "checkpoint.safetensors.lock"
    with locked(checkpoint):
        assert lock.stat().st_mode & 0o777 == 0o666
        with pytest.raises(BlockingIOError):
            remove_if_stale(lock)
        assert lock.exists()
    lock.touch(mode=0o400)  # an earlier version's, of a killed process
    remove_if_stale(lock)
    assert not lock.exists()
    with locked(checkpoint):
        pass
