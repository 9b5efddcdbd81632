"""Streams in a script without a guard, from standard input and without shared memory;
a torchrun that starts its workers again.
"""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import small_networks
from test_distributed import OPTIONS, finish, port
from torch.distributed import TCPStore
from warm_start import await_checkpoint

from inception_lib.training.checkpoint import read_tensors

STREAM = """\
from inception_lib.training import TrainingConfig, fit, split
from inception_lib.training.stream import image_stream

stream = image_stream({folder!r}, 32, report=print, workers=1)
train, validation, _ = split(stream)
config = TrainingConfig(image_size=32, epochs=2, batch_size=8, aux=False, grow=False)
run = fit(train, validation, config, progress=None)
print("epochs:", len(run.history))
"""
TINY_SHM = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"'


def script_in_a_file(source: str, folder: Path) -> list[str]:
    path = folder / "script.py"
    path.write_text(source)
    return [sys.executable, str(path)]


def unshared(*command: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", TINY_SHM, "sh", *command]


def may_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    return subprocess.run(unshared("true"), capture_output=True).returncode == 0


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_stream_needs_no_guard_no_file_and_no_shared_memory(
    way, few_pictures, tmp_path
):
    source = STREAM.format(folder=str(few_pictures))
    command, stdin = script_in_a_file(source, tmp_path), ""
    if way == "standard input":
        command, stdin = [sys.executable, "-"], source
    if may_mount():  # only root may
        command = unshared(*command)
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "epochs: 2"


def test_torchrun_starts_killed_workers_again(warm, few_pictures, tmp_path):
    """With the weights of a training that nobody disturbed."""
    options = ["--data", str(few_pictures), *OPTIONS, "--epochs", "40", "--resume"]
    options += ["--checkpoint-minutes", "0", "--out"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    finish(warm, warm.group(2, *options, whole, port=port()))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["--max-restarts", "3", small_networks.__file__, *options, str(cut)]
    with subprocess.Popen(
        torchrun, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        await_checkpoint(cut, seconds=120)
        psutil.Process(run.pid).children()[1].kill()
        assert not (cut / "model.safetensors").exists()
        _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    one, two = (read_tensors(out / "model.safetensors")[0] for out in (whole, cut))
    assert all(one[name].equal(two[name]) for name in one)


def test_a_restart_finds_no_addresses_of_the_dead(warm, few_pictures, tmp_path):
    """torchrun's store outlives its workers; here, a store of ours."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    command = ["--data", few_pictures, *OPTIONS, "--epochs", 2, "--resume"]
    torchrun = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RUN_ID": "test",
        "GROUP_WORLD_SIZE": "1",
        "WORLD_SIZE": "2",
    }

    def start(rank: str, attempt: str) -> int:
        ids = {"RANK": rank, "LOCAL_RANK": rank, "TORCHELASTIC_RESTART_COUNT": attempt}
        return warm.start(*command, "--out", tmp_path, **torchrun, **ids)

    pids = [start(rank, attempt="0") for rank in "01"]
    await_checkpoint(tmp_path)
    for pid in pids:
        warm.kill(pid)
        warm.wait(pid)
    first = start("0", attempt="1")
    time.sleep(2)  # long enough to find the address of the other, or of a dead one
    finish(warm, [first, start("1", attempt="1")])


SENDER_AND_RECEIVER = """\
import os, sys, torch, torch.distributed as dist
from inception_lib.training.interrupts import ends_if_stuck, sigterm_raises

rank, where = int(sys.argv[1]), sys.argv[2]
numbers = torch.full((300_000_000,), rank, dtype=torch.int32)
dist.init_process_group("gloo", where, rank=rank, world_size=2)
with sigterm_raises(), ends_if_stuck(1):
    work = dist.broadcast(numbers, 0, async_op=True)
    while rank == 1:
        if numbers[0] == 0:  # in the middle of the transfer
            os.kill(os.getpid(), 9)
    work.wait()
"""


def test_who_waits_for_a_dead_process_ends_by_sigterm():
    """With gloo's own wait it would take half an hour."""
    where = f"tcp://127.0.0.1:{port()}"
    command = [sys.executable, "-c", SENDER_AND_RECEIVER]
    with (
        subprocess.Popen([*command, "0", where]) as sender,
        subprocess.Popen([*command, "1", where]) as receiver,
    ):
        try:
            assert receiver.wait(120) == -signal.SIGKILL
            with pytest.raises(subprocess.TimeoutExpired):
                sender.wait(3)
            sender.terminate()
            assert sender.wait(60) == 143
        finally:
            sender.kill()
