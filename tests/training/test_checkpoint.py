"""Checkpoints: whole or not at all, and never mistaken for another's."""

import errno
import json
import os
import random
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save
from test_loop import CONFIG, same, stripes
from warm_start import await_checkpoint

from inception_lib.training import checkpoint as library
from inception_lib.training import fit, forward, loop, save_run
from inception_lib.training import step as one_step
from inception_lib.training.__main__ import main
from inception_lib.training.checkpoint import hold, locked, read_tensors, write_tensors

SMALL = replace(CONFIG, image_size=32, aux=False)


def train(path, config=SMALL, **options):
    sets = stripes(16).resized(32), stripes(8, seed=1).resized(32)
    return fit(*sets, config, progress=None, checkpoint=path, **options)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A checkpoint after one of two epochs."""
    path = tmp_path_factory.mktemp("run") / "checkpoint.safetensors"

    def stop(_):
        raise KeyboardInterrupt

    train(path, on_epoch=stop)
    return path


@pytest.fixture
def copy(kept, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(kept.read_bytes())
    return path


# --- what is refused, and stays as it was ---------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "empty", "edited", "foreign"])
def test_a_damaged_checkpoint_is_one_sentence(damage, copy):
    content = bytearray(copy.read_bytes())
    if damage == "edited":
        content[-1000] ^= 1
    cut = {"cut": len(content) // 2, "empty": 0}.get(damage)
    foreign = bytearray(b"something else entirely")
    content = foreign if damage == "foreign" else content[:cut]
    copy.write_bytes(content)
    with pytest.raises(ValueError, match="checkpoint.safetensors is not a file of"):
        train(copy, resume=True)
    assert copy.read_bytes() == content


def test_no_changed_byte_and_no_lost_end_goes_unnoticed(tmp_path):
    path = tmp_path / "file.safetensors"
    write_tensors(path, {"x": torch.randn(20), "n": torch.tensor(3)}, {"a": [1, 0.5]})
    assert read_tensors(path)[1] == {"a": [1, 0.5]}
    whole, chance = path.read_bytes(), random.Random(0)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        for content in (changed, whole[:place]):
            path.write_bytes(content)
            try:
                tensors, info = read_tensors(path)
            except ValueError:
                continue
            # A space of the header's padding: everything it says is the same.
            assert info == {"a": [1, 0.5]} and len(tensors) == 2, place


@pytest.mark.parametrize(
    "info, message",
    [({"format": 1}, "another version"), ([], "damaged"), ("2", "damaged")],
)
def test_what_claims_to_need_no_checksum_is_refused(info, message, tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes(save({"x": torch.ones(2)}, {"info": json.dumps(info)}))
    with pytest.raises(ValueError, match=f"file.safetensors .*{message}"):
        read_tensors(path)


def test_a_finished_network_is_no_checkpoint(tmp_path):
    run = train(None, replace(SMALL, epochs=1))
    path = save_run(run, tmp_path) / "model.safetensors"
    with pytest.raises(ValueError, match="holds a finished network"):
        train(path, resume=True)


def test_other_images_are_refused(copy):
    fewer = stripes(14).resized(32)
    others = stripes(16, seed=7).resized(32)
    renamed = replace(stripes(16).resized(32), classes=("a", "b"))
    for images in (fewer, others, renamed):
        with pytest.raises(ValueError, match="run on other images"):
            fit(images, None, SMALL, progress=None, checkpoint=copy, resume=True)


def test_a_checkpoint_is_not_overwritten(copy):
    before = copy.read_bytes()
    with pytest.raises(ValueError, match="holds a run that has not ended: go on"):
        train(copy)
    assert copy.read_bytes() == before


def test_resume_needs_a_checkpoint():
    with pytest.raises(ValueError, match="name its file"):
        train(None, resume=True)


# --- what may differ ------------------------------------------------------------------


def test_how_it_is_computed_may_change(copy):
    before = read_tensors(copy)[1]["seconds"]
    run = train(copy, replace(SMALL, accumulate=2), resume=True)
    assert len(run.history) == 2
    assert run.seconds > before > 0  # of both parts


def test_an_apple_gpu_s_random_numbers_are_kept_too(kept, tmp_path, monkeypatch):
    """There is none here: one that is asked for its state and given it back."""
    given: list[torch.Tensor] = []

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: torch.tensor([1, 2, 3]))
    monkeypatch.setattr(torch.mps, "set_rng_state", given.append)
    monkeypatch.setattr(one_step, "pick_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(loop, "train_step", stop)
    path = tmp_path / "checkpoint.safetensors"
    tensors, info = read_tensors(kept)
    tensors |= {k: of.get_rng_state() for k, of in library.random_sources().items()}
    write_tensors(path, tensors, info)
    assert len(train(path, resume=True).history) == 1
    assert [state.tolist() for state in given] == [[1, 2, 3]]


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "sgd"])
def test_float16_goes_on_with_the_scale_of_its_loss(tmp_path, optimizer):
    config = replace(SMALL, precision="float16", optimizer=optimizer)
    whole = train(None, config)
    path = tmp_path / "file"

    def stop(history):
        raise KeyboardInterrupt

    train(path, config, on_epoch=stop)
    tensors, info = read_tensors(path)
    assert info["scaler"]["scale"] == 2**12 and info["scaler"]["_growth_tracker"] > 0
    info["scaler"]["scale"] = 1000.0
    write_tensors(tmp_path / "other", tensors, info)
    assert same(whole, train(path, config, resume=True))
    assert not same(whole, train(tmp_path / "other", config, resume=True))


def test_auto_precision_is_measured_once(tmp_path, monkeypatch):
    config = replace(SMALL, precision="auto")
    path, answers = tmp_path / "file", iter(["bfloat16", "bfloat16"])
    monkeypatch.setattr(one_step, "pick_precision", lambda *_: (next(answers), ""))
    whole = train(None, config)
    calls = []

    def stop(history):
        calls.append(len(history))
        raise KeyboardInterrupt

    train(path, config, on_epoch=stop)
    assert same(whole, train(path, config, resume=True)) and calls == [1]


# --- the disk -------------------------------------------------------------------------


def test_a_full_disk_is_one_sentence_and_the_old_checkpoint_is_whole(copy):
    before = copy.read_bytes()
    # Linux's device that is always full.
    (copy.parent / "checkpoint.safetensors.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device.*unchanged; make room"):
        train(copy, resume=True)
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    assert copy.read_bytes() == before
    assert len(train(copy, resume=True).history) == 2  # there is room again


def test_the_file_reaches_the_disk_before_its_name_does(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def noted(*arguments, name=name, real=real):
            done.append(name)
            return real(*arguments)

        monkeypatch.setattr(library.os, name, noted)
    write_tensors(tmp_path / "file", {}, {})
    assert done == ["fsync", "replace", "fsync"]


def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path, monkeypatch):
    """The file is in its place by then."""
    done = []

    def fsync(file):
        done.append(file)
        if len(done) == 2:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(library.os, "fsync", fsync)
    write_tensors(tmp_path / "file", {"x": torch.ones(1)}, {})
    assert len(done) == 2 and read_tensors(tmp_path / "file")[0]["x"] == 1


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_that_cannot_lock_is_told_and_used(code, tmp_path, capsys, monkeypatch):
    def no_locks(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with hold(tmp_path / "checkpoint.safetensors"):
        pass
    said = capsys.readouterr().err
    assert f"{tmp_path} can't lock files ({os.strerror(code)}): make sure" in said
    assert list(tmp_path.iterdir()) == []


def command(out, *more):
    options = "--image-size 32 --no-aux --no-grow --batch-size 8 --precision float32"
    return [*options.split(), "--out", str(out), *more]


def test_a_folder_that_cannot_be_written_is_said_before_the_training(
    tmp_path, capsys, monkeypatch
):
    (tmp_path / "file").touch()
    assert main(command(tmp_path / "file" / "run")) == 2
    assert "error: can't write into" in capsys.readouterr().err

    def read_only(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr("filelock._unix.os.open", read_only)
        assert main(command(tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert "(Read-only file system): choose another folder" in error


# --- two runs -------------------------------------------------------------------------


def test_two_runs_do_not_mix(warm, few_pictures, tmp_path, capsys):
    options = command(tmp_path, "--data", str(few_pictures), "--epochs", "400")
    pid = warm.start(*options)
    await_checkpoint(tmp_path)
    for more in ([], ["--resume"], ["--seed", "1"]):
        assert main([*options, *more]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: another process is training into")
    # Its lock dies with it, though the file stays.
    warm.kill(pid)
    assert warm.wait(pid) == -9
    assert (tmp_path / "checkpoint.safetensors.lock").exists()
    with locked(tmp_path / "checkpoint.safetensors"):
        pass
    assert main(options) == 2
    assert "holds a run that has not ended" in capsys.readouterr().err
    names = {path.name for path in tmp_path.iterdir()} - {"history.csv"}
    assert names - {"checkpoint.safetensors.part"} == {"checkpoint.safetensors"}


def test_fit_in_two_notebooks_does_not_mix_either(warm, few_pictures, tmp_path):
    options = command(tmp_path, "--data", str(few_pictures), "--epochs", "400")
    pid = warm.start(*options)
    await_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="another process is training"):
        train(tmp_path / "checkpoint.safetensors")
    warm.kill(pid)
    warm.wait(pid)


# --- a loss that is no number ---------------------------------------------------------


def test_what_is_not_finite_is_named_with_the_last_good_checkpoint(copy, monkeypatch):
    real, calls = forward.googlenet_loss, []

    def loss(*arguments):
        calls.append(1)
        return real(*arguments) * (float("nan") if len(calls) == 2 else 1)

    monkeypatch.setattr(forward, "googlenet_loss", loss)
    before = copy.read_bytes()
    sentence = (
        r"the loss became nan in epoch 2, batch 2 of 2, at a learning rate of \S+: try "
        rf"a smaller lr; the last good checkpoint is {copy}, of epoch 1"
    )
    with pytest.raises(FloatingPointError, match=sentence):
        train(copy, resume=True)
    assert copy.read_bytes() == before


def test_weights_that_overflow_never_reach_a_checkpoint(copy, monkeypatch):
    """The loss of the last batch is fine, the step after it is not."""
    before = copy.read_bytes()

    def step(forward, *rest):
        result = gradients(forward, *rest)
        forward.network.fc.bias.grad.fill_(float("inf"))
        return result

    gradients = one_step.gradients
    monkeypatch.setattr(one_step, "gradients", step)
    monkeypatch.setattr(
        forward, "googlenet_loss", lambda out, _: out.nan_to_num().mean()
    )
    with pytest.raises(FloatingPointError, match="a weight became infinite in epoch 2"):
        train(copy, resume=True)
    assert copy.read_bytes() == before


def test_without_a_checkpoint_it_says_so(monkeypatch):
    monkeypatch.setattr(
        forward, "googlenet_loss", lambda out, _: out.sum() * float("inf")
    )
    with pytest.raises(FloatingPointError, match="there is no checkpoint before it"):
        train(None)
