"""How weights move: the learning rate, who gets which, and Muon's steps."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from . import distributed
from .config import TrainingConfig

# Of the polynomial a·σ + b·σ³ + c·σ⁵ that pushes each singular value towards 1, chosen
# by Keller Jordan so that small ones grow quickly; the large stay around 0.7 to 1.2.
A, B, C = 3.4445, -4.7750, 2.0315
# Times that it is applied. Five are usual; on the solar cells three are as good.
ITERATIONS = 3
MOMENTUM = 0.95


# From the image to the answer, by the paper's numbers. What is in none of them, the
# last linear layer and the auxiliary heads, is the classifier.
STAGES = {
    "stem": ("conv1", "conv2", "conv3"),
    "3": ("inception3a", "inception3b"),
    "4": ("inception4a", "inception4b", "inception4c", "inception4d", "inception4e"),
    "5": ("inception5a", "inception5b"),
}


def stage_of(name: str) -> int:
    """0 for the stem to 4 for the classifier, from the name of a layer or parameter."""
    layer = name.partition(".")[0]
    for index, layers in enumerate(STAGES.values()):
        if layer in layers:
            return index
    return len(STAGES)


def get_lr(step: int, steps: int, config: TrainingConfig) -> float:
    """The learning rate of a step as a fraction of its peak, ``config.peak_lr``; an
    epoch has ``steps``.

    A quarter of the run up, the rest down, both along half a cosine: from 1/25 to 1 to
    0. Or the paper's: 4 % less every 8 epochs.
    """
    if config.schedule == "paper":
        return 0.96 ** (step // steps // 8)
    steps *= config.epochs
    warm_up = max(1, steps // 4)
    if step < warm_up:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * step / warm_up)) / 2
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2


def make_schedule(
    optimizer: torch.optim.Optimizer, config: TrainingConfig, steps: int
) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: get_lr(step, steps, config))


def parameter_groups(model: nn.Module, config: TrainingConfig) -> list[dict]:
    """The trainable parameters, for an optimizer: ``config.decay`` on weights only, and
    a learning rate that shrinks by ``config.stage_lr`` with every stage towards the
    image.

    The idea: early layers know edges, which every task needs; late ones know the task
    (Yosinski et al. 2014, arXiv:1411.1792; the rates: Howard and Ruder 2018,
    arXiv:1801.06146).
    """
    groups: dict[tuple[float, bool], list] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = config.peak_lr * config.stage_lr ** (len(STAGES) - stage_of(name))
            is_weight = parameter.dim() > 1  # the others: biases and norms
            groups.setdefault((rate, is_weight), []).append(parameter)
    return [
        {"params": params, "lr": rate, "weight_decay": config.decay if decays else 0.0}
        for (rate, decays), params in groups.items()
    ]


def make_optimizer(
    model: nn.Module, config: TrainingConfig, precision: str = "float32"
) -> torch.optim.Optimizer:
    """Muon, AdamW, or the paper's SGD with momentum 0.9; weight decay on weights only.

    ``precision`` is that of Muon's products of matrices.
    """
    groups = parameter_groups(model, config)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.peak_lr, momentum=0.9, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, config.peak_lr, fused=True)
    if precision == "float16":  # too narrow for gradients that are no longer scaled
        precision = "float32"
    return Muon(groups, config.peak_lr, precision=precision)


class RunningAverage(AveragedModel):
    """Weights and statistics averaged over about the last 100 steps; over fewer at the
    start, which is soon forgotten.
    """

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        n = int(self.n_averaged)  # on the processor: PyTorch's own waits for the GPU
        step = 1 - min(0.99, (1 + n) / (10 + n)) if n else 1.0
        averages, counts = by_kind(self.module)
        currents, numbers = by_kind(model)
        torch._foreach_lerp_(averages, currents, step)
        if counts:
            torch._foreach_copy_(counts, numbers)
        self.n_averaged += 1


def by_kind(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers with a fraction, and batch norm's counts of batches."""
    tensors = [*model.parameters(), *model.buffers()]
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    return floats, [tensor for tensor in tensors if not tensor.is_floating_point()]


class Muon(torch.optim.AdamW):
    """AdamW, in which convolutions take steps of another kind.

    A convolution's step is its momentum as a matrix of out_channels × (k·k·in_channels)
    whose singular values are made equal: so it changes the outputs by as much in rare
    directions of the input as in common ones, where a gradient alone only sees the
    common ones. See https://kellerjordan.github.io/posts/muon.

    The step's size is that of AdamW's, 0.2 per weight times the learning rate (Liu et
    al. 2025, arXiv:2502.16982), so that both take the same ``lr``. What has other than
    four dimensions (linear layers, norms, biases) takes AdamW's steps. The products of
    matrices are shared out among the processes (see ``distributed``).

    ``precision`` is that of the products of matrices, "bfloat16" or "float32".
    """

    def __init__(self, groups: list[dict], lr: float, *, precision: str = "float32"):
        groups = [{**group, "precision": precision} for group in groups]
        super().__init__(groups, lr, fused=True)
        # A GradScaler leaves out the whole step after an overflow, not AdamW's part.
        self._step_supports_amp_scaling = False

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [
                weight
                for weight in group["params"]
                if weight.dim() == 4 and weight.grad is not None
            ]
            matrices = [
                self.momentum(weight, cast(Tensor, weight.grad), group)
                for weight in weights
            ]
            turned = distributed.spread(orthogonal, matrices)
            for weight, matrix in zip(weights, turned, strict=True):
                move(weight, matrix, group)
                weight.grad = None  # done: AdamW passes over it
        super().step()
        return loss

    def momentum(self, weight: Tensor, gradient: Tensor, group: dict) -> Tensor:
        """Nesterov's momentum of a convolution's weight as a matrix of out_channels ×
        (k·k·in_channels).
        """
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
            state["step"] = torch.tensor(0.0)  # AdamW asks for it when it is loaded
        momentum = state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM)
        rows = ahead.permute(0, 2, 3, 1)  # as they lie in memory, channels last
        return rows.flatten(1).to(getattr(torch, group["precision"]))


def move(weight: Tensor, matrix: Tensor, group: dict) -> None:
    """One step of a convolution's weight along its matrix, in place."""
    lr = group["lr"]
    weight.mul_(1 - lr * group["weight_decay"])
    shape = weight.permute(0, 2, 3, 1).shape
    step = matrix.to(weight.dtype).reshape(shape).permute(0, 3, 1, 2)
    weight.add_(step, alpha=-0.2 * lr * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """M×N -> M×N: the same singular vectors, all singular values near 1.

    By Newton and Schulz's iteration, which takes only products of matrices.
    """
    wide = matrix.T if len(matrix) > matrix.shape[1] else matrix
    x = wide / wide.norm().clamp_min(1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = torch.addmm(
            x, torch.addmm(square, square, square, beta=B, alpha=C), x, beta=A
        )
    return x if wide is matrix else x.T
