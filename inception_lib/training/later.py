"""Torchvision and torchmetrics, imported on first use: together they take as long as
torch, and someone who asks for ``--help`` or opens a notebook needs neither yet.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..checks import extra


class Later:
    """Stands for the module of this name. Raises ModuleNotFoundError on first use if
    its package is not installed, with the extra that brings it.
    """

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        with extra("train"):
            return getattr(import_module(self._name), attribute)


if TYPE_CHECKING:
    from torchmetrics.functional import classification as tm
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional as TF
else:
    tm = Later("torchmetrics.functional.classification")
    v2 = Later("torchvision.transforms.v2")
    TF = Later("torchvision.transforms.v2.functional")
