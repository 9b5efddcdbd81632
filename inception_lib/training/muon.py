"""Muon: an optimizer for the weights of convolutions (Jordan et al. 2024)."""

from typing import cast

import torch
from torch import Tensor

from . import distributed

# Of the polynomial a·σ + b·σ³ + c·σ⁵ that pushes each singular value towards 1, chosen
# by Keller Jordan so that small ones grow quickly; the large stay around 0.7 to 1.2.
A, B, C = 3.4445, -4.7750, 2.0315
# Times that it is applied. Five are usual; on the solar cells three are as good.
ITERATIONS = 3
MOMENTUM = 0.95


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
