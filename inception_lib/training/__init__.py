"""Training: data, augment, config, loop, metrics, checkpoint; `python -m` runs the
command.
"""

from .augment import Augment
from .checkpoint import Run, load_run, save_run
from .config import TrainingConfig
from .data import ImageSet, image_folder, pixel_std, prepare, solar_cells, split
from .loop import fit

__all__ = [
    "Augment",
    "ImageSet",
    "Run",
    "TrainingConfig",
    "fit",
    "image_folder",
    "load_run",
    "pixel_std",
    "prepare",
    "save_run",
    "solar_cells",
    "split",
]
