"""What computes a network on a processor: PyTorch, ONNX Runtime, OpenVINO."""

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import notice_pixels
from .googlenet import GoogLeNet

BATCH = 16  # images at a time while the ranges are measured


def installed(engine: str) -> bool:
    """Whether this engine can be used here; the others than PyTorch read ONNX."""
    return engine == "pytorch" or bool(find_spec("onnx") and find_spec(engine))


class PyTorch(nn.Module):
    """N×3×H×W float32 -> N×K float32, computed in ``dtype``, channels last."""

    def __init__(self, network: GoogLeNet, dtype: torch.dtype):
        super().__init__()
        self.network = network.to(dtype).to(memory_format=torch.channels_last)
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.to(self.dtype, memory_format=torch.channels_last)).float()


class OnnxRuntime(nn.Module):
    """N×3×H×W float32 -> N×K float32, by as many threads as PyTorch has now."""

    def __init__(self, graph: bytes):
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.session.run(None, {"images": array(x)})[0])


class OpenVino(nn.Module):
    """The same by OpenVINO, in float32 or bfloat16."""

    def __init__(self, graph: bytes, precision: str):
        super().__init__()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, by all threads
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16"}.get(precision, "f32"),
            "ENABLE_CPU_PINNING": False,  # it is not alone on the machine
        }
        core = the_core()
        compiled = core.compile_model(core.read_model(graph), "CPU", settings)
        self.request, self.lock = compiled.create_infer_request(), Lock()

    def forward(self, x: Tensor) -> Tensor:
        images = array(x)
        with self.lock:  # the next batch is written over what this one is told
            return torch.tensor(self.request.infer([images], share_inputs=True)[0])


@cache
def the_core():
    """OpenVINO's, one for the process and for ever. On processors with AMX each new one
    brings a stack for the handlers of signals, and takes it away as it ends: after the
    second the next signal, Ctrl-C for example, would be a segmentation fault.
    """
    import openvino

    return openvino.Core()


def array(x: Tensor) -> np.ndarray:
    """N×3×H×W as other programs want it, after a look at a few of its numbers: a look
    at all would wake PyTorch's threads, which then wait in the way of the program's.
    """
    notice_pixels(x[:1, :, ::4, ::4])
    return x.detach().float().contiguous().numpy()


def quantised(graph: bytes, batches: Iterator[dict]) -> bytes:
    """An ONNX file whose convolutions compute in 8 bits. Needs onnxruntime.

    The maps between the layers become uint8, with a step that spans what is seen in
    ``batches`` (name of an input to its array). Weights take 7 of 8 bits, with a step
    for each output channel: processors without VNNI add products in 16 bits, where two
    of 8 bits overflow.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict | None:
            return next(batches, None)

    with TemporaryDirectory() as folder:
        given, shaped, whole = (Path(folder) / name for name in "abc")
        given.write_bytes(graph)
        skip = {"skip_optimization": True, "skip_symbolic_shape": True}
        quant_pre_process(given, shaped, **skip)  # writes shapes to the maps
        quantization.quantize_static(
            shaped,
            whole,
            Reader(),
            # Not what prepares pixels, or makes probabilities, in an exported run.
            op_types_to_quantize=["Conv", "Relu", "MaxPool", "Concat"],
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        return whole.read_bytes()


def in_batches(images: Tensor) -> Iterator[dict]:
    """``images`` (M×3×H×W) as ``quantised`` wants them."""
    for batch in images.detach().float().cpu().split(BATCH):
        yield {"images": batch.contiguous().numpy()}
