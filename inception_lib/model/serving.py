"""A trained network made ready for answering: the same logits, faster."""

import time
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .device import pick_precision
from .engines import (
    OnnxRuntime,
    OpenVino,
    PyTorch,
    in_batches,
    installed,
    quantised,
)
from .googlenet import GoogLeNet, check_images
from .graph import to_onnx
from .layers import BasicConv2d

# What each engine computes in on a processor.
COMPUTES = {
    "pytorch": ("float32", "bfloat16", "float16"),
    "onnxruntime": ("float32", "int8"),
    "openvino": ("float32", "bfloat16", "int8"),
}


class Serving(nn.Module):
    """N×3×H×W float32 images -> N×num_classes float32 logits; see ``for_serving``.

    ``taken`` says which of its ``engines`` answers, by height, width and the number of
    bits of the batch size; ``print`` shows it.
    """

    def __init__(self, network: GoogLeNet, engines: dict[str, nn.Module]):
        super().__init__()
        self.engines = nn.ModuleDict(engines)
        self.smallest, self.num_classes = (
            network._smallest_input,
            network.fc.out_features,
        )
        self.taken: dict[tuple[int, int, int], str] = {}

    def forward(self, x: Tensor) -> Tensor:
        check_images(self, x, self.smallest)
        if len(x) == 0:
            return x.new_zeros(0, self.num_classes, dtype=torch.float32)
        # Batches of 16 to 31 images, for example, are of one kind.
        kind = (x.shape[2], x.shape[3], len(x).bit_length())
        if kind not in self.taken:
            self.taken[kind] = self.fastest(x)
        return self.engines[self.taken[kind]](x)

    def fastest(self, x: Tensor) -> str:
        """The engine that answers ``x`` in the least time: the better of two turns. In
        its turn each answers twice and the second time counts: in the first one it
        prepares itself, and the threads of the one before go to sleep.
        """
        if len(self.engines) == 1:
            return next(iter(self.engines))
        times = dict.fromkeys(self.engines, float("inf"))
        for _ in range(2):
            for name, engine in self.engines.items():
                engine(x)
                start = time.perf_counter()
                engine(x)
                times[name] = min(times[name], time.perf_counter() - start)
        return min(times, key=times.__getitem__)

    def __repr__(self) -> str:
        taken = [
            f"{name} for {2 ** (bits - 1)} images or more of {height}×{width}"
            for (height, width, bits), name in self.taken.items()
        ]
        return f"Serving({' or '.join(self.engines)}; taken: {', '.join(taken) or '-'})"


def for_serving(
    model: GoogLeNet,
    *,
    precision: str = "auto",
    engine: str = "auto",
    int8: Tensor | None = None,
) -> Serving:
    """A copy of ``model`` for inference only; call it under ``torch.inference_mode()``.

    The heads are dropped, every batch norm is folded into the convolution before it.
    ``precision`` is "float32", "bfloat16", "float16", or "auto", which takes what is
    fast here (see ``device.pick_precision``).

    ``engine`` computes: "pytorch", "onnxruntime", "openvino", or "auto". On a processor
    "auto" takes the fastest of those installed, measured with the first batch of each
    size (`pip install "inception-lib[serve]"` brings both others); on a GPU, and for a
    network with layers of your own, it is PyTorch. ONNX Runtime knows float32 only. The
    answers of two engines differ in the last digits: name one where every bit counts.

    ``int8`` are images like those to come, M×3×H×W float32, a few hundred of them: then
    weights and maps are rounded to 8 bits, with steps that fit these images, and ONNX
    Runtime or OpenVINO computes in whole numbers.

    The logits are those of ``model.eval()``: in float32 to 1e-4 of their standard
    deviation, in bfloat16 and float16, which have three digits, to a twentieth of it,
    in 8 bits to a few tenths. Raises ValueError on another precision or engine or a
    model that isn't a GoogLeNet, ImportError where an engine is not installed, and in
    ``forward`` ValueError on a wrong shape.
    """
    network = folded(model)
    device = next(network.parameters()).device
    names = to_try(engine, device)
    best, _ = pick_precision(precision, device)
    if int8 is not None:
        check_images(model, int8, network._smallest_input)
        if len(int8) == 0:
            raise ValueError("int8 needs at least one image, better some hundreds")
        if not installed("onnxruntime"):
            raise ImportError(
                'int8 needs onnx and onnxruntime: pip install "inception-lib[serve]"'
            )
        best = "int8"
    graph = b""
    if names != ["pytorch"]:
        try:
            graph = to_onnx(network)
        except ValueError:
            if engine != "auto" or best == "int8":
                raise
            names = ["pytorch"]
    if int8 is not None and graph:
        graph = quantised(graph, in_batches(int8))
    engines: dict[str, nn.Module] = {}
    for name in names:
        able, free = best in COMPUTES[name], precision == "auto" and int8 is None
        if able or free:
            chosen = best if able else "float32"
            engines[name] = ready(name, network, graph, chosen)
    if not engines:
        raise ValueError(
            f"{' and '.join(names)} can't compute in {best} here; of all engines "
            f"{' and '.join(n for n in COMPUTES if best in COMPUTES[n])} can, which "
            f'`pip install "inception-lib[serve]"` brings'
        )
    return Serving(network, engines).eval()


def to_try(engine: str, device: torch.device) -> list[str]:
    """The names of the engines that may answer: the one asked for, or all there are."""
    if engine not in ("auto", *COMPUTES):
        raise ValueError(f"engine must be auto, {', '.join(COMPUTES)}; got {engine!r}")
    if device.type != "cpu":
        if engine not in ("auto", "pytorch"):
            raise ValueError(
                f"{engine} computes on a processor, the model is on {device}"
            )
        return ["pytorch"]
    if engine == "auto":
        return [name for name in COMPUTES if installed(name)]
    if not installed(engine):
        raise ImportError(
            f'engine="{engine}" needs onnx and {engine}: pip install '
            '"inception-lib[serve]"'
        )
    return [engine]


def ready(name: str, network: GoogLeNet, graph: bytes, precision: str) -> nn.Module:
    if name == "pytorch":
        return PyTorch(network, getattr(torch, precision))
    return OpenVino(graph, precision) if name == "openvino" else OnnxRuntime(graph)


def folded(model: GoogLeNet, heads: bool = False) -> GoogLeNet:
    """A copy in eval mode, its batch norms folded into the convolutions, without the
    heads unless they are asked for.

    Raises ValueError on a model that isn't a GoogLeNet.
    """
    if not isinstance(model, GoogLeNet):
        raise ValueError(f"expected a GoogLeNet, got {type(model).__name__}")
    network = deepcopy(model).eval().requires_grad_(False)
    if not heads:
        network.aux_logits, network.aux1, network.aux2 = False, None, None
    for layer in network.modules():
        if isinstance(layer, BasicConv2d) and layer.bn is not None:
            layer.conv, layer.bn = fuse_conv_bn_eval(layer.conv, layer.bn), None
    return network
