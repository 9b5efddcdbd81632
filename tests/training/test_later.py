"""Torchvision and torchmetrics are imported when they are used, and not before."""

import subprocess
import sys

import pytest

from inception_lib.training.later import TF, Later, tm, v2

BEFORE = """\
import sys
from inception_lib.teaching.lessons import nb02, nb07
from inception_lib.training import command
print(*{"torchvision", "torchmetrics"} & sys.modules.keys())
"""


def test_neither_is_imported_before_it_is_used():
    done = subprocess.run(
        [sys.executable, "-c", BEFORE], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_they_are_the_modules_themselves():
    from torchmetrics.functional.classification import multiclass_auroc
    from torchvision.transforms.v2 import Compose
    from torchvision.transforms.v2.functional import resize

    assert tm.multiclass_auroc is multiclass_auroc
    assert v2.Compose is Compose and TF.resize is resize


def test_a_missing_package_is_named_with_its_extra():
    missing = r'nowhere is missing: pip install "inception-lib\[train\]"'
    with pytest.raises(ModuleNotFoundError, match=missing):
        Later("nowhere.at_all").anything()
