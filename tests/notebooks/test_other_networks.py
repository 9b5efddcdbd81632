"""08's cells, run on what a reader may bring: other classes, colours, other weights."""

import numpy as np
import prose
import pytest
import torch
from skimage.io import imsave
from torchvision.models import googlenet

from inception_lib.model import interop
from inception_lib.training import Run, TrainingConfig, image_folder

SIZE = 48  # without heads, which want larger images, and cost time


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes of pictures in colour."""
    root = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for k, name in enumerate(("reddish", "greenish", "bluish")):
        (root / name).mkdir()
        for i in range(9):
            pixels = rng.integers(0, 100, (SIZE, SIZE, 3), dtype=np.uint8)
            pixels[..., k] += 100
            imsave(root / name / f"{i}.png", pixels, check_contrast=False)
    return root


@pytest.fixture(scope="module")
def run():
    """torchvision's weights, of three classes."""
    torch.manual_seed(0)
    theirs = googlenet(num_classes=3, aux_logits=False, init_weights=False)
    model = interop.from_torchvision(theirs.state_dict()).eval()
    config = TrainingConfig(image_size=SIZE, aux=False)
    names = ("bluish", "greenish", "reddish")
    return Run(model.to(memory_format=torch.channels_last), config, names, 0.2)


def test_08_looks_into_other_networks(run, folder):
    """The folder is named in a cell as the comment there says. Once its filters are
    seen, the network is enough, without its run.
    """
    code = [c for c in prose.read("08").cells if c.cell_type == "code"]
    cells = {cell.id: cell.source for cell in code}
    theirs = "image_folder(folder, size)"
    assert theirs.replace("folder,", '"my_pictures",') in cells["08-data"]
    cells["08-data"] = cells["08-data"].replace("solar_cells(size)", theirs)
    start = cells["08-data"].index("rivals = baseline")
    cells["08-data"] = cells["08-data"][:start] + "rivals = {}"
    known: dict = {}
    exec(cells.pop("08-setup"), known)
    known |= {"trained_run": lambda _: run, "folder": folder}
    known |= {"image_folder": image_folder}
    for name, source in cells.items():
        if name == "08-ex1":
            break
        exec(compile(source, name, "exec"), known)
        if name == "08-filters-measure":
            del known["run"]
    assert len(known["curves"]) == len(known["similar"]) == 3
    assert len(known["by_mean"]) == 36
