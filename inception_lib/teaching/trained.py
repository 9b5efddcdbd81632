"""The network that the notebooks look into: the one that 07 kept, or a quick one."""

from pathlib import Path

from ..training import Run, TrainingConfig, fit, load_run, save_run, solar_cells, split
from .live import LiveTraining

# Half of the epochs of the default run: enough to look into, not to boast of.
QUICK = TrainingConfig(epochs=12)


def keep(run: Run, folder: str | Path) -> Path:
    """Save the run for the notebooks that follow, say where, and return the folder.

    A network of other data that is in ``folder``, such as one trained on your own
    pictures, stays there: then the folder's name gets "-07".
    """
    folder = Path(folder)
    if (folder / "model.safetensors").exists():
        if (other := load_run(folder).config.data) != run.config.data:
            print(f"{folder} holds a network trained on {other}, which stays there")
            folder = folder.with_name(f"{folder.name}-07")
    try:
        print(f"kept in {save_run(run, folder)}")
    except OSError as error:
        print(f"this network is not kept for the next time: {error}")
    return folder


def trained_run(folder: str | Path, quick: str | Path = "../runs/quick") -> Run:
    """The run that ``folder`` holds, where 07 keeps its own; if it holds none, the one
    in ``quick``, which is trained on the solar cells if that is empty, too. Says which.

    Any run of ``inception train --out FOLDER`` will do. The quick one is kept for the
    next call, unless it was interrupted or the folder can't be written. Raises
    ValueError if what is there is no run, or a damaged one.
    """
    for place in (Path(folder), Path(quick)):
        if (place / "model.safetensors").exists():
            run = load_run(place)
            print(f"the network in {place}, {told(run)}")
            return run
    print(f"{folder} holds no network (07 keeps one there): here comes a quick one")
    train, validation, _ = split(solar_cells(), seed=QUICK.split_seed)
    live = LiveTraining()
    run = fit(train, validation, QUICK, progress=live, on_epoch=live.draw)
    if not run.interrupted:
        keep(run, quick)
    return run


def told(run: Run) -> str:
    config = run.config
    return f"trained on {config.data}, {config.epochs} epochs at {config.image_size} px"
