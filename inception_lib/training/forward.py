"""The forward pass of a training step, and what a GPU asks for: its images near, a step
that is sent as a whole, numbers that nobody waits for.
"""

import torch
from torch import Tensor, nn

from ..model import GoogLeNetOutputs, googlenet_loss
from . import distributed
from .config import TrainingConfig
from .data import Images, ImageSet
from .run import logits_of

Number = float | Tensor


class ForwardPass(nn.Module):
    """N×3×S×S images, N×K targets, N labels -> the loss, and how many were right.

    The network computes in ``precision``, the loss in float32: a softmax in bfloat16
    would keep only three digits.
    """

    def __init__(self, network: nn.Module, precision: str):
        super().__init__()
        self.network, self.dtype = network, getattr(torch, precision)

    def forward(self, x: Tensor, targets: Tensor, labels: Tensor):
        narrow = self.dtype != torch.float32
        with torch.autocast(x.device.type, self.dtype, enabled=narrow):
            outputs = self.network(x)
        if isinstance(outputs, GoogLeNetOutputs):
            outputs = GoogLeNetOutputs(*(logits.float() for logits in outputs))
        else:
            outputs = outputs.float()
        hits = (logits_of(outputs).argmax(1) == labels).sum()
        return googlenet_loss(outputs, targets), hits


def can_record(device: torch.device, config: TrainingConfig) -> bool:
    """Whether a step is the same work each time, on one GPU."""
    alone = distributed.count() == config.accumulate == 1
    return device.type == "cuda" and alone


def record(
    forward: ForwardPass, size: int, config: TrainingConfig, num_classes: int
) -> None:
    """From now on ``forward`` and its backward pass are each one call to the GPU (CUDA
    graphs), not some thousand small ones that take longer to send than to compute.

    Recording runs them a few times: statistics and random numbers are put back.
    """
    device = next(forward.parameters()).device
    kept = [buffer.clone() for buffer in forward.buffers()]
    state = torch.cuda.get_rng_state()
    x = torch.zeros(config.batch_size, 3, size, size, device=device)
    x = x.contiguous(memory_format=torch.channels_last)
    targets = torch.zeros(config.batch_size, num_classes, device=device)
    labels = torch.zeros(config.batch_size, dtype=torch.long, device=device)
    torch.cuda.make_graphed_callables(forward, (x, targets, labels))
    for buffer, before in zip(forward.buffers(), kept, strict=True):
        buffer.copy_(before)
    torch.cuda.set_rng_state(state)


def near(images: Images, device: torch.device) -> Images:
    """The images on the GPU, if that is where the network is and they fit in well."""
    if device.type != "cuda" or not isinstance(images, ImageSet):
        return images
    free, _ = torch.cuda.mem_get_info()
    return images.to(device) if images.images.nbytes < free / 4 else images


def number(tensor: Tensor) -> Number:
    """The number in a tensor; on a lone GPU still as a tensor, in float64."""
    if tensor.is_cuda and distributed.count() == 1:
        return tensor.double()
    return tensor.item()
