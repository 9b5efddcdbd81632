"""The network as a table: each layer's output and parameters, in the order of
execution.
"""

import copy
from importlib.resources import files

import pandas as pd
import torch
from torch import nn

from ..model import GoogLeNet


def layer_table(
    model: nn.Module, input_size: tuple[int, int, int, int] = (1, 3, 224, 224)
) -> pd.DataFrame:
    """A row per layer with the columns index, layer, output_shape ("64x112x112"),
    parameters.

    ``input_size`` is N×C×H×W. A layer is listed when it has finished, so that a module
    follows its parts; its parameters are its own, not its parts', so that the column
    adds up. Plain containers (nn.Sequential) and the model itself are left out;
    auxiliary heads are in.

    Only shapes are computed, on a copy without data: the model, its mode, its batch
    norm statistics and the random state stay as they are. Raises ValueError on a bad
    input size.
    """
    if (
        not isinstance(input_size, tuple | list)
        or len(input_size) != 4
        or not all(type(n) is int and n > 0 for n in input_size)
    ):
        raise ValueError(f"input_size must be N×C×H×W, all positive, got {input_size}")
    model = copy.deepcopy(model).to("meta")
    model.train()  # the heads take part in training only
    if isinstance(model, GoogLeNet) and model.aux_logits:
        model.image_size = input_size[-1]
    rows: list[dict] = []

    def record(layer: nn.Module, inputs, output: torch.Tensor) -> None:
        rows.append(
            {
                "index": len(rows) + 1,
                "layer": type(layer).__name__,
                "output_shape": "x".join(str(n) for n in output.shape[1:]),
                "parameters": sum(p.numel() for p in layer.parameters(recurse=False)),
            }
        )

    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()  # training statistics need more than one value per channel
        if layer is not model and not isinstance(layer, nn.Sequential):
            layer.register_forward_hook(record)
    with torch.no_grad():
        model(torch.empty(input_size, device="meta"))
    return pd.DataFrame(rows)


def printed_table1() -> pd.DataFrame:
    """Table 1 of arXiv:1409.4842 as printed; ``printed_params`` and ``printed_ops`` are
    text.
    """
    with (files(__package__) / "paper_table1.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)
