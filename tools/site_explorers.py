"""What the site's explorers show beyond arithmetic: numbers of the notebooks' cells.

python tools/site_explorers.py    # measures docs/gradients.json anew (a minute)

An explorer becomes a file of JavaScript, which its page loads: its controls, read off
the notebook's own widget, and the numbers that docs/_static/explorers draws. Gradients,
which take longest, are measured once and kept, in docs/gradients.json.
"""

import base64
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import torch
from ipywidgets import VBox
from torch import Tensor

from inception_lib.analysis.gradients import LossGradients
from inception_lib.teaching.drawing import CREDIT
from inception_lib.teaching.explorer import Choice, Slider
from inception_lib.teaching.lessons import nb01, nb04, nb05, nb07, nb10, nb11
from inception_lib.training import Run, solar_cells, split

ROOT = Path(__file__).resolve().parents[1]
GRADIENTS = ROOT / "docs" / "gradients.json"
KINDS = ("squeezed", "heads", "norm", "speed", "defect", "cracks")
EVERY = 4  # of notebook 01's cells, and of 05's rows and columns, one in so many
LOOKED_AT = 4  # of the validation cells one in so many says what is rare, and healthy
HEALTHY = 8  # cells to draw cracks into


def run_cells(notebook: str, *ids: str, **given: Any) -> dict[str, Any]:
    """The names that these cells of a notebook define, one cell after the other, with
    ``given`` put in place of what the first one, the set-up, defines.
    """
    cells = nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4).cells
    sources = {cell.id: cell.source for cell in cells}
    names: dict[str, Any] = {}
    for i, cell in enumerate(ids):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(sources[cell], f"{notebook}, {cell}", "exec"), names)
        if i == 0:
            names |= given
    return names


def controls(widget: VBox) -> dict[str, Any]:
    """An explorer's sliders (what it says, least, most, step, start), buttons (options,
    the pressed one) and presets, each by the word beside it.
    """
    rows = [row.children[0] for row in widget.children[:-1]]
    named = {row.description: row for row in rows}
    preset = named.pop("preset", None)
    sliders = {n: row for n, row in named.items() if isinstance(row, Slider)}
    choices = {n: row for n, row in named.items() if isinstance(row, Choice)}
    found: dict[str, Any] = {
        "sliders": {
            name: [f"{name}, {s.unit.value}", s.min, s.max, s.step, s.value]
            for name, s in sliders.items()
        },
        "choices": {name: [c.options, c.value] for name, c in choices.items()},
    }
    if preset is not None:
        found["start"] = preset.value
        found["presets"] = {}
        for name in preset.options:
            preset.value = name
            found["presets"][name] = {n: s.value for n, s in sliders.items()}
    return found


def coded(numbers: Tensor, kind: type) -> str:
    """Numbers as the bytes of this kind, in base64."""
    return base64.b64encode(numbers.numpy().astype(kind).tobytes()).decode()


def squeezed() -> dict[str, Any]:
    """01's cells through the best bottleneck: pixels, directions, errors."""
    ids = ("01-setup", "01-shuffle-cells", "01-maps", "01-svd")
    found = run_cells("01_bottleneck", *ids)
    shown = found["data"].images[::EVERY]
    widget = nb01.explore_squeezed(
        found["maps"], found["directions"], found["predicted"], channels=4, cell=40
    )
    spec = controls(widget)
    name, low, _, _, start = spec["sliders"]["cell"]
    spec["sliders"]["cell"] = [name, low, EVERY * (len(shown) - 1), EVERY, start]
    return spec | {
        "title": "Sliders of a bottleneck that pictures go through",
        "side": shown.shape[-1],
        "every": EVERY,
        "pixels": coded(shown, np.uint8),
        "directions": coded(found["directions"], np.float32),
        "errors": found["predicted"],
        "credit": CREDIT,
    }


def kept() -> list[dict[str, Any]]:
    return json.loads(GRADIENTS.read_text(encoding="utf-8"))


def gradients() -> nb04.Measured:
    """04's gradients, as they were kept."""
    return {
        tuple(one["key"]): LossGradients(
            tuple(one["stages"]),
            torch.tensor(one["weight_norms"]).double(),
            torch.tensor(one["products"]).double(),
        )
        for one in kept()
    }


def heads() -> dict[str, Any]:
    return controls(nb04.explore_heads(gradients())) | {
        "title": "Switches of the initialisation, sliders of the heads' weights",
        "measured": kept(),
        "lowest": nb04.LOWEST,
        "highest": nb04.HIGHEST,
        "taps": nb04.TAPS,
    }


def norm_maps() -> Tensor:
    """05's maps before the norm: every fourth row and column, and the loudest place."""
    ids = ("05-setup", "05-norm", "05-norm-same", "05-norm-peaks")
    first = solar_cells().subset([0])  # the cell needs no other
    found = run_cells("05_googlenet", *ids, solar_cells=first.resized)
    maps = found["before"][0]
    row, column = divmod(int(maps.amax(0).argmax()), maps.shape[2])
    return maps[:, row % EVERY :: EVERY, column % EVERY :: EVERY].contiguous()


def norm() -> dict[str, Any]:
    maps = norm_maps()
    return controls(nb05.explore_norm(maps)) | {
        "title": "Sliders of the local response norm",
        "channels": len(maps),
        "maps": coded(maps, np.float32),
    }


def measured_speed() -> pd.DataFrame:
    """07's table, as the page shows it: a measurement of the machine it was run on."""
    cells = nbformat.read(ROOT / "notebooks" / "07_training.ipynb", as_version=4).cells
    (cell,) = (cell for cell in cells if cell.id == "07-speed-measure")
    (output,) = (output for output in cell.outputs if "data" in output)
    rows = re.findall(
        r"(channels \w+) +(\w+) +([\d.]+) +([\d.]+)", output.data["text/plain"]
    )
    columns = ["layout", "precision", "ratio", "fraction_of_peak"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:], float))


def speed() -> dict[str, Any]:
    measured = measured_speed()
    return controls(nb07.explore_speed(measured)) | {
        "title": "Switches of a training step",
        "measured": measured.to_dict("records"),
    }


def defect() -> dict[str, Any]:
    """10's marks: where they lie, by the random numbers of ``nb10``, and the noise."""
    pictures, labels = nb10.noisy_pictures(8, [nb10.Defect(1, 1)], seed=1)
    random = torch.Generator().manual_seed(1)
    bars = nb10.draw_bars([nb10.Defect(1, 1)], random, 8)
    noise = (pictures[:, 0] + bars)[labels == 1]

    def places(seed: int, n: int) -> Tensor:
        """Three random numbers for each: across, down and the angle."""
        return torch.rand(3, n, generator=torch.Generator().manual_seed(seed)).T

    return controls(nb10.explore_defect()) | {
        "title": "Sliders of a dark mark",
        "presetsTitle": "A mark",
        "side": nb10.SIDE,
        "strength": nb10.STRENGTH,
        "windows": nb10.WINDOWS,
        "noise": coded(noise, np.float32),
        "shown": places(1, 8)[1::2].tolist(),
        "counted": places(0, 16).tolist(),
    }


def cracks(run: Run | None) -> dict[str, Any]:
    """11's crack, on healthy cells that the run hasn't seen; or why there is none."""
    if run is None:
        return {"missing": "This site was built without its network."}
    if not run.config.on_solar_cells:
        return {"missing": "The network of this site has not learned solar cells."}
    _, validation, _ = split(
        solar_cells(run.config.image_size), seed=run.config.split_seed
    )
    validation = validation.subset(slice(None, None, LOOKED_AT))
    ids = "setup data upto rare before extremes-picture healthy channel".split()
    ids = [f"11-{name}" for name in ids]
    some = validation.images[:1].float()  # for dreams, which take long: not needed here
    given = {"run": run, "validation": validation, "worst": some, "best": some}
    found = run_cells("11_dreams", *ids, **given)
    images, names = found["fine"].images[:HEALTHY], found["fine"].names[:HEALTHY]
    widget = nb11.explore_cracks(images, list(names), found["look"])
    channel = found["favourite"]
    return controls(widget) | {
        "title": "Sliders of a crack",
        "pixels": coded(images, np.uint8),
        "names": names,
        "module": found["stage"],
        "channel": channel,
        "rare": found["rare"][channel].item(),
        "credit": CREDIT,
    }


def write(run: Run | None, folder: Path) -> None:
    """A file for each of the explorers that has numbers."""
    folder.mkdir(parents=True)
    specs = (squeezed(), heads(), norm(), speed(), defect(), cracks(run))
    for kind, spec in zip(KINDS, specs, strict=True):
        text = f"INCEPTION.explorers.{kind} = {json.dumps(spec)};\n"
        (folder / f"{kind}.js").write_text(text, encoding="utf-8")


def measure() -> None:
    """Run 04's trainings, and keep the gradients that they find."""
    ids = "setup patient-def patient data remedies steps steps-measure".split()
    found = run_cells("04_auxiliary_classifiers", *(f"04-{name}" for name in ids))
    stored = [
        {
            "key": key,
            "stages": one.stages,
            "weight_norms": short(one.weight_norms),
            "products": short(one.products),
        }
        for key, one in found["measured"].items()
    ]
    text = json.dumps(stored, ensure_ascii=False)
    GRADIENTS.write_text(text + "\n", encoding="utf-8")


def short(numbers: Tensor) -> list:
    """Six digits of each."""
    flat = [float(f"{value:.5e}") for value in numbers.flatten().tolist()]
    return torch.tensor(flat, dtype=torch.float64).view(numbers.shape).tolist()


if __name__ == "__main__":
    measure()
