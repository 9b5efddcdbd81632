"""From a run to files that other programs use: ONNX, torch.export, a model card."""

import io
import json
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ..checks import at_home
from ..model import GoogLeNet
from ..model.engines import BATCH, quantised
from ..model.serving import folded
from .checkpoint import write_file
from .data import prepare
from .pictures import FULL_SCALE, shown
from .run import Run

LARGEST_BATCH = 1024
# What becomes of the default recipe on panels that it has never seen: docs/record.md.
NEW_PANELS = "from 0.841 / 0.878 to 0.820 / 0.818"


class Deployed(nn.Module):
    """Pixels in, probabilities out: N×C×S×S uint8 -> N×K float32.

    The answer of ``Run.predict``, averaged over the same flips. The preparation of the
    pixels is part of it, so that nobody has to repeat it in another language.
    """

    def __init__(self, run: Run):
        super().__init__()
        # Other programs have their own layout of memory: back to the plain one.
        network = folded(cast(GoogLeNet, run.model))
        self.network = network.to(memory_format=torch.contiguous_format)
        self.pixel_std = run.pixel_std
        dims = run.config.flip_dims
        self.flips = [d for n in range(len(dims) + 1) for d in combinations(dims, n)]

    def forward(self, pixels: Tensor) -> Tensor:
        x = prepare(pixels, self.pixel_std)
        views = torch.cat([x.flip(dims) if dims else x for dims in self.flips])
        answers = self.network(views).softmax(1)
        return answers.reshape(len(self.flips), -1, answers.shape[1]).mean(0)


def export_program(run: Run) -> torch.export.ExportedProgram:
    """``Deployed`` as a graph with a free batch size: ``torch.export``'s format."""
    side = run.config.image_size
    example = torch.zeros(2, run.channels, side, side, dtype=torch.uint8)
    batch = torch.export.Dim("batch", max=LARGEST_BATCH)
    return torch.export.export(
        Deployed(run).cpu().eval(), (example,), dynamic_shapes=({0: batch},)
    )


def save_for_use(run: Run, folder: str | Path, int8: Tensor | None = None) -> Path:
    """Write ``model.onnx``, ``model.pt2`` and ``MODEL_CARD.md`` into ``folder``.

    Both models take N×C×S×S uint8 pixels named ``pixels`` and give N×K probabilities
    named ``probabilities``; N is free. The card tells the run's scores on the test set,
    with a "calibration_error" among them if it was measured.
    With ``int8``, some hundreds of pictures as the network sees them (M×C×S×S uint8),
    there is also ``model.int8.onnx``, which computes in 8 bits (``for_serving`` says
    how): a quarter of the bytes and of the time, and slightly other probabilities.
    Needs the packages onnx and onnxscript, for ``int8`` onnxruntime too, else an
    ImportError. Raises OSError if the folder can't be written.
    """
    needed = ["onnx", "onnxscript"] + ["onnxruntime"] * (int8 is not None)
    missing = [name for name in needed if find_spec(name) is None]
    if missing:  # said before anything is written
        raise ImportError(
            f"writing an ONNX file needs {' and '.join(missing)}: "
            'pip install "inception-lib[lab]"'
        )
    folder, about = at_home(folder), preprocessing(run)
    folder.mkdir(parents=True, exist_ok=True)
    # First into memory: on a full disk PyTorch would end the process.
    program, graph = export_program(run), io.BytesIO()
    torch.export.save(program, graph, extra_files={"preprocessing.json": about})
    onnx = torch.onnx.export(
        program,
        input_names=["pixels"],
        output_names=["probabilities"],
        dynamo=True,
        verbose=False,
    )
    assert onnx is not None
    onnx.model.metadata_props["preprocessing"] = about
    plain = onnx.model_proto.SerializeToString()
    small = None
    if int8 is not None:
        batches = ({"pixels": part.numpy()} for part in int8.cpu().split(BATCH))
        small = quantised(plain, batches)
    write_file(folder / "model.pt2", graph.getvalue())
    write_file(folder / "model.onnx", plain)
    if small is not None:
        write_file(folder / "model.int8.onnx", small)
    write_file(folder / "MODEL_CARD.md", model_card(run).encode())
    return folder


def preprocessing(run: Run) -> str:
    """How a picture file becomes ``pixels``, as JSON: both models carry it."""
    side = run.config.image_size
    return json.dumps(
        {
            "input": f"pixels: N×{run.channels}×{side}×{side} uint8, 0 to 255",
            "channels": "grey" if run.channels == 1 else "red, green, blue: not BGR",
            "size": f"shorter side to {side} (bilinear, antialiased), centre cut out",
            "normalisation": "none: it is part of the model",
            "classes": list(run.classes),
        }
    )


def model_card(run: Run) -> str:
    """What a user of the model must know, in Markdown (Mitchell et al. 2019,
    arXiv:1810.03993).
    """
    config, side = run.config, run.config.image_size
    classes = ", ".join(shown(Path(name)) for name in run.classes)
    scores = run.scores.get("test", {})
    grey = "grey" if run.channels == 1 else "red, green, blue, not BGR"
    deep = ""
    if run.full_scale != FULL_SCALE:
        deep = f"; from 16 bits: value × 255 / {run.full_scale}, rounded"
    flips = (
        "" if config.views == "one" else ", averaged over\n  the image and its flips"
    )
    measured = "not measured"
    trust = (
        "They rank well;\n  whether 0.8 means 8 of 10 must be measured (calibration)."
    )
    if "calibration_error" in scores:
        trust = (
            "On the test\n  set they were off by "
            f"{scores['calibration_error']:.3f} on average (calibration error)."
        )
    if scores:
        measured = ", ".join(
            f"{name.replace('_', ' ')} {value:.3f}"
            for name, value in scores.items()
            if isinstance(value, float)
        )
    source = (
        "ELPV solar cells (Buerhop-Lutz et al. 2018, Deitsch et al. 2019 and 2021), "
        "CC BY-NC-SA 4.0: not for commercial use"
        if config.on_solar_cells
        else f"the folder {shown(Path(Path(config.data).name))}"
    )
    panels = ""
    if config.on_solar_cells:
        panels = (
            "The test cells come from panels that it has learned from. On whole\n"
            f"  new panels the default recipe falls {NEW_PANELS} (accuracy / ROC AUC)."
        )
        if config.split_by == "panel":
            panels = "The test set is of whole panels that it has never seen."
        panels = f"\n- **Panels**: {panels}"
    settings = json.dumps(
        {
            name: getattr(config, name)
            for name in ("image_size", "epochs", "batch_norm", "seed", "split_seed")
        }
    )
    return f"""# Model card

- **Task**: which of {len(run.classes)} classes: {classes}.
- **Network**: GoogLeNet, arXiv:1409.4842, trained by inception-lib.
- **Input** `pixels`: N×{run.channels}×{side}×{side} uint8 ({grey}, 0 to 255{deep}).
  Scale the picture's shorter side to {side} (antialiased) and cut out the centre. Do
  nothing else: exposure and range are corrected inside.
- **Output** `probabilities`: N×{len(run.classes)}, in the order above{flips}. {trust}
- **Trained on**: {source}.
- **Settings**: `{settings}`
- **Test set**: {measured}.{panels}
- **Limits**: for pictures like those it was trained on, taken by the same kind of
  camera. A picture that shows none of the classes gets an answer too: a wrong one.
"""
