"""The command: ``inception train``, ``predict`` and ``export``."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from csv import writer
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor
from tqdm import tqdm
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from ..checks import at_home
from ..model.googlenet import check_image_size
from . import distributed, metrics
from .checkpoint import Checkpoint, check_finished, hold
from .config import TrainingConfig
from .data import Images, image_folder, solar_cells, split
from .duration import in_words, seconds_ahead
from .export import save_for_use
from .interrupts import Terminated, sigterm_raises
from .log import Log, any_terminal, tell
from .loop import fit
from .pictures import shown
from .run import BATCH, Run, load_run, picture_files, save_run
from .stream import image_stream

LONG = 200  # steps: of a shorter training nobody asks how long it will take

Config = OmitArgPrefixes[
    Annotated[
        TrainingConfig,
        arg(name="training", help="The defaults won on validation."),
    ]
]


# The help takes each docstring as it is, if a line doesn't begin with a letter.
def train(
    config: Config,
    out: Path | None = None,
    resume: FlagCreatePairsOff[bool] = False,
) -> int:
    """Train GoogLeNet on the solar cells of this package, or on your own pictures.

    $ inception train --out runs/cells
    $ inception train --data my_pictures --epochs 40 --out runs/mine
    $ inception train --data mine --weights runs/cells --freeze 3 --out runs/tuned
    $ torchrun --nproc-per-node 2 -m inception_lib.training --out runs/two

    - Your own pictures are a folder with one subfolder per class, or the same in
      folders train, validation and test, which are then used as they are.
    - Else three disjoint sets are split off: the network is trained on the first,
      measured on the second after every epoch, and on the third, the test set,
      once, at the end. With --final the first two are one.
    - --out receives config.json, history.csv (a line as each epoch ends),
      metrics.json and model.safetensors; while the training runs also
      checkpoint.safetensors, from which the same command with --resume continues.

    Args:
        out: folder for the results; without it nothing is kept
        resume: continue from the checkpoint in --out; without one, begin
    """
    out = at_home(out) if out else None
    checkpoint = out / "checkpoint.safetensors" if out else None
    try:
        if resume and out is None:
            raise ValueError("--resume needs --out, the folder of the run to continue")
        check_image_size(config.image_size, config.aux, 3)  # before reading the data
        with (
            sigterm_raises(),
            distributed.process_group(),
            hold(checkpoint, resume) as held,
        ):
            config.check_batch(distributed.count())
            if out and not held.resume and (out / "model.safetensors").exists():
                if not resume:
                    raise ValueError(
                        f"{out} holds a finished run: choose another --out"
                    )
                say(check_finished(out, config))
                return 0
            return train_and_save(config, out, held)
    except KeyboardInterrupt as interrupt:
        return interrupted(checkpoint, interrupt)
    except RuntimeError as error:
        if not distributed.is_loss_of_contact(error):
            raise
        tell(
            f"error: process {distributed.rank()} lost contact with another of the "
            f"{distributed.count()} processes, which must have ended\n"
            f"interrupted: {how_to_continue(checkpoint)}",
            sys.stderr,
        )
        return 2


def train_and_save(config: TrainingConfig, out: Path | None, held: Checkpoint) -> int:
    """The whole run: read, split, train, measure, save."""
    data = read_data(config)
    train, held_out, test = split(data, config.split_seed, config.split_by)
    measured = {"validation": held_out, "test": test}
    validation: Images | None = held_out
    if config.final:
        train, validation = train.joined(held_out), None
        del measured["validation"]
    say(
        f"{len(train)} training, {len(validation or ())} validation, {len(test)} "
        f"test images, classes {', '.join(data.classes)}"
    )
    steps = config.epochs * (len(train) // config.batch_size)
    begun = held.resume and held.path and held.path.exists()
    asked = steps >= LONG and not config.minutes
    if asked and not begun and distributed.count() == 1:
        seconds = seconds_ahead(train, validation, config)
        say(f"about {in_words(seconds)} of training here, once it begins")
    log = Log(out) if out else None
    run = fit(train, validation, config, on_epoch=log, checkpoint=held, report=say)
    if run.interrupted and run.history.empty:
        raise KeyboardInterrupt  # an untrained network isn't worth a folder
    result = {name: summarise(run, data) for name, data in measured.items()}
    timing = {"training_seconds": round(run.seconds, 1)}  # before --resume, too
    if out and distributed.rank() == 0:  # first save, then tell
        save_run(run, out, result | timing)
        if held.path and not run.interrupted:
            held.path.unlink()  # it has done its work, and is large
    for name, s in result.items():
        say(
            f"{name:>10}: accuracy {s['accuracy']:.3f}  balanced "
            f"{s['balanced_accuracy']:.3f}  F1 {s['f1']:.3f}  "
            f"ROC AUC {s['roc_auc']:.3f}"
        )
    say(f"{'time':>10}: {run.seconds / 60:.1f} minutes of training")
    if out:
        say(f"{'saved':>10}: {out}")
    if run.interrupted:
        so_far = "these are the numbers of the weights so far"
        tell(f"interrupted: {so_far}; {how_to_continue(held.path)}", sys.stderr)
        return 130
    return 0


def read_data(config: TrainingConfig) -> Images:
    """The images that ``config.data`` names."""
    if config.on_solar_cells:
        own = Path(config.data)
        if own.is_dir() and any(path.is_dir() for path in own.iterdir()):
            raise ValueError(
                f"--data {own} means the solar cells of this package, but there is a "
                f"folder of that name here: --data ./{own} trains on its pictures; for "
                "the package's cells call this from another folder"
            )
        return solar_cells()
    # A patch of 8 % of the area needs pixels to spare.
    side = config.image_size * (2 if config.augmentation == "paper" else 1)
    options: dict[str, Any] = {
        "follow_links": config.follow_links,
        "full_scale": config.full_scale,
    }
    if config.stream:
        return image_stream(config.data, side, say, config.workers, **options)
    return image_folder(config.data, side, say, **options)


def summarise(run: Run, data: Images) -> dict:
    """Scores and confusion matrix of the run on ``data``."""
    probabilities = run.predict(data)
    matrix = metrics.confusion_matrix(probabilities, data.labels)
    return {
        "images": len(data),
        **metrics.scores(probabilities, data.labels),
        "confusion_matrix": matrix.tolist(),
    }


def say(text: str) -> None:
    """Print, once for all the processes that train together."""
    if distributed.rank() == 0:
        tell(text)


def interrupted(checkpoint: Path | None, interrupt: KeyboardInterrupt) -> int:
    """Say that the training has ended early; the exit status of the signal."""
    terminated = isinstance(interrupt, Terminated)
    if distributed.rank() == 0:
        what = "terminated" if terminated else "interrupted"
        tell(f"{what}: {how_to_continue(checkpoint)}", sys.stderr)
    return 143 if terminated else 130


def how_to_continue(checkpoint: Path | None) -> str:
    if checkpoint and checkpoint.exists():
        return f"continue from {checkpoint} with --resume"
    return "nothing was kept"


def predict(
    run: Positional[Path],
    pictures: Positional[tuple[Path, ...]],
    csv: Path | None = None,
    explain: Path | None = None,
) -> int:
    """Name what is in your pictures: a line each, with the likeliest class.

    $ inception predict runs/mine photo.jpg
    $ inception predict runs/mine folder/ --csv answers.csv --explain maps/

    - A folder stands for all files in it and in its subfolders, without hidden
      files and links.
    - A file that can't be read is named on stderr, and the others are answered.
    - Exit status: 0 if all files were answered, 1 if some were not, 2 on an error.

    Args:
        run: folder of a trained network, the --out of inception train
        pictures: picture files, or folders of them
        csv: file for a table with the probabilities of all classes
        explain: folder for heat maps: orange spoke for the answer, purple against it
    """
    if not pictures:
        raise ValueError("name at least one picture or folder")
    trained, files, failed = load_run(run), picture_files(pictures), 0
    if explain:
        check_matplotlib()
    csv, explain = (at_home(path) if path else None for path in (csv, explain))
    many = len(files) > BATCH  # then a bar, where stderr is a terminal
    bar = tqdm(trained.answers(files), total=len(files), disable=None if many else True)
    how: Any = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    with open(csv or os.devnull, "w", **how) as file:
        table = writer(file)
        table.writerow(["picture", "answer", *trained.classes, "problem"])
        for path, pixels, probabilities, problem in bar:
            if pixels is None or probabilities is None:
                failed += 1
                tell(problem, sys.stderr)
                row = ["", *[""] * len(trained.classes), problem]
            else:
                likeliest = int(probabilities.argmax())
                name, values = trained.classes[likeliest], probabilities.tolist()
                tell(f"{shown(path)}: {name} {max(values):.3f}")
                row = [name, *(f"{value:.6f}" for value in values), ""]
                if explain:
                    evidence = trained.evidence(pixels, torch.tensor([likeliest]))[0]
                    draw_evidence(pixels[0], evidence, map_file(explain, path))
            table.writerow([path.as_posix(), *row])
    return 1 if failed else 0


def check_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise ImportError(
            'drawing heat maps needs matplotlib: pip install "inception-lib[lab]"'
        )


def map_file(folder: Path, picture: Path) -> Path:
    """Where the heat map of a picture goes: as the picture lies, below ``folder``, with
    ``up`` for ``..``.
    """
    parts = [part for part in picture.parts if part != picture.anchor]
    inside = ["up" if part == ".." else part for part in parts]
    return folder.joinpath(*inside[:-1], inside[-1] + ".png")


def draw_evidence(image: Tensor, evidence: Tensor, path: Path, side: int = 448) -> None:
    """Write a C×S×S uint8 image with its evidence (h×w) over it: orange for the answer,
    purple against it.
    """
    from matplotlib import colormaps
    from matplotlib.image import imsave

    def large(x: Tensor) -> Tensor:  # C×h×w -> side×side×C
        x = F.interpolate(x[None].float(), [side, side], mode="bilinear")
        return x[0].permute(1, 2, 0)

    heat = large(evidence[None] / evidence.abs().max().clamp_min(1e-12))
    colours = torch.tensor(colormaps["PuOr_r"](0.5 + heat[..., 0].numpy() / 2))
    strength = 0.6 * heat.abs()  # what says nothing stays clear
    pixels = large(image) / 255 * (1 - strength) + colours[..., :3] * strength
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, pixels.clamp(0, 1).numpy())


def export(
    run: Positional[Path],
    folder: Positional[Path],
    int8: FlagCreatePairsOff[bool] = False,
) -> int:
    """Write a network for other programs: model.onnx, model.pt2, a model card.

    - Both models take pixels and give the probabilities of inception predict.

    Args:
        run: folder of a trained network, the --out of inception train
        folder: where the files go
        int8: also model.int8.onnx, which computes in 8 bits: several times as fast, a
            quarter of the bytes, and slightly other probabilities. Needs the pictures
            that the run was trained on
    """
    trained = load_run(run)
    tell(str(save_for_use(trained, folder, typical(trained) if int8 else None)))
    return 0


def typical(run: Run) -> Tensor:
    """Up to 256 of its training images as the network sees them, M×C×S×S uint8."""
    config = run.config
    train, *_ = split(read_data(config), config.split_seed, config.split_by)
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    return torch.cat([run.fitted(part) for part in train.pictures(chosen[:256])])


def carry_out(command: Callable[..., int], prog: str, arguments: list[str]) -> int:
    """The exit status of a command; what went wrong is one sentence on stderr."""

    @wraps(command)
    def with_arguments(*given, **named) -> Callable[[], int]:
        return lambda: command(*given, **named)

    box = io.StringIO()  # that tyro draws around a mistake
    with any_terminal():
        try:
            with redirect_stderr(box):
                run = tyro.cli(with_arguments, prog=prog, args=arguments)
            return run()
        except SystemExit as done:  # after --help, or an option that doesn't exist
            if done.code:
                tell(f"error: {unboxed(box.getvalue())}; see {prog} --help", sys.stderr)
            return int(done.code or 0)
        except (ValueError, OSError, ImportError, FloatingPointError) as error:
            tell(f"error: {error}", sys.stderr)
            return 2


def unboxed(box: str) -> str:
    """The words of tyro's box, without its title, lines and help."""
    rows = [row.strip("│ ") for row in box.splitlines() if row[:1] not in "╭╰"]
    if rows[0] == box.splitlines()[0].strip():  # ASCII: a title above a line
        rows = rows[2:]
    parts = [""]
    for row in rows:
        if row and not row.strip("─-"):
            parts.append("")
        else:
            parts[-1] += f" {row}"
    said = [" ".join(part.split()) for part in parts]
    kept = [part for part in said if not part.startswith(("Argument help", "For full"))]
    return " ".join(kept).removeprefix("Error parsing config: ").rstrip(".")


def main(arguments: list[str] | None = None) -> int:
    """``inception``"""
    commands: dict[str, Any] = {"train": train, "predict": predict, "export": export}
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in commands:
        return carry_out(commands[name], f"inception {name}", rest)
    tell(f"usage: inception {{{','.join(commands)}}} ...\n")
    for command, function in commands.items():
        tell(f"  {command:<9}{function.__doc__.splitlines()[0]}")
    tell("\ninception train --help, and so on, says more.")
    return 0 if name in ("-h", "--help") else 2


def train_main(arguments: list[str] | None = None) -> int:
    """``python -m inception_lib.training``, which is ``inception train``."""
    given = sys.argv[1:] if arguments is None else arguments
    return carry_out(train, "python -m inception_lib.training", given)
