"""What the tests of the network share."""

import pytest
import torch
from torch import nn

from inception_lib import GoogLeNet


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def network():
    """Builds a GoogLeNet whose biases and norms have left their start at 0 and 1."""

    def build(num_classes: int = 5, **form) -> GoogLeNet:
        model = GoogLeNet(num_classes, **form)
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.weight.uniform_(0.5, 1.5)
                    module.running_mean.normal_(std=0.1)
                    module.running_var.uniform_(0.5, 2.0)
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.normal_(std=0.1)
        return model

    return build
