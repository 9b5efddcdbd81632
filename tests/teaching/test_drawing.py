"""The look: one width, PNG with a description, colours that differ."""

import base64
import io
from itertools import combinations

import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_rgb
from PIL import Image

from inception_lib.teaching import drawing

BRANCHES = ["1x1", "3x3", "5x5", "pool", "auxiliary", "trunk"]


def decoded(shown: drawing.Drawing) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(shown.png()))


def test_every_figure_has_the_same_width_whatever_it_holds():
    for rows, columns in ((1, 1), (2, 3)):
        fig, _ = drawing.figure(3.0, rows, columns)
        picture = Image.open(decoded(drawing.Drawing(fig, "an empty figure")))
        assert picture.size == (800, 300)


def test_a_dark_picture_is_shown_with_all_its_contrast():
    dark = torch.tensor([[10, 60], [20, 30]]).byte()
    _, ax = drawing.figure()
    drawing.show_image(ax, dark, **drawing.full_contrast(dark))
    assert ax.images[0].get_clim() == (10, 60)


@pytest.mark.parametrize("alt", ["", "  ", "a figure"])
def test_a_figure_without_a_description_is_refused(alt):
    with pytest.raises(ValueError, match="describe the figure"):
        drawing.Drawing(drawing.figure()[0], alt).png()


def test_as_a_cells_last_value_it_shows_itself_and_its_description():
    shown = drawing.Drawing(drawing.figure()[0], "an empty figure, for a test")
    data, metadata = DisplayFormatter().format(shown)
    assert sorted(data) == ["image/png", "text/plain"]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == "<Drawing>"  # compared, so the same everywhere
    assert metadata["image/png"]["alt"] == "an empty figure, for a test"


def test_grey_pictures_are_grey_and_without_ticks():
    _, ax = drawing.figure()
    drawing.show_image(ax, np.zeros((4, 4)), "black")
    assert ax.images[0].cmap.name == "gray"
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0


def luminance(colour):
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour
    ]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_branch_colours_differ_and_can_be_seen_on_white():
    colours = {name: to_rgb(drawing.COLOURS[name]) for name in BRANCHES}
    for one, other in combinations(BRANCHES, 2):
        apart = np.abs(np.subtract(colours[one], colours[other])).max()
        assert apart > 0.15, (one, other)
    for name, colour in colours.items():
        contrast = 1.05 / (luminance(colour) + 0.05)
        assert contrast > 3, (
            f"{name}: WCAG asks 3:1 of graphics, this is {contrast:.1f}"
        )


@pytest.mark.parametrize("branch", ["3x3", "5x5"])
def test_a_reduction_is_the_lighter_tint_of_its_branch(branch):
    full, tint = (to_rgb(drawing.COLOURS[k]) for k in (branch, f"{branch} reduce"))
    assert luminance(tint) > luminance(full)
    assert np.argmax(tint) == np.argmax(full)


@pytest.fixture
def named():
    """A figure that says a name in its title, on its ticks and in its legend."""

    def draw(name: str) -> list[str]:
        fig, (left, right) = drawing.figure(columns=2)
        left.set_title(name)
        left.plot([1, 2], label=name)
        left.legend()
        counts = torch.tensor([[1, 2], [3, 4]])
        drawing.show_counts(right, counts, [name, "b"], "said", "true")
        drawing.Drawing(fig, f"A picture that is called {name!r}.").png()
        legend = left.get_legend().get_texts()[0]
        texts = (left.title, legend, right.get_xticklabels()[0])
        assert not any(text.get_parse_math() for text in texts)
        return [text.get_text() for text in texts]

    return draw


@pytest.mark.parametrize("name", ["cost_$1_and_$2.png", "$x^$", "a$b", "Ähre × 2"])
def test_a_name_is_drawn_as_it_is(named, name, capsys):
    assert named(name) == [name] * 3
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "coded"),
    [("猫", "\\u732b"), ("🐈 1", "\\U0001f408 1"), ("x\udce9", "x\\udce9")],
)
def test_a_letter_that_no_font_has_is_its_code(named, name, coded, monkeypatch, capsys):
    """Said once, and no warning for each: those would be errors here."""
    monkeypatch.setattr(drawing, "letters", lambda: set(range(128)))
    drawing.miss_fonts.cache_clear()
    assert named(name) == named(name) == [coded] * 3
    assert capsys.readouterr().out.count("no font here has some letters") == 1
