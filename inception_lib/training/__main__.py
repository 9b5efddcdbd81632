"""The command line: python -m inception_lib.training. The same ``fit`` as in the
notebook.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import torch

from ..model.device import pick_device, pick_precision
from . import distributed, metrics
from .checkpoint import Run, build_model, save_run
from .config import TrainingConfig
from .data import Images, image_folder, solar_cells, split
from .lock import only_run
from .log import Log
from .loop import fit
from .stream import image_stream, worker_deaths

DESCRIPTION = """\
Train GoogLeNet on the solar cells that come with this package, or on your own pictures:
a folder with one subfolder per class. Three disjoint sets are split off by
--split-seed; the network is trained on the first, measured on the second after every
epoch, and on the third, the test set, once, at the end. With --final the first two
are one, and only the test set is measured. Started by torchrun, several processes train
one network together."""

EXAMPLES = """\
examples:
  python -m inception_lib.training --out runs/cells
  python -m inception_lib.training --data my_pictures --epochs 40 --out runs/mine
  python -m inception_lib.training --no-batch-norm --optimizer sgd
  python -m inception_lib.training --data mine --weights runs/cells --freeze 3
  torchrun --nproc-per-node 2 -m inception_lib.training --out runs/two

--out receives config.json, history.csv (a line as each epoch ends), metrics.json and
model.safetensors, and while it runs checkpoint.safetensors, from which the same command
with --resume goes on."""


def parser() -> argparse.ArgumentParser:
    """One option per field of ``TrainingConfig``, and where to put the result."""
    parser = argparse.ArgumentParser(
        prog="python -m inception_lib.training",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for f in fields(TrainingConfig):
        name = "--" + f.name.replace("_", "-")
        help = f.metadata["help"]
        if isinstance(f.default, bool):
            parser.add_argument(
                name,
                action=argparse.BooleanOptionalAction,
                default=f.default,
                help=f"{help} (default: {'yes' if f.default else 'no'})",
            )
        else:
            kind = float if f.default is None else type(f.default)
            shown = "" if f.default in (None, "") else f" (default: {f.default})"
            parser.add_argument(
                name,
                type=kind,
                default=f.default,
                choices=f.metadata["choices"],
                metavar=None if f.metadata["choices"] else kind.__name__.upper(),
                help=help + shown,
            )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the results (default: nowhere)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint in --out"
    )
    return parser


def read_data(config: TrainingConfig) -> Images:
    """The images that ``config.data`` names."""
    if config.data == "solar-cells":
        return solar_cells()
    # A patch of 8 % of the area needs pixels to spare.
    side = config.image_size * (2 if config.augmentation == "paper" else 1)
    if config.stream:
        return image_stream(config.data, side, say, config.workers)
    return image_folder(config.data, side, say)


def say(text: str) -> None:
    """Print, once for all the processes that train together."""
    if distributed.rank() == 0:
        print(text, flush=True)


def summarise(run: Run, data: Images) -> dict:
    """Scores and confusion matrix of the run on ``data``."""
    probabilities = run.predict(data)
    return {
        "images": len(data),
        **metrics.scores(probabilities, data.labels),
        "confusion_matrix": metrics.confusion_matrix(
            probabilities, data.labels
        ).tolist(),
    }


def check_unused(out: Path, checkpoint: Path) -> None:
    """Raise a ValueError if ``out`` holds another run: two runs don't mix."""
    if checkpoint.exists():
        raise ValueError(
            f"{out} holds a run that has not ended: go on with --resume, or "
            "choose another --out"
        )
    if (out / "model.safetensors").exists():
        raise ValueError(f"{out} holds a finished run: choose another --out")


def main(arguments: list[str] | None = None) -> int:
    options = vars(parser().parse_args(arguments))
    out, resume = options.pop("out"), options.pop("resume")
    checkpoint = out / "checkpoint.safetensors" if out else None
    try:
        if resume and out is None:
            raise ValueError(
                "--resume needs --out, the folder of the run to go on with"
            )
        config = TrainingConfig(**options)
        build_model(config, 2)  # refuses an impossible size before reading the data
        with distributed.process_group(), only_run(checkpoint), worker_deaths():
            return train(config, out, checkpoint, resume)
    except KeyboardInterrupt:
        return interrupted(checkpoint)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if not distributed.is_loss_of_contact(error):
            raise
        print(
            f"error: process {distributed.rank()} lost contact with another of the "
            f"{distributed.count()} processes, which must have ended",
            file=sys.stderr,
        )
        interrupted(checkpoint)
        return 2


def interrupted(checkpoint: Path | None) -> int:
    """Say that the training has ended early, and how to go on with it."""
    kept = "nothing was kept"
    if checkpoint and checkpoint.exists():
        kept = f"go on from {checkpoint} with --resume"
    print(f"interrupted: {kept}", file=sys.stderr)
    return 130


def train(
    config: TrainingConfig, out: Path | None, checkpoint: Path | None, resume: bool
) -> int:
    """The whole run: read, split, train, measure, save."""
    if out and checkpoint and not resume:
        check_unused(out, checkpoint)
    data = read_data(config)
    train, held_out, test = split(data, config.split_seed, config.split_by)
    measured = {"validation": held_out, "test": test}
    validation: Images | None = held_out
    if config.final:
        train, validation = train.joined(held_out), None
        del measured["validation"]
    device = pick_device()
    precision, reason = pick_precision(config.precision, device)
    processes = distributed.count()
    say(
        f"{len(train)} training, {len(validation or ())} validation, {len(test)} "
        f"test images, classes {', '.join(data.classes)}\n"
        f"{f'{processes} processes, each: ' if processes > 1 else ''}"
        f"{device.type}, {torch.get_num_threads()} threads, {precision} ({reason})"
    )
    run = fit(
        train,
        validation,
        config,
        on_epoch=Log(out) if out else None,
        checkpoint=checkpoint,
        resume=resume,
    )
    if run.interrupted and run.history.empty:
        raise KeyboardInterrupt  # an untrained network isn't worth a folder
    result = {name: summarise(run, data) for name, data in measured.items()}
    for name, s in result.items():
        say(
            f"{name:>10}: accuracy {s['accuracy']:.3f}  balanced "
            f"{s['balanced_accuracy']:.3f}  F1 {s['f1']:.3f}  "
            f"ROC AUC {s['roc_auc']:.3f}"
        )
    timing = {"training_seconds": round(run.seconds, 1)}  # before --resume, too
    say(f"{'time':>10}: {run.seconds / 60:.1f} minutes of training")
    if out and distributed.rank() == 0:
        say(f"{'saved':>10}: {save_run(run, out, result | timing)}")
        if checkpoint and not run.interrupted:
            checkpoint.unlink()  # it has done its work, and is large
    if run.interrupted:
        print(
            "interrupted: these are the numbers of the weights so far", file=sys.stderr
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
