"""Every explorer, driven at random and into every corner, by its Python objects."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets import BoundedIntText, IntSlider, ToggleButtons, VBox
from PIL import Image

from inception_lib import GoogLeNet
from inception_lib.analysis import receptive_field
from inception_lib.analysis.gradients import LossGradients
from inception_lib.teaching.lessons import (
    nb01,
    nb02,
    nb03,
    nb04,
    nb05,
    nb06,
    nb07,
    nb08,
    nb09,
    nb10,
    nb11,
)
from inception_lib.training import ImageSet, Run, TrainingConfig
from inception_lib.training.run import build_model

STAGES = tuple("conv1 conv2 conv3 3a 3b 4a 4b 4c 4d 4e 5a 5b fc".split())


def measured() -> dict[tuple[str, str, str], LossGradients]:
    """All combinations but one: what wasn't measured has to be said."""
    kinds = list(
        product(("PyTorch's", "the library's"), ("plain", "batch norm"), ("0", "6"))
    )
    rows = torch.rand(13, 3, 20, generator=torch.Generator().manual_seed(0)).double()
    products = rows @ rows.mT
    return {
        kind: LossGradients(STAGES, torch.ones(13).double(), products * 10.0**-i)
        for i, kind in enumerate(kinds[:-1])
    }


def images(n: int, size: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, 1, size, size), generator=generator).byte()


def predictions() -> VBox:
    probabilities = torch.tensor([[0.1, 0.9], [0.4, 0.6], [0.8, 0.2], [0.5, 0.5]])
    labels, names = torch.tensor([1, 1, 1, 0]), list("abcd")
    return nb07.browse_predictions(
        images(4), probabilities, labels, ["no", "yes"], names
    )


def maps() -> VBox:
    evidence = torch.randn(5, 4, 4, generator=torch.Generator().manual_seed(0))
    evidence[1] = 0  # no evidence at all: no contour can be drawn
    return nb03.browse_activation_maps(images(5), evidence, list("abcde"))


def gallery() -> VBox:
    """Nine cells, so that there are pages; none is polycrystalline and broken."""
    chance = torch.tensor([0, 0, 0, 1 / 3, 2 / 3, 1, 0, 1 / 3, 2 / 3])
    kinds = ("mono",) * 6 + ("poly",) * 3
    return nb06.browse_cells(
        ImageSet(
            images(9),
            (chance > 0.5).long(),
            torch.stack([1 - chance, chance], 1),
            ("functional", "defective"),
            kinds,
            tuple(f"cell {i:04}" for i in range(9)),
        )
    )


def squeezed() -> VBox:
    generator = torch.Generator().manual_seed(0)
    cut = torch.randn(3, 16, 2, 2, generator=generator)
    directions = torch.linalg.qr(torch.randn(16, 16, generator=generator)).Q
    errors = [1 - i / 16 for i in range(17)]
    return nb01.explore_squeezed(cut, directions, errors)


def steps() -> VBox:
    rows = product(("channels first", "channels last"), ("float32", "bfloat16"))
    table = pd.DataFrame(rows, columns=["layout", "precision"])
    return nb07.explore_speed(
        table.assign(ratio=[1, 0.5, 2, 123.4], fraction_of_peak=[0, 0.1, 0.5, 1.2])
    )


def features() -> VBox:
    generator = torch.Generator().manual_seed(0)
    stages = {
        "conv1": torch.rand(3, 64, 4, 4, generator=generator),
        "3a": torch.zeros(3, 256, 2, 2),
    }
    return nb08.browse_features(images(3), stages, list("abc"))


def views() -> VBox:
    model = GoogLeNet(aux_logits=False)
    firsts = receptive_field.first_centres(model)
    return nb08.browse_receptive_fields(
        images(1)[0], receptive_field.receptive_fields(model), firsts
    )


def attributions() -> VBox:
    heat = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(0))
    heat[1] = 0
    networks = {name: {"one": heat, "two": -heat} for name in ("trained", "shuffled")}
    curves = {
        name: {
            "trained network's map": heat[:, 0],
            "shuffled network's map": -heat[:, 0],
            "random squares": heat[:, 1],
        }
        for name in ("one", "two")
    }
    return nb08.browse_attributions(images(3), networks, curves, list("abc"))


@cache
def own_pictures() -> Path:
    """A folder of two pictures, and between them a file that is none."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    for name, pixels in zip(("1.png", "3.png"), images(2, 64).numpy(), strict=True):
        Image.fromarray(pixels[0]).save(folder / name)
    (folder / "2.png").write_text("no picture")
    return folder


@cache
def untrained() -> Run:
    torch.manual_seed(0)
    config = TrainingConfig(image_size=64, aux=False)
    return Run(build_model(config, 2).eval(), config, ("no", "yes"), 0.2)


def folder() -> VBox:
    return nb09.browse_folder(untrained(), own_pictures())


def cracks() -> VBox:
    def look(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loud = pictures.float().mean((1, 2, 3))
        return loud / 255, loud - 100

    return nb11.explore_cracks(images(2), list("ab"), look)


EXPLORERS: dict[str, Callable[[], VBox]] = {
    "bottleneck": nb01.explore_bottleneck,
    "module": nb02.explore_module,
    "defect": nb10.explore_defect,
    "heads": lambda: nb04.explore_heads(measured()),
    "pooling": nb03.explore_pooling,
    "norm": lambda: nb05.explore_norm(images(8)[:, 0] / 99),
    "predictions": predictions,
    "activation maps": maps,
    "cells": gallery,
    "squeezed": squeezed,
    "speed": steps,
    "features": features,
    "views": views,
    "attributions": attributions,
    "folder": folder,
    "cracks": cracks,
}
explorers = pytest.mark.parametrize("make", EXPLORERS.values(), ids=EXPLORERS)


def controls(explorer: VBox) -> list[IntSlider | ToggleButtons]:
    return [row.children[0] for row in explorer.children[:-1]]


def notes(explorer: VBox) -> list[str]:
    return [row.children[-1].value for row in explorer.children[:-1]]


def shows(explorer: VBox) -> str:
    return explorer.children[-1].value


def values(explorer: VBox) -> list:
    return [control.value for control in controls(explorer)]


def check(explorer: VBox, moved: int, before: str) -> None:
    """Either a picture, or one sentence beside the control that was moved."""
    said = {i: note for i, note in enumerate(notes(explorer)) if note}
    assert set(said) <= {moved}
    if said:
        assert "⚠ " in said[moved] and "The picture stays." in said[moved]
        assert "Error" not in said[moved] and shows(explorer) == before
    assert shows(explorer).startswith('<img alt="') and len(shows(explorer)) > 2000
    for control, row in zip(controls(explorer), explorer.children, strict=False):
        if isinstance(control, IntSlider):
            assert control.min <= control.value <= control.max
            (box,) = [w for w in row.children if isinstance(w, BoundedIntText)]
            assert (box.value, box.max) == (control.value, control.max)


def every_explorer_is_here() -> Iterator[str]:
    for module in (nb01, nb02, nb03, nb04, nb05, nb06, nb07, nb08, nb09, nb10, nb11):
        for name, thing in vars(module).items():
            if getattr(thing, "__annotations__", {}).get("return") in (VBox, "VBox"):
                yield name


def test_every_explorer_is_driven():
    # try_picture has a button instead of sliders: test_nb09.py.
    assert set(every_explorer_is_here()) - {"explorer", "try_picture"} == {
        *("explore_bottleneck", "explore_squeezed", "explore_module"),
        *("explore_pooling", "browse_activation_maps", "explore_heads"),
        "explore_norm",
        *("browse_cells", "explore_speed", "browse_predictions", "browse_features"),
        *("browse_receptive_fields", "browse_attributions"),
        *("browse_folder", "explore_defect", "explore_cracks"),
    }


@explorers
def test_every_control_has_a_visible_name_and_every_slider_a_unit(make):
    for control, row in zip(
        controls(explorer := make()), explorer.children, strict=False
    ):
        assert control.description
        if isinstance(control, IntSlider):
            assert row.children[2].value and not control.readout


@explorers
@settings(max_examples=5)
@given(data=st.data())
def test_any_moves_give_a_picture_or_a_sentence(make, data):
    explorer = make()
    before = shows(explorer)
    for _ in range(data.draw(st.integers(1, 4), "moves")):
        moved = data.draw(st.integers(0, len(controls(explorer)) - 1), "control")
        control = controls(explorer)[moved]
        if isinstance(control, IntSlider):
            # Too large and too small are typed, too: they stop at the ends.
            value = st.integers(control.min - 9, control.max + 9)
        else:
            value = st.sampled_from(control.options)
        control.value = data.draw(value, "value")
        check(explorer, moved, before)
        before = shows(explorer)


@explorers
def test_every_extreme_of_every_slider_with_every_other(make):
    """All corners, each reached by moving one slider from the corner before (Gray)."""
    explorer = make()
    sliders = [c for c in controls(explorer) if isinstance(c, IntSlider)]
    for number in range(2 ** len(sliders)):
        for bit, slider in enumerate(sliders):
            upper = (number ^ number >> 1) >> bit & 1
            move(explorer, slider, slider.max if upper else slider.min)
    for control in controls(explorer):
        if isinstance(control, ToggleButtons):
            for option in control.options:
                move(explorer, control, option)
                for slider in sliders:  # whose ends may be others now
                    move(explorer, slider, slider.max)


def move(explorer: VBox, control, value) -> None:
    if control.value != value:
        before = shows(explorer)
        control.value = value
        check(explorer, controls(explorer).index(control), before)


@explorers
def test_the_way_to_a_setting_does_not_matter(make):
    """To the upper ends forwards and backwards: the same picture."""
    one, other = make(), make()
    for explorer, step in ((one, 1), (other, -1)):
        for control in controls(explorer)[::step]:
            if isinstance(control, IntSlider):
                control.value = control.max
    assert values(one) == values(other) and shows(one) == shows(other)
