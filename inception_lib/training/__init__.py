"""Training: config, data and augment; loop, optim and checkpoint; run, which answers.
The command is `inception`.
"""

from ..checks import extra

with extra("train"):
    from .augment import Augment
    from .config import TrainingConfig
    from .data import ImageSet, image_folder, pixel_std, prepare, solar_cells, split
    from .loop import fit
    from .pictures import load_picture
    from .run import Run, load_run, save_run
    from .stream import ImageStream, image_stream

__all__ = [
    "Augment",
    "ImageSet",
    "ImageStream",
    "Run",
    "TrainingConfig",
    "fit",
    "image_folder",
    "image_stream",
    "load_picture",
    "load_run",
    "pixel_std",
    "prepare",
    "save_run",
    "solar_cells",
    "split",
]
