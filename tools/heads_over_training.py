"""How well each of the three outputs does while a network trains, as a table.

python tools/heads_over_training.py [--image-size 96] [--epochs 20] [--seed 0]

Appends to inception_lib/teaching/data/heads_over_training.csv: after every epoch the
validation accuracy and ROC AUC of the running average, with each of its outputs.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from inception_lib.analysis.parts import answers
from inception_lib.training import (
    TrainingConfig,
    fit,
    metrics,
    pixel_std,
    prepare,
    solar_cells,
    split,
)
from inception_lib.training.checkpoint import build_model, read_tensors

TABLE = Path(__file__).parents[1] / "inception_lib/teaching/data"
TABLE /= "heads_over_training.csv"


def measure(checkpoint: Path, config: TrainingConfig, size: int, data, std: float):
    """A row per output: its scores on ``data`` at the size of that epoch."""
    model = build_model(config, len(data.classes))
    prefix = "average.module."
    tensors, _ = read_tensors(checkpoint)
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if prefix in k}
    model.load_state_dict(state)
    model.image_size = size
    model.eval()
    images = data.resized(size).images
    with torch.no_grad():
        parts = [answers(model, prepare(part, std)) for part in images.split(64)]
    for name in parts[0]:
        logits = torch.cat([part[name][1] for part in parts])
        scores = metrics.scores(logits.softmax(1), data.labels)
        yield {"output": name, **{k: scores[k] for k in ("accuracy", "roc_auc")}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"image-size": 96, "epochs": 20, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    config = TrainingConfig(**vars(parser.parse_args()))
    config = replace(config, optimizer="adamw", batch_size=32)  # as the table so far
    train, validation, _ = split(solar_cells(), seed=config.split_seed)
    std, rows = pixel_std(train), []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.safetensors"

        def look(history: pd.DataFrame) -> None:
            epoch, size = history.iloc[-1][["epoch", "image_size"]].astype(int)
            fixed = {"image_size": config.image_size, "seed": config.seed}
            for row in measure(checkpoint, config, int(size), validation, std):
                rows.append({**fixed, "epoch": epoch, **row})

        run = fit(train, validation, config, checkpoint=checkpoint, on_epoch=look)
    if run.interrupted:
        raise SystemExit("interrupted: the table stays as it was")
    table = pd.DataFrame(rows).round(4)
    if TABLE.exists():
        table = pd.concat([pd.read_csv(TABLE), table])
    table.to_csv(TABLE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
