"""A network to look into: the reader's own, or one trained in a minute or two."""

from pathlib import Path

from ..training import Run, TrainingConfig, fit, load_run, save_run, solar_cells, split
from .live import LiveTraining

# Half of the work of the default run: enough to look into, not to boast of.
QUICK = TrainingConfig(image_size=96, epochs=20)


def trained_run(folder: str | Path) -> Run:
    """The run that ``folder`` holds; an empty folder gets a quick one on solar cells.

    Any run of ``inception train --out FOLDER`` will do. The quick one
    is kept for the next call, unless it was interrupted or the folder can't be written.
    Raises ValueError if what is there is no run, or a damaged one.
    """
    folder = Path(folder)
    if (folder / "model.safetensors").exists():
        return load_run(folder)
    train, validation, _ = split(solar_cells(), seed=QUICK.split_seed)
    live = LiveTraining()
    run = fit(train, validation, QUICK, progress=live, on_epoch=live.draw)
    if not run.interrupted:
        try:
            save_run(run, folder, {})
        except OSError as error:
            print(f"This network is not kept for the next time: {error}")
    return run
