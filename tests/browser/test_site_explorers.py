"""The site's explorers in Chromium: what they show is what the lessons' Python says."""

import base64
import json
import re
from itertools import product

import numpy as np
import pytest
import site_explorers
import torch
import torch.nn.functional as F

from inception_lib.analysis.cracks import draw_crack
from inception_lib.teaching.lessons import nb01, nb05, nb10
from inception_lib.training import prepare

PAGES = {
    "squeezed": "01_bottleneck",
    "heads": "04_auxiliary_classifiers",
    "norm": "05_googlenet",
    "speed": "07_training",
    "defect": "10_the_race",
    "cracks": "11_dreams",
}
# What the page's network says to two pictures, which test_site_network.py compares with
# PyTorch.
ASK = """async ([pixels, module]) => {
    if (!window.alone) {
        const { Network, FILES } = await import("/_static/network/network.js");
        const about = await fetch(new URL("about.json", FILES));
        window.alone = new Network(await about.json());
        await alone.load(() => {});
    }
    const names = ["output", module];
    const mask = new Float32Array(36).fill(1);
    const found = await alone.ask(Uint8Array.from(pixels), mask, names);
    return names.map((name) => [found[name].dims, [...found[name].data]]);
}"""


@pytest.fixture
def explorer(site, page):
    """Opens the page of an explorer: the place where it lives."""

    def opened(kind: str):
        page.goto(f"{site.url}notebooks/{PAGES[kind]}.html")
        place = page.locator(f'.explorer[data-kind="{kind}"]')
        place.locator(".picture > *").first.wait_for()
        return place

    return opened


def written(site, kind: str) -> dict:
    """What the explorer's file says."""
    text = (site.folder / f"explorers/{kind}.js").read_text(encoding="utf-8")
    return json.loads(text.partition(" = ")[2].rstrip(";\n"))


def tensor(text: str, kind: type, *shape: int) -> torch.Tensor:
    numbers: np.ndarray = np.frombuffer(base64.b64decode(text), kind)
    return torch.from_numpy(numbers.copy()).view(shape)


def fill(place, **values) -> None:
    """Type numbers into the boxes; _ stands for a space."""
    for name, value in values.items():
        box = place.locator(f'[name="{name.replace("_", " ")}"][type="number"]')
        box.fill(str(value))


def values(place, where: str = "[data-value]") -> list[float]:
    return place.locator(where).evaluate_all(
        "all => all.map(e => Number(e.dataset.value))"
    )


def number(place, name: str) -> float:
    return float(place.locator(f'[data-number="{name}"]').inner_text())


def test_gradients_add_up_as_the_lesson_adds_them(explorer):
    place, measured = explorer("heads"), site_explorers.gradients()
    assert len(measured) == 8
    for key, (head1, head2) in product(measured, [(30, 30), (0, 100), (1, 0)]):
        for word in key:
            place.get_by_role("button", name=word, exact=True).click()
        fill(place, head_1=head1, head_2=head2)
        alone, both = (values(place, f'[data-series="{row}"]') for row in (0, 1))
        stored = measured[key]
        assert alone == pytest.approx(stored.relative(0, 0).tolist())
        expected = stored.relative(head1 / 100, head2 / 100).tolist()
        assert both == pytest.approx(expected)
        line = place.get_by_role("status").inner_text()
        assert f"{alone[0]:.0e} → {expected[0]:.0e}" in line


def test_kept_gradients_are_the_notebooks():
    """Those of its committed figure, as far as its description tells them."""
    path = site_explorers.ROOT / "notebooks" / f"{PAGES['heads']}.ipynb"
    alone = r"Output's loss alone: (\S+) in the first.*?: (\S+) in the"
    told = re.findall(alone, path.read_text(encoding="utf-8"))
    stored = site_explorers.gradients()["PyTorch's", "plain", "at the start"]
    sent = stored.relative(0, 0)[0].item(), stored.relative(0.3, 0.3)[0].item()
    assert told[0] == tuple(f"{value:.0e}" for value in sent)


def test_marks_are_the_lessons_and_windows_see_as_much(explorer, page):
    place = explorer("defect")
    for length, width in [(9, 1), (7, 7), (1, 1), (12, 3)]:
        fill(place, length=length, width=width)
        mark = nb10.Defect(length, width)
        shares = [nb10.seen(mark, window) for window in nb10.WINDOWS]
        assert values(place) == pytest.approx(shares, abs=1e-5)
        bars = nb10.draw_bars([mark], torch.Generator().manual_seed(1), 8)[1::2]
        hidden = nb10.noisy_pictures(8, [mark], seed=1)[0][1::2, 0]
        shown = torch.tensor(greys(place))
        expected = (torch.cat([-2 * bars, hidden]) + 4) / 8 * 255
        difference = shown.view(8, 24, 24) - expected.clamp(0, 255)
        assert difference.abs().max() <= 1
    place.get_by_role("button", name="blotch").click()
    pressed = place.locator('[aria-pressed="true"]').all_inner_texts()
    assert pressed == ["blotch"]


def greys(place) -> list[list[int]]:
    """The pixels of each canvas."""
    return place.locator("canvas").evaluate_all(
        """all => all.map((canvas) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [...data.filter((_, i) => i % 4 === 0)];
        })"""
    )


def test_a_cell_goes_through_the_bottleneck_of_the_lesson(explorer, site):
    place, spec = explorer("squeezed"), written(site, "squeezed")
    cells = tensor(spec["pixels"], np.uint8, -1, 1, 128, 128)
    assert len(cells) == 16 and len(spec["errors"]) == 65
    maps = F.pixel_unshuffle(prepare(cells, 1.0)[:, :1], 8)
    directions = tensor(spec["directions"], np.float32, 64, 64)
    torch.testing.assert_close(directions.T @ directions, torch.eye(64))
    for cell, kept in [(40, 4), (0, 1), (60, 64), (12, 30)]:
        fill(place, bottleneck=kept, cell=cell)
        given = maps, directions, spec["errors"]
        drawing = nb01.draw_squeezed(*given, kept, cell // spec["every"])
        own, everything = map(float, re.findall(r"([\d.]+) percent", drawing.alt))
        assert number(place, "own") == pytest.approx(own, abs=0.11)
        assert number(place, "all") == pytest.approx(everything, abs=0.11)
        for shown, ax in zip(greys(place), drawing.figure.axes, strict=False):
            image = ax.images[0]
            low, high = image.get_clim()
            expected = (np.asarray(image.get_array()) - low) / (high - low) * 255
            difference = np.array(shown).reshape(128, 128) - expected.clip(0, 255)
            assert np.abs(difference).max() <= 1, (cell, kept)


def test_the_norm_is_the_lessons(explorer, site):
    place = explorer("norm")
    maps = tensor(written(site, "norm")["maps"], np.float32, 64, 14, 14)
    for pixels, size, beta in [(30, 5, 75), (1, 5, 75), (80, 31, 100), (47, 9, 0)]:
        fill(place, pixels=pixels, n=size, β=beta)
        told = nb05.draw_norm(maps, pixels, size, beta).alt
        (highest,) = re.findall(r"highest of all: (\d+) → (\d+)", told)
        (loudest,) = re.findall(r"channels, (\d+) → (\d+)", told)
        shown = [number(place, name) for name in ("from", "to", "before", "after")]
        assert shown == pytest.approx([*map(int, highest + loudest)], abs=1)


def test_the_network_answers_to_a_crack_as_in_the_notebook(explorer, site, page):
    if "missing" in json.loads((site.folder / "network/about.json").read_text()):
        pytest.skip("no npm here, which fetches what runs a network")
    place = explorer("cracks")
    page.set_default_timeout(60_000)  # a busy machine computes slowly
    place.get_by_role("button", name="Ask the network").click()
    answer = place.locator("[data-sure]")
    answer.wait_for()
    spec = written(site, "cracks")
    cells = tensor(spec["pixels"], np.uint8, len(spec["names"]), 1, 64, 64)
    for cell, angle, length, width, darkness in [(1, 45, 60, 1, 40), (3, 0, 95, 8, 95)]:
        crack = {"angle": angle, "length": length, "width": width, "darkness": darkness}
        fill(place, cell=cell, **crack)
        own = cells[cell - 1 : cell]
        lined = draw_crack(own, angle, length / 100, width, darkness / 100)
        pixels = torch.cat([own, lined]).flatten().tolist()
        outputs = page.evaluate(ASK, [pixels, spec["module"]])
        output, maps = (torch.tensor(data).view(dims) for dims, data in outputs)
        sure = output.softmax(1)[:, 1]
        loud = maps[:, spec["channel"]].amax((1, 2)) / spec["rare"]
        asked = ",".join(map(str, [cell, *crack.values()]))
        place.locator(f'[data-asked="{asked}"]').wait_for()
        data = answer.evaluate("e => [e.dataset.sure, e.dataset.loud]")
        shown_sure, shown_loud = ([*map(float, text.split(","))] for text in data)
        # A pixel of the crack may differ by a grey level.
        assert shown_sure == pytest.approx(sure.tolist(), abs=1e-3)
        assert shown_loud == pytest.approx(loud.tolist(), rel=0.05, abs=1e-3)
        assert f"{shown_sure[1]:.2f} with" in place.get_by_role("status").inner_text()


def test_the_keyboard_moves_it_and_a_screen_reader_is_told_one_line(explorer, page):
    place = explorer("heads")
    assert place.get_attribute("role") == "group" and place.get_attribute("aria-label")
    line, told = place.get_by_role("status"), set()
    assert place.locator("[aria-live], [role=status]").count() == 1
    place.get_by_role("button", name="plain").focus()
    for key in ("Tab", "Enter", "Tab", "Tab", "Tab"):
        page.keyboard.press(key)
        told.add(line.inner_text())
    assert len(told) == 2 and all(20 < len(said) < 150 for said in told)
    before = values(place, '[data-series="1"]')
    page.keyboard.press("ArrowRight")
    assert place.locator('[name="head 1"][type="number"]').input_value() == "31"
    assert values(place, '[data-series="1"]') != before
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("head 1")
    drawing = place.get_by_role("img")
    assert drawing.get_attribute("aria-label").startswith("Gradient norm over weight")


def test_what_needs_a_kernel_says_where_it_lives(site, page):
    page.goto(f"{site.url}notebooks/08_looking_inside.html")
    asleep = page.locator(".asleep")
    assert asleep.count() == 3
    assert "Run this notebook to move its sliders" in asleep.first.inner_text()
    asleep.first.get_by_role("link").click()
    page.get_by_role("heading", name="On your computer").wait_for()


def test_an_explorer_without_its_numbers_stays_asleep(site, page):
    page.route("**/explorers/heads.js", lambda route: route.fulfill(body=""))
    page.goto(f"{site.url}notebooks/{PAGES['heads']}.html")
    assert "Run this notebook" in page.locator('[data-kind="heads"]').inner_text()


def test_the_steps_speed_is_what_the_notebook_measured(explorer):
    place, measured = explorer("speed"), site_explorers.measured_speed()
    assert measured.ratio[0] == 1
    for row in measured.itertuples():
        for name in (row.layout, row.precision):
            place.get_by_role("button", name=name, exact=True).click()
        shown = values(place, "svg [data-value]")
        assert (
            shown == measured[["ratio", "fraction_of_peak"]].to_numpy().ravel().tolist()
        )
        marked = place.locator('svg [stroke-width="2"]')
        found = marked.evaluate_all("all => all.map(e => Number(e.dataset.value))")
        assert found == [row.ratio, row.fraction_of_peak]
        assert (
            f"{row.ratio:.2f} times as fast" in place.get_by_role("status").inner_text()
        )
