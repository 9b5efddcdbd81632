"""The command line: python -m inception_lib.training. The same ``fit`` as in the
notebook.
"""

import argparse
import sys
import time
from dataclasses import fields
from pathlib import Path

import torch

from ..model.device import pick_device, pick_precision
from . import metrics
from .checkpoint import Run, build_model, save_run
from .config import TrainingConfig
from .data import ImageSet, image_folder, solar_cells, split
from .loop import fit

DESCRIPTION = """\
Train GoogLeNet on the solar cells that come with this package, or on your own pictures:
a folder with one subfolder per class. Three disjoint sets are split off by
--split-seed; the network is trained on the first, measured on the second after every
epoch, and on the third, the test set, once, at the end. With --final the first two
are one, and only the test set is measured."""

EXAMPLES = """\
examples:
  python -m inception_lib.training --out runs/cells
  python -m inception_lib.training --data my_pictures --epochs 40 --out runs/mine
  python -m inception_lib.training --no-batch-norm --optimizer sgd

--out receives config.json, history.csv, metrics.json and model.safetensors, and while
it runs checkpoint.safetensors, from which the same command with --resume goes on."""


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
            shown = "" if f.default is None else f" (default: {f.default})"
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


def read_data(config: TrainingConfig) -> ImageSet:
    """The images that ``config.data`` names."""
    if config.data == "solar-cells":
        return solar_cells()
    return image_folder(config.data, image_size=config.image_size)


def summarise(run: Run, data: ImageSet) -> dict:
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
    try:
        if resume and out is None:
            raise ValueError(
                "--resume needs --out, the folder of the run to go on with"
            )
        config = TrainingConfig(**options)
        build_model(config, 2)  # refuses an impossible size before reading the data
        checkpoint = out / "checkpoint.safetensors" if out else None
        if out and not resume:
            check_unused(out, checkpoint)
        data = read_data(config)
        train, validation, test = split(data, config.split_seed)
        measured = {"validation": validation, "test": test}
        if config.final:
            train, validation = train.joined(validation), None
            del measured["validation"]
        device = pick_device()
        precision, reason = pick_precision(config.precision, device)
        print(
            f"{len(train)} training, {len(validation or ())} validation, {len(test)} "
            f"test images, classes {', '.join(data.classes)}\n"
            f"{device.type}, {torch.get_num_threads()} threads, {precision} ({reason})"
        )
        start = time.perf_counter()
        run = fit(
            train,
            validation,
            config,
            checkpoint=checkpoint,
            resume=resume,
        )
        seconds = time.perf_counter() - start
        result = {name: summarise(run, data) for name, data in measured.items()}
        for name, s in result.items():
            print(
                f"{name:>10}: accuracy {s['accuracy']:.3f}  balanced "
                f"{s['balanced_accuracy']:.3f}  F1 {s['f1']:.3f}  "
                f"ROC AUC {s['roc_auc']:.3f}"
            )
        timing = {"training_seconds": round(seconds, 1)}
        print(f"{'time':>10}: {seconds / 60:.1f} minutes of training")
        if out:
            print(f"{'saved':>10}: {save_run(run, out, result | timing)}")
            if not run.interrupted:
                checkpoint.unlink()  # it has done its work, and is large
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if run.interrupted:
        print(
            "interrupted: these are the numbers of the weights so far", file=sys.stderr
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
