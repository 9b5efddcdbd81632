"""What several of these test modules share: pictures, and processes that train."""

import sys

import numpy as np
import pytest
from PIL import Image
from small_networks import PARTS, REAL, use
from warm_start import Warm


@pytest.fixture(autouse=True, scope="module")
def small_networks(request):
    """Nearly everywhere: what is learned, a test sees on a ``real_network``; where all
    of the layers matter, the module says ``REAL_NETWORKS = True``.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not getattr(request.module, "REAL_NETWORKS", False):
            use(PARTS, patch.setattr)
        yield


@pytest.fixture
def real_network(monkeypatch):
    use(REAL, monkeypatch.setattr)


@pytest.fixture(autouse=True)
def no_tensorboard(request, monkeypatch):
    """As on most machines; the tests of the events themselves want it."""
    if "tensorboard" not in request.node.name:
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    warm = Warm(tmp_path_factory.mktemp("logs"))
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def few_pictures(tmp_path_factory):
    """13 dark and 16 light pictures: 17 to train, 5 to validate, 7 to test."""
    root = tmp_path_factory.mktemp("few pictures")
    rng = np.random.default_rng(0)
    for name, level, n in (("dark", 60, 13), ("light", 190, 16)):
        (root / name).mkdir()
        for i in range(n):
            pixels = rng.normal(level, 30, (32, 32)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root
