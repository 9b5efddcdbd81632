"""What arrives where: the signal on its way forward, the gradients on the way back."""

from copy import deepcopy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model import GoogLeNet
from .parts import stages


@dataclass(frozen=True)
class LossGradients:
    """What each loss of a GoogLeNet sends back to the weights of the trunk's S stages.

    - ``stages``: S names: conv1, conv2, conv3, 3a … 5b, fc.
    - ``weight_norms``: S, the norm of all weights of a stage.
    - ``products``: S×3×3, the inner products of the three losses' gradients there, in
      the order output, head 1, head 2; zero where a loss doesn't reach.
    """

    stages: tuple[str, ...]
    weight_norms: Tensor
    products: Tensor

    def relative(self, weight1: float = 0.3, weight2: float = 0.3) -> Tensor:
        """S numbers: the norm of the whole gradient over the norm of the weights.

        Gradients add up: that of g₀ + w₁·g₁ + w₂·g₂ has the squared norm Σ wᵢwⱼ gᵢ·gⱼ,
        so that no network is needed for other weights of the heads.
        """
        w = self.products.new_tensor([1.0, weight1, weight2])
        squared = torch.einsum("i,sij,j->s", w, self.products, w)
        return squared.clamp_min(0).sqrt() / self.weight_norms


def loss_gradients(model: GoogLeNet, images: Tensor, targets: Tensor) -> LossGradients:
    """One forward pass in train mode, one backward pass for each loss.

    ``images`` are N×3×H×W; ``targets`` N class indices or N×num_classes probabilities.
    Biases, batch norm's scales and the heads' own weights are left out. It works on a
    copy: ``model`` stays as it is. Dropout draws from torch's random numbers.
    """
    model = deepcopy(model).train()
    weights = {
        name: [p for p in part.parameters() if p.dim() > 1]
        for name, part in {**stages(model), "fc": model.fc}.items()
    }
    every = [weight for stage in weights.values() for weight in stage]
    sizes = [sum(p.numel() for p in stage) for stage in weights.values()]
    outputs = model(images)
    if isinstance(outputs, Tensor):  # no heads
        losses = [F.cross_entropy(outputs, targets)]
    else:
        ordered = (outputs.logits, outputs.aux_logits1, outputs.aux_logits2)
        losses = [F.cross_entropy(logits, targets) for logits in ordered]
    found = [
        torch.autograd.grad(loss, every, retain_graph=True, materialize_grads=True)
        for loss in losses
    ]
    gradients = torch.stack([torch.cat([g.flatten() for g in one]) for one in found])
    products = torch.zeros(len(weights), 3, 3, dtype=torch.float64)
    for s, part in enumerate(gradients.double().split(sizes, dim=1)):
        products[s, : len(losses), : len(losses)] = part @ part.T
    flat = torch.cat([weight.detach().flatten() for weight in every]).double()
    norms = torch.stack([part.norm() for part in flat.split(sizes)])
    return LossGradients(tuple(weights), norms, products)


def image_spread(model: GoogLeNet, images: Tensor) -> dict[str, float]:
    """How much each stage's output differs from image to image, on average.

    The root mean square, over all values of a stage's output, of the standard deviation
    over the N images, in train mode (batch norm uses the batch). Works on a copy.
    """
    model = deepcopy(model).train()
    spread: dict[str, float] = {}

    def record(name: str):
        def hook(module: nn.Module, inputs, output: Tensor) -> None:
            spread[name] = output.std(0).square().mean().sqrt().item()

        return hook

    for name, stage in stages(model).items():
        stage.register_forward_hook(record(name))
    with torch.no_grad():
        model(images)
    return spread
