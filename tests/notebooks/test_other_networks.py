"""08's cells, run on what a reader may bring: other classes, colours, other weights."""

import numpy as np
import prose
import pytest
import torch
from skimage.io import imsave
from torchvision.models import googlenet

from inception_lib.model import interop
from inception_lib.training import Run, TrainingConfig, image_folder, prepare
from inception_lib.training.run import build_model

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


def own_run(folder, cells: dict[str, str]) -> dict:
    """A run with three classes, and the folder named in the cell as the comment there
    says.
    """
    torch.manual_seed(0)
    config = TrainingConfig(image_size=SIZE, aux=False, data=str(folder))
    names = ("bluish", "greenish", "reddish")
    model = build_model(config, 3).eval().to(memory_format=torch.channels_last)
    run = Run(model, config, names, 0.2)
    theirs = "image_folder(folder, size)"
    assert theirs.replace("folder,", '"my_pictures",') in cells["08-data"]
    cells["08-data"] = cells["08-data"].replace("solar_cells(size)", theirs)
    start = cells["08-data"].index("rivals = baseline")
    cells["08-data"] = cells["08-data"][:start] + "rivals = {}"
    known = {"trained_run": lambda _: run, "folder": folder}
    return known | {"image_folder": image_folder}


def bare_network(folder, cells: dict[str, str]) -> dict:
    """torchvision's weights, without a run: what the two cells would have set."""
    for name in ("08-run", "08-data", "08-filters", "08-filters-measure"):
        del cells[name]
    torch.manual_seed(0)
    theirs = googlenet(num_classes=3, aux_logits=False, init_weights=False)
    model = interop.from_torchvision(theirs.state_dict()).eval()
    data = image_folder(folder, SIZE).subset(slice(None, None, 4))
    x = prepare(data.images, 0.2).contiguous(memory_format=torch.channels_last)
    return {
        "model": model.to(memory_format=torch.channels_last),
        "rivals": {},
        "size": SIZE,
        "x": x,
        "target": 1,
        "images": data.images,
        "labels": data.labels,
        "classes": data.classes,
        "validation": data,
    }


@pytest.mark.parametrize("bring", [own_run, bare_network])
def test_08_looks_into_other_networks(bring, folder):
    code = [c for c in prose.read("08").cells if c.cell_type == "code"]
    cells = {cell.id: cell.source for cell in code}
    known = bring(folder, cells)
    setup = cells.pop("08-setup")
    imports: dict = {}
    exec(setup, imports)
    known = imports | known
    for name, source in cells.items():
        if name == "08-ex1":
            break
        exec(compile(source, name, "exec"), known)
    assert len(known["curves"]) == len(known["similar"]) == 3
    assert len(known["by_mean"]) == 36
