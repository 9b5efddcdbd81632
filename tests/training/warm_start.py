"""Real training processes, started in milliseconds.

This file run as a program imports the library once (seconds) and then forks a process
that trains for each line it reads; imported, it offers ``Warm``, which starts it.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path


class Warm:
    """Starts commands ``python -m inception_lib.training …`` and waits for them."""

    def __init__(self, folder: Path):
        self.logs = folder
        self.program = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        )

    def ask(self, **job):
        print(json.dumps(job), file=self.program.stdin, flush=True)
        return json.loads(self.program.stdout.readline())

    def start(
        self, *arguments, plain=False, own_group=False, **environment: str
    ) -> int:
        """The id of a new process; ``plain`` takes dropout away, and most of the
        rounding; in its ``own_group`` a signal can reach it with its children and
        without us, as Ctrl-C would.
        """
        return self.ask(
            arguments=[str(argument) for argument in arguments],
            environment=environment,
            plain=plain,
            own_group=own_group,
            logs=str(self.logs),
        )

    def wait(self, pid: int, seconds: float = 300) -> int:
        """Its exit status; minus the signal's number if a signal ended it: SIGALRM's if
        it didn't end in time.
        """
        return self.ask(wait=pid, seconds=seconds)

    def run(self, *arguments, **options) -> int:
        return self.wait(self.start(*arguments, **options))

    def said(self, pid: int) -> str:
        return (self.logs / f"{pid}.log").read_text()

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self.program.stdin.close()
        self.program.stdout.close()
        self.program.wait()

    def group(self, n: int, *arguments, port: int, **options) -> list[int]:
        """The ids of n processes that train together, as ``torchrun`` starts them."""
        common = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "WORLD_SIZE": str(n),
            "TORCHELASTIC_RUN_ID": "test",
        }
        return [
            self.start(*arguments, **options, **common, RANK=str(i), LOCAL_RANK=str(i))
            for i in range(n)
        ]


def await_checkpoint(folder: Path, seconds: float = 60) -> None:
    """Return as soon as a run has written its first checkpoint into ``folder``."""
    end = time.monotonic() + seconds
    while not (folder / "checkpoint.safetensors").exists():
        assert time.monotonic() < end, "no checkpoint appeared"
        time.sleep(0.05)


def train(job: dict) -> None:
    """In the new process: run the command, its output in a file, and exit."""
    code = 70
    try:
        log = os.open(f"{job['logs']}/{os.getpid()}.log", os.O_CREAT | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ |= job["environment"]
        if job["own_group"]:
            os.setpgid(0, 0)
            # A shell's background jobs ignore it, and so do their children.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        torch.set_num_threads(int(os.environ.get("THREADS", "1")))
        if job["plain"]:
            Dropout.forward = lambda self, input: input  # type: ignore[method-assign]
            if "bfloat16" not in job["arguments"]:
                compute_in_float64()
        if seconds := float(os.environ.get("SLOW_DISK", 0)):
            slow_down_the_disk(seconds)
        if path := os.environ.get("SAVE_GRADIENTS"):
            register_optimizer_step_pre_hook(
                lambda optimizer, *_: save_gradients(optimizer, Path(path))
            )
        code = main(job["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def compute_in_float64() -> None:
    """Network, gradients and optimizer: all but the images and the loss."""
    build_model, prepare = step.build_model, step.prepare
    step.build_model = lambda *given: build_model(*given).double()
    step.prepare = lambda *given: prepare(*given).double()


def slow_down_the_disk(seconds: float) -> None:
    """So that a process can be killed while it writes."""
    sync = os.fsync

    def slow(file) -> None:
        time.sleep(seconds)
        sync(file)

    os.fsync = slow  # type: ignore[assignment]


def wait(pid: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -signal.SIGALRM


def save_gradients(optimizer, path: Path) -> None:
    """Keep the gradients of the first step, once per training."""
    if not path.exists():
        groups = optimizer.param_groups
        grads = [p.grad for group in groups for p in group["params"]]
        save_file({str(i): g.contiguous() for i, g in enumerate(grads)}, path)


if __name__ == "__main__":
    import torch
    from safetensors.torch import save_file
    from small_networks import PARTS, use
    from torch.nn import Dropout
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    from inception_lib.training import later, step
    from inception_lib.training.__main__ import main

    # Imported here, for all.
    imported = later.TF.resize, later.v2.Compose, later.tm.multiclass_auroc
    use(PARTS)
    # Its files are tested elsewhere.
    sys.modules["torch.utils.tensorboard"] = None  # type: ignore[assignment]
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            answer = wait(job["wait"], job["seconds"])
        else:
            answer = os.fork()
            if answer == 0:
                train(job)
        print(json.dumps(answer), flush=True)
