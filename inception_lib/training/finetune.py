"""Fine-tuning: weights of another task to begin with, stages that stay or move less.

``fit`` begins with the weights of a run of this library (``config.weights``). With
those of any other network, in a loop of your own::

    model = interop.from_torchvision(state_dict)  # or download_imagenet()
    new_head(model, num_classes=3)
    frozen = freeze(model, "3")
    config = TrainingConfig(lr=1e-3, stage_lr=0.7)
    optimizer = torch.optim.AdamW(optim.parameter_groups(model, config))
    model.train()
    for layer in frozen:
        layer.eval()  # the running statistics of its batch norms stay
    for images, labels in batches:  # N×3×224×224, (pixel − 0.5) / 0.5
        optimizer.zero_grad()
        googlenet_loss(model(images), labels).backward()
        optimizer.step()
"""

from pathlib import Path

from torch import nn

from ..model import GoogLeNet
from ..model.layers import linear
from .optim import STAGES, stage_of
from .run import load_run


def freeze(model: GoogLeNet, last: str = "none") -> list[nn.Module]:
    """Freeze the stages up to ``last`` ("stem", "3", "4", "5"), free all the others.

    Returns the frozen layers. In train mode put them into eval mode, or their batch
    norms' running statistics move on. Raises ValueError on another stage.
    """
    names = ["none", *STAGES]
    if last not in names:
        raise ValueError(f"last must be one of {', '.join(names)}, got {last!r}")
    frozen = []
    for name, layer in model.named_children():
        stays = stage_of(name) < names.index(last)
        layer.requires_grad_(not stays)
        if stays:
            frozen.append(layer)
    return frozen


def new_head(model: GoogLeNet, num_classes: int) -> None:
    """Give the network, and its heads, untrained last layers for other classes."""
    model.fc = linear(model.fc.in_features, num_classes, gain=1.0).to(
        model.fc.weight.device
    )
    for head in (model.aux1, model.aux2):
        if head is not None:
            head.fc2 = linear(head.fc2.in_features, num_classes, gain=1.0).to(
                head.fc2.weight.device
            )


def load_weights(
    model: GoogLeNet, folder: str | Path, classes: tuple[str, ...]
) -> None:
    """Copy the weights of the run in ``folder`` into ``model``, in place.

    The last layers come along only if that run has the same ``classes``; heads only if
    both have them. Raises FileNotFoundError without a run there, ValueError if it is
    damaged or one of the two has batch norm and the other hasn't.
    """
    run = load_run(folder)
    if run.config.batch_norm != (model.conv1.bn is not None):
        form = "with" if run.config.batch_norm else "without"
        raise ValueError(
            f"weights come from a network {form} batch norm: train this one {form} it "
            f"too (batch_norm={run.config.batch_norm})"
        )
    weights, own = run.model.state_dict(), model.state_dict()
    last = ("fc.", "aux1.fc2.", "aux2.fc2.") if run.classes != classes else ()
    kept = {
        k: v for k, v in weights.items() if k in own and not k.startswith(tuple(last))
    }
    model.load_state_dict(own | kept)
