"""Several processes train as one: gradients, scores, checkpoints, and a death."""

import json
import re
import socket
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest
import torch
from safetensors.torch import load_file
from test_loop import CONFIG, stripes
from warm_start import await_checkpoint

from inception_lib import GoogLeNet
from inception_lib.training import distributed, load_run, metrics
from inception_lib.training.checkpoint import read_tensors
from inception_lib.training.command import read_data
from inception_lib.training.data import split
from inception_lib.training.step import check_sets

# Without batch norm, whose statistics a process takes over its own share, and (below,
# plain=True) without dropout, which differs from process to process as it should.
OPTIONS = (
    "--image-size 32 --no-aux --no-batch-norm --optimizer sgd --lr 0.001 --no-grow "
    "--batch-size 8 --precision float32"
).split()

# Sums are taken in another order. In float64 (plain=True) each is off by 1e-16, which
# grows in training, by a factor that depends on the processor: a million is too much,
# and still far from any mistake.
SAME = 1e-10


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def finish(warm, pids: list[int], seconds: float = 300) -> None:
    ends = [warm.wait(pid, seconds) for pid in pids]
    assert ends == [0] * len(pids), warm.said(pids[0])


def close(a: dict, b: dict, tolerance: float) -> bool:
    """Whether all tensors agree, within this fraction of the largest value of each."""
    assert a.keys() == b.keys()
    return all((a[k] - b[k]).abs().max() <= tolerance * a[k].abs().max() for k in a)


@pytest.fixture(scope="module")
def command(few_pictures):
    return ["--data", few_pictures, *OPTIONS, "--epochs", 4, "--out"]


@pytest.fixture(scope="module")
def alone(warm, command, tmp_path_factory):
    """The run of a single process, and the gradients of its first step."""
    out = tmp_path_factory.mktemp("alone")
    gradients = str(out.parent / "gradients_alone")
    finish(warm, [warm.start(*command, out, plain=True, SAVE_GRADIENTS=gradients)])
    return out, load_file(gradients)


@pytest.fixture(scope="module")
def together(warm, command, tmp_path_factory):
    """The run of two processes, what each of them said, and the first gradients."""
    out = tmp_path_factory.mktemp("together")
    path = str(out.parent / "gradients_together")
    pids = warm.group(2, *command, out, port=port(), plain=True, SAVE_GRADIENTS=path)
    finish(warm, pids)
    return out, [warm.said(pid) for pid in pids], load_file(path)


def test_two_processes_have_the_gradients_and_weights_of_one(alone, together):
    assert close(alone[1], together[2], SAME)
    one, two = (load_file(out / "model.safetensors") for out in (alone[0], together[0]))
    assert close(one, two, SAME)
    losses = [load_run(out).history["loss"].tolist() for out in (alone[0], together[0])]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)  # float32


def test_only_the_first_process_writes_and_speaks(together):
    out, (first, second), _ = together
    assert "2 processes, each: cpu" in first and "ROC AUC" in first
    assert second == ""
    names = {path.name for path in out.iterdir()}
    assert names == {"config.json", "history.csv", "metrics.json", "model.safetensors"}


def test_the_scores_are_those_of_one_process_on_the_same_network(together):
    run = load_run(together[0])
    saved = json.loads((together[0] / "metrics.json").read_text())
    parts = split(read_data(run.config))
    for name, data in {"validation": parts.validation, "test": parts.test}.items():
        probabilities = run.predict(data)
        assert saved[name]["images"] == len(data)
        expected = metrics.scores(probabilities, data.labels)
        assert {k: saved[name][k] for k in expected} == pytest.approx(expected)
    last = run.history.iloc[-1]
    probabilities = run.predict(parts.validation, views="one")
    loss = -probabilities.gather(1, parts.validation.labels[:, None]).log().mean()
    assert last["validation_loss"] == pytest.approx(loss.item(), rel=1e-4)


def test_two_processes_take_the_steps_of_one_with_muon(warm, command, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    options = ["--optimizer", "muon", "--epochs", 1]
    finish(warm, [warm.start(*command, one, *options, plain=True)])
    finish(warm, warm.group(2, *command, two, *options, port=port(), plain=True))
    a, b = (load_file(out / "model.safetensors") for out in (one, two))
    assert close(a, b, SAME)


def test_in_bfloat16_the_gradients_are_those_of_one_but_for_rounding(
    warm, command, tmp_path
):
    paths = {name: str(tmp_path / f"gradients_{name}") for name in ("one", "two")}
    options = ["--precision", "bfloat16", "--epochs", 1]
    for name, path in paths.items():
        run = [*command, tmp_path / name, *options]
        saved = {"plain": True, "SAVE_GRADIENTS": path}
        if name == "one":
            finish(warm, [warm.start(*run, **saved)])
        else:
            finish(warm, warm.group(2, *run, port=port(), **saved))
    one, two = (load_file(path) for path in paths.values())
    assert close(one, two, 0.03) and not close(one, two, 1e-6)


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_spread_work_comes_back_in_order(processes, n, monkeypatch):
    tensors = [torch.full((i % 3 + 1, 2), float(i)) for i in range(n)]
    monkeypatch.setattr(distributed, "count", lambda: processes)
    sent: dict[int, torch.Tensor] = {}
    done: list[torch.Tensor] = []

    def twice(tensor):
        done.append(tensor)
        return 2 * tensor

    def send(flat, owner):
        if owner == distributed.rank():
            sent[owner] = flat.clone()

    def receive(flat, owner):
        flat.copy_(sent[owner])

    for exchange in (send, receive):
        monkeypatch.setattr(distributed.dist, "broadcast", exchange)
        results: list[list] = []
        done.clear()
        for rank in range(processes):
            monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
            results.append(distributed.spread(twice, tensors))
        assert len(done) == n  # each by one process
    for result in results:
        assert all(map(torch.equal, result, [2 * tensor for tensor in tensors]))
        assert len(result) == n


def test_accumulated_gradients_are_those_of_the_whole_batch(
    warm, command, alone, tmp_path
):
    path = str(tmp_path / "gradients")
    out = tmp_path / "out"
    arguments = [*command, out, "--accumulate", 4]
    assert warm.run(*arguments, plain=True, SAVE_GRADIENTS=path) == 0
    assert close(alone[1], load_file(path), SAME)


def test_two_go_on_as_one_after_a_death(warm, command, alone, tmp_path):
    pids = warm.group(2, *command, tmp_path, port=port(), plain=True)
    await_checkpoint(tmp_path)
    warm.kill(pids[1])
    assert [warm.wait(pid) for pid in pids] == [2, -9]
    said = warm.said(pids[0])
    assert "error: process 0 lost contact with another of the 2 processes" in said
    assert f"continue from {tmp_path / 'checkpoint.safetensors'} with --resume" in said
    assert "Traceback" not in said
    assert warm.run(*command, tmp_path, "--resume", plain=True) == 0
    one, two = (load_file(p / "model.safetensors") for p in (alone[0], tmp_path))
    assert close(one, two, SAME)


def test_one_goes_on_as_two(warm, command, alone, tmp_path):
    pid = warm.start(*command, tmp_path, plain=True)
    await_checkpoint(tmp_path)
    warm.kill(pid)
    assert warm.wait(pid) == -9
    finish(warm, warm.group(2, *command, tmp_path, "--resume", port=port(), plain=True))
    one, two = (load_file(p / "model.safetensors") for p in (alone[0], tmp_path))
    assert close(one, two, SAME)
    assert len(load_run(tmp_path).history) == 4


def test_torchrun_ends_when_a_worker_is_killed(few_pictures, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    arguments = ["--data", str(few_pictures), *OPTIONS, "--epochs", "500"]
    with subprocess.Popen(
        [*torchrun, "-m", "inception_lib.training", *arguments, "--out", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        await_checkpoint(tmp_path)
        workers = psutil.Process(run.pid).children()
        workers[1].kill()
        _, said = run.communicate(timeout=60)
    assert run.returncode != 0
    # Which comes first, the loss or torchrun's SIGTERM, is chance.
    assert re.search(
        "^(error: process 0 lost contact|terminated: continue)", said, re.M
    )
    assert "Warning" not in said
    assert read_tensors(tmp_path / "checkpoint.safetensors")[1]["rows"]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 5, 7, 12])
def test_shares_put_together_are_every_row_once(processes, n, monkeypatch):
    monkeypatch.setattr(distributed, "count", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(distributed.share(n))

    def all_gather(parts, _):
        for part, share in zip(parts, shares, strict=True):
            part.copy_(share)

    monkeypatch.setattr(distributed.dist, "all_gather", all_gather)
    assert distributed.gather(shares[0], n).tolist() == list(range(n))


def test_dropout_differs_and_everything_else_stays_in_step(monkeypatch):
    monkeypatch.setattr(distributed, "count", lambda: 2)
    inside, after = [], []
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        torch.manual_seed(0)
        for step in range(2):
            with distributed.own_random_numbers(0, step):
                inside.append(torch.rand(()).item())
            after.append(torch.rand(()).item())
    assert len(set(inside)) == 4
    assert after[:2] == after[2:] and after[0] != after[1]


def test_running_statistics_become_the_mean_of_all_processes(monkeypatch):
    mine, theirs = (GoogLeNet(2, image_size=64, batch_norm=True) for _ in range(2))
    for model in (mine, theirs):
        model(torch.rand(2, 3, 64, 64))

    def statistics(model):
        return [b.clone() for b in model.buffers() if b.is_floating_point()]

    def all_reduce(flat):
        flat += torch.cat([b.flatten() for b in statistics(theirs)])

    pairs = zip(statistics(mine), statistics(theirs), strict=True)
    expected = [(a + b) / 2 for a, b in pairs]

    monkeypatch.setattr(distributed, "count", lambda: 2)
    monkeypatch.setattr(distributed.dist, "all_reduce", all_reduce)
    distributed.average_buffers(mine)
    assert all(map(torch.allclose, statistics(mine), expected))


def test_a_batch_that_does_not_divide_is_refused_with_the_numbers(monkeypatch):
    with pytest.raises(ValueError, match="a batch of 8 in 1 × 3 parts"):
        replace(CONFIG, accumulate=3)
    monkeypatch.setattr(distributed, "count", lambda: 3)
    with pytest.raises(ValueError, match="a batch of 8 in 3 × 1 parts"):
        check_sets(stripes(8), None, CONFIG)


def test_a_batch_norm_of_a_single_value_is_refused_with_the_numbers():
    """In small images the last maps are 1×1."""
    tiny = replace(CONFIG, image_size=32, aux=False)
    message = "8 in 1 × 8 parts .* leaves one image, and its 32×32 pixels one value"
    with pytest.raises(ValueError, match=message):
        replace(tiny, accumulate=8)
    with pytest.raises(ValueError, match="its 40×40 pixels"):  # at the beginning
        replace(tiny, image_size=64, grow=True, batch_size=1)
    with pytest.raises(ValueError, match="8 in 2 × 4 parts .* leaves one image"):
        replace(tiny, accumulate=4).check_batch(processes=2)
    for fine in ({"accumulate": 4}, {"batch_norm": False, "accumulate": 8}):
        replace(tiny, **fine).check_batch()
    replace(tiny, image_size=64, batch_size=1)
