"""The landing page's network in a real Chromium: it answers as PyTorch does."""

import base64
import gzip
import json
import os
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from statistics import median

import build_site
import numpy as np
import psutil
import pytest
import torch
from axe_playwright_python.base import AXE_SCRIPT
from onnx import load_from_string, numpy_helper
from PIL import Image
from site_network import (
    MODULES,
    Alive,
    folded,
    in_random_order,
    rounded,
    shuffled,
    to_onnx,
    weighted,
)
from torch import nn
from training.test_pictures import (  # type: ignore[import-not-found]
    BAD,
    CORPUS,
    GOOD,
    SIZE,
)
from websites import DESKTOP, PHONE, faults, listen, low_contrasts, served, tab_to

from inception_lib.analysis.cracks import draw_crack
from inception_lib.teaching.drawing import BRANCHES
from inception_lib.training import (
    ImageSet,
    Run,
    TrainingConfig,
    fit,
    prepare,
    solar_cells,
)
from inception_lib.training.pictures import load_picture
from inception_lib.training.run import build_model

SIDE = 64  # the tiny run's
# In the page: the modules of docs/_static/network, and a network of our own.
BEGIN = """async () => {
    const load = (name) => import(`/_static/network/${name}.js`);
    const names = ["network", "crack", "picture", "drawing"];
    const [network, crack, picture, drawing] = await Promise.all(names.map(load));
    Object.assign(window, { network, crack, picture, drawing });
    const about = await (await fetch("/network/about.json")).json();
    window.bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    window.packed = ({ buffer }) => {
        const letter = (one) => String.fromCharCode(one);
        return btoa(Array.from(new Uint8Array(buffer), letter).join(""));
    };
    window.alone = new network.Network(about);
    await alone.load(() => {});
}"""
ASK = """async ([pixels, mask, names, weights]) => {
    const given = [bytes(pixels), Float32Array.from(mask)];
    const found = await alone.ask(...given, names, weights);
    return names.map((name) => [found[name].dims, [...found[name].data]]);
}"""


@pytest.fixture(scope="session")
def facts(site) -> dict:
    """about.json. Without npm these tests can't be."""
    facts = json.loads((site.folder / "network" / "about.json").read_text())
    if "missing" in facts:
        if os.environ.get("CI"):
            pytest.fail(facts["missing"])
        pytest.skip(facts["missing"])
    return facts


@pytest.fixture
def awake(site, facts, page):
    """The landing page once its network has answered for the first time."""
    page.set_default_timeout(60_000)  # a busy machine computes slowly
    page.goto(site.url)
    page.locator("#network .bar").first.wait_for()
    answered(page)
    return page


@pytest.fixture(scope="session")
def alive(tiny_run):
    """What PyTorch computes with the weights as the file has them."""
    network = folded(tiny_run.model, heads=True)
    for layer in weighted(network).values():
        whole, scale = rounded(layer.weight)
        layer.weight.data = whole * scale
    return answering(tiny_run, network)


def answering(run, network):
    """The function from pixels (and a mask) to all outputs of a folded network."""
    alive = Alive(replace(run, model=network)).eval()

    @torch.no_grad()
    def answer(pixels, mask=None):
        outputs = alive(pixels, torch.ones(9, 4) if mask is None else mask)
        return dict(zip(alive.names, outputs, strict=True))

    return answer


def sent(pixels: torch.Tensor) -> str:
    """To the page as text: numbers one by one would take seconds."""
    return base64.b64encode(pixels.numpy().tobytes()).decode()


def received(text: str, kind: type, *shape: int) -> torch.Tensor:
    found: np.ndarray = np.frombuffer(base64.b64decode(text), kind)
    return torch.from_numpy(found.copy()).view(shape)


def close(page, answer, pixels, mask, weights="trained"):
    """The page's network says what PyTorch says, to a thousandth."""
    expected = answer(pixels, mask)
    names = list(expected)[:4]
    assert names == ["output", "head 1", "head 2", "evidence"]
    asked = [sent(pixels), mask.flatten().tolist(), names, weights]
    for name, (dims, data) in zip(names, page.evaluate(ASK, asked), strict=True):
        found = torch.tensor(data).view(dims)
        scale = expected[name].abs().max().item()
        torch.testing.assert_close(found, expected[name], rtol=0, atol=1e-3 * scale)


def answered(page):
    """Wait until the answer is that of the mirror images, too: all is at rest."""
    page.locator("#network [data-value]").wait_for()


def change(page, act) -> None:
    """Do something, and wait for what it changes."""
    value = (
        "document.querySelector('#network [data-value]')?.removeAttribute('data-value')"
    )
    page.evaluate(value)
    act()
    answered(page)


def choose(page, path) -> None:
    page.locator("#network input[type=file]").set_input_files(path)


def shown(page) -> float:
    """The large probability."""
    return float(page.locator("#network .large strong").inner_text().strip("<> "))


def cell(site, facts, number=0) -> torch.Tensor:
    """A picture of the page as the network sees it, 1×1×S×S."""
    return load_picture(
        site.folder / "network" / facts["pictures"][number]["file"], SIDE
    )[:, :1]


def test_the_logits_of_50_pictures_are_pytorchs(site, facts, page, alive):
    page.goto(site.url)
    page.evaluate(BEGIN)
    pixels = torch.randint(0, 256, (50, 1, SIDE, SIDE), dtype=torch.uint8)
    mask = torch.ones(9, 4)
    mask[3, 1] = mask[7, 2] = 0
    for given in (torch.ones(9, 4), mask):
        close(page, alive, pixels, given)


def barred(cells: ImageSet) -> ImageSet:
    """Every second cell with a thick dark bar: two classes that are soon learned."""
    labels = torch.arange(len(cells)) % 2
    images = cells.images.clone()
    images[1::2] = draw_crack(images[1::2], 90, 0.9, 6, 0.9)
    return replace(cells, images=images, labels=labels, targets=torch.eye(2)[labels])


def test_in_8_bits_a_trained_network_gives_the_same_answers(site, facts, browser):
    """To 128 cells that it hasn't seen, as PyTorch with the weights as they were."""
    cells = solar_cells(SIDE)
    train = barred(cells.subset(range(0, 2560, 16)))
    unseen = barred(cells.subset(range(4, 2564, 20)))
    config = TrainingConfig(
        image_size=SIDE,
        epochs=4,
        batch_size=16,
        grow=False,
        augmentation="light",
        precision="float32",
    )
    run = fit(train, None, config, progress=None)
    with torch.no_grad():
        expected = run.model(prepare(unseen.images, run.pixel_std)).argmax(1)
    assert (expected == unseen.labels).double().mean() > 0.9  # it has learned them

    network = gzip.compress(to_onnx(run))
    page = browser.new_page(service_workers="block")
    page.route("**/network.onnx.gz", lambda route: route.fulfill(body=network))
    page.goto(site.url)
    page.evaluate(BEGIN)
    found = []
    for pixels in unseen.images.split(32):
        asked = [sent(pixels), [1] * 36, ["output"], "trained"]
        ((dims, data),) = page.evaluate(ASK, asked)
        found.append(torch.tensor(data).view(dims).argmax(1))
    page.close()
    assert (torch.cat(found) == expected).double().mean() >= 0.99


OTHER = """async (kind) => {
    const { withOther } = await import("/_static/network/weights.js");
    const { download } = await import("/_static/network/network.js");
    const { signal } = new AbortController();
    const load = (name) => download(`/network/${name}`, () => {}, signal);
    const measured = new Float32Array(await load("shuffled.bin"));
    const file = await load("network.onnx.gz");
    const other = withOther(file, alone.about.layers, measured, kind);
    const reader = new FileReader();
    reader.readAsDataURL(new Blob([other]));
    await new Promise((done) => (reader.onload = done));
    return reader.result.split(",")[1];
}"""


def weights_in_the_page(page, kind) -> dict[str, np.ndarray]:
    """All numbers in the file that the page makes out of its network."""
    graph = load_from_string(base64.b64decode(page.evaluate(OTHER, kind))).graph
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


def test_shuffled_weights_are_the_trained_ones_in_pytorchs_order(
    site, facts, page, tiny_run
):
    page.goto(site.url)
    page.evaluate(BEGIN)
    found = weights_in_the_page(page, "shuffled")
    trained = weighted(folded(tiny_run.model, heads=True))
    network, first = shuffled(tiny_run), 0
    for name, layer in weighted(network).items():
        whole = rounded(trained[name].weight)[0].flatten(1).numpy()
        here = found[f"{name}.weight.int8"].reshape(whole.shape)
        assert (np.sort(here, axis=1) == np.sort(whole, axis=1)).all(), name
        assert (here != whole).mean() > 0.5
        # The same order as PyTorch's, and the scales of its batch norms.
        order = torch.from_numpy(in_random_order(whole, first))
        assert (here == order.numpy()).all()
        scale = rounded(layer.weight)[1]
        layer.weight.data = order.view(layer.weight.shape) * scale
        first += whole.size
    pixels = torch.randint(0, 256, (5, 1, SIDE, SIDE), dtype=torch.uint8)
    close(page, answering(tiny_run, network), pixels, torch.ones(9, 4), "shuffled")


def test_untrained_weights_are_as_the_library_draws_them(site, facts, page, tiny_run):
    page.goto(site.url)
    page.evaluate(BEGIN)
    found = weights_in_the_page(page, "untrained")
    torch.manual_seed(3)
    network = folded(build_model(tiny_run.config, 2).eval(), heads=True)
    for name, layer in weighted(network).items():
        scale = found[f"{name}.weight.scale"]
        weight = torch.from_numpy(found[f"{name}.weight.int8"] * scale)
        ours, librarys = weight.std(), layer.weight.std()
        # Two standard errors of each, four in all.
        assert abs(ours / librarys - 1) < 4 / weight.numel() ** 0.5, name
        assert abs(weight.mean()) < 4 * librarys / weight.numel() ** 0.5
        kurtosis = ((weight / ours) ** 4).mean()  # 3: normal
        assert abs(kurtosis - 3) < 5 * (24 / weight.numel()) ** 0.5 + 0.01
        assert (found[f"{name}.bias"] == 0).all() and (layer.bias == 0).all()
        layer.weight.data = weight.view(layer.weight.shape)
    pixels = torch.randint(0, 256, (5, 1, SIDE, SIDE), dtype=torch.uint8)
    close(page, answering(tiny_run, network), pixels, torch.ones(9, 4), "untrained")


def test_other_weights_answer_for_the_same_picture_crack_and_mask(site, facts, awake):
    change(awake, lambda: awake.get_by_role("slider", name="angle").press("ArrowRight"))
    change(awake, awake.get_by_role("button", name="4c, 3×3 branch").click)
    before = shown(awake)
    trained = awake.get_by_role("radio", name="trained", exact=True)
    tab_to(awake, trained)
    said, seen = [awake.locator("#network .line").inner_text()], [before]
    for _ in range(3):  # by arrow keys, once around
        change(awake, lambda: awake.keyboard.press("ArrowRight"))
        said.append(awake.locator("#network .line").inner_text())
        seen.append(shown(awake))
    assert "weights" not in said[0] and said[3] == said[0] and seen[3] == before
    assert ", shuffled weights, with a crack, 1 of 36 branches off: " in said[1]
    assert ", untrained weights, with a crack, 1 of 36 branches off: " in said[2]
    assert len(set(seen)) == 3


@pytest.mark.parametrize("side", [SIDE, 300])
def test_a_crack_is_the_librarys(site, facts, page, side):
    page.goto(site.url)
    page.evaluate(BEGIN)
    pixels = torch.randint(0, 256, (1, 1, side, side), dtype=torch.uint8)
    draw = """([pixels, side, angle, length, width, darkness]) => {
        const line = crack.straight(angle, length, side);
        const covered = crack.cover(side, [line], width);
        return packed(crack.darken(bytes(pixels), covered, darkness));
    }"""
    for values in (
        (45, 0.6, 1, 0.4),
        (0, 0.95, 3.5, 0.95),
        (175, 0.05, 8, 0.05),
        (90, 0.3, 0.5, 0.6),
    ):
        given = [sent(pixels), side, *values]
        found = received(page.evaluate(draw, given), np.uint8, side, side)
        expected = draw_crack(pixels, *values)[0, 0].int()
        assert (found - expected).abs().max() <= 1, values
        assert (found != pixels[0, 0]).any()


def test_evidence_is_enlarged_as_pytorch_does_it(site, facts, page):
    page.goto(site.url)
    page.evaluate(BEGIN)
    for height, width in ((3, 3), (7, 7), (2, 5)):
        small = torch.randn(height, width)
        run = "([m, h, w]) => packed(Float32Array.from(drawing.enlarge(m, h, w)))"
        found = page.evaluate(run, [small.flatten().tolist(), height, width])
        expected = nn.functional.interpolate(
            small[None, None], (300, 300), mode="bilinear"
        )
        enlarged = received(found, np.float32, 1, 1, 300, 300)
        torch.testing.assert_close(enlarged, expected, rtol=0, atol=1e-4)


def odd_pictures(folder) -> list:
    """Files as people have them: sides, colours, transparency, turned by a camera."""
    random = np.random.default_rng(0)
    smooth = random.integers(0, 256, (9, 13, 4), dtype=np.uint8)
    image = Image.fromarray(smooth, "RGBA").resize((201, 130), Image.Resampling.BICUBIC)
    paths = [folder / name for name in ("a.png", "b.png", "c.jpg", "d.webp")]
    image.save(paths[0])
    image.convert("L").crop((0, 0, 40, 129)).save(paths[1])
    turned = Image.Exif()
    turned[0x0112] = 6
    image.convert("RGB").save(paths[2], exif=turned, quality=95, subsampling=0)
    image.convert("RGB").save(paths[3], lossless=True)
    return paths


def test_a_picture_of_ones_own_is_read_as_the_library_reads_it(
    site, facts, awake, tiny_run, tmp_path
):
    awake.evaluate(BEGIN)
    read = """async ([file, size]) => {
        const square = await picture.read(new Blob([bytes(file)]));
        const shrunk = (channels) => picture.shrink(square, size, channels);
        return [1, 3].map((n) => packed(Float32Array.from(shrunk(n))));
    }"""
    for path in odd_pictures(tmp_path):
        file = base64.b64encode(path.read_bytes()).decode()
        grey, colour = awake.evaluate(read, [file, SIDE])
        expected = load_picture(path, SIDE)[0].int()
        # Decoders of JPEG may round differently.
        most = 3 if path.suffix == ".jpg" else 1
        found = received(colour, np.float32, 3, SIDE, SIDE)
        assert (found - expected).abs().max() <= most, path
        mean = received(grey, np.float32, SIDE, SIDE)
        assert (mean - expected.float().mean(0)).abs().max() <= most + 0.51, path
        # And what the page then says is what `inception predict` says.
        change(awake, lambda path=path: choose(awake, path))
        assert path.name in awake.get_by_role("status").first.inner_text()
        said = float(awake.locator("#network [data-value]").get_attribute("data-value"))
        (expected_mean,) = tiny_run.predict(path)
        assert said == pytest.approx(expected_mean[1].item(), abs=0.03)


@pytest.fixture(scope="module")
def readings(site, facts, browser) -> dict:
    """What the page makes of each file of the library's corpus: S×S×3, or words."""
    page = browser.new_page()
    page.goto(site.url)
    page.evaluate(BEGIN)
    read = """async ([file, name, size]) => {
        try {
            const square = await picture.read(new File([bytes(file)], name));
            return [packed(Float32Array.from(picture.shrink(square, size, 3)))];
        } catch (error) {
            return error.message;
        }
    }"""
    found = {}
    for case in CORPUS:
        content = case.content() if callable(case.content) else case.content
        given = [base64.b64encode(content).decode(), case.name, SIZE]
        says = page.evaluate(read, given)
        if not isinstance(says, str):
            says = received(says[0], np.float32, 3, SIZE, SIZE).permute(1, 2, 0).numpy()
        found[case.kind] = says
    page.close()
    return found


def words(case) -> str:
    """What the page says where it doesn't read what the library reads, or "" ."""
    if re.match("TIFF|JPEG 2000|PPM", case.kind) or "TIFF" in case.kind:
        return "which this browser can't read"
    if case.kind in ("16 bits, other bytes first", "32 bits", "floats", "YCbCr", "Lab"):
        return "TIFF, which this browser can't read"
    if re.fullmatch("WEBP, orientation [2-8]", case.kind):
        return "a WebP that browsers don't turn upright"
    return ""


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.kind)
def test_an_odd_picture_is_read_as_the_library_reads_it_or_refused(case, readings):
    found = readings[case.kind]
    if expected := words(case):
        assert_refused(found, case.name, expected)
    else:
        assert np.abs(found - case.expected).max() <= max(3, case.off_by)


# What a browser reads although the library doesn't: no harm.
READ = {"an icon", "bomb, in a comment"}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.kind)
def test_a_broken_picture_is_one_clear_sentence(case, readings):
    found = readings[case.kind]
    if case.kind in READ:
        assert found.shape == (SIZE, SIZE, 3)
    else:
        assert_refused(found, case.name, "")
        why = found.removeprefix(case.name)
        if case.kind == "nothing in it":
            assert ": empty;" in why
        if case.kind == "HEIC":
            assert "HEIC or AVIF, which this browser can't read" in why
        if case.kind == "SVG":
            assert "SVG, a drawing without pixels" in why
        if "cut off" in case.kind and case.kind[:3] in ("JPE", "PNG", "GIF", "WEB"):
            assert re.search("damaged, cut off|JPEG 2000", why)
        if case.kind == "bomb, twice too large":
            assert "too large, over 89 million pixels" in why


def assert_refused(found, name: str, why: str) -> None:
    assert isinstance(found, str)
    assert found.startswith(f"{name} can't be used as a picture: ") and why in found
    assert found.endswith("; choose another, or save it as PNG or JPEG.")


def test_a_file_that_is_no_picture_gets_a_sentence(facts, awake, tmp_path):
    path = tmp_path / "letter.png"
    path.write_text("Dear network")
    before = shown(awake)
    choose(awake, path)
    said = awake.locator("#network .line")
    awake.wait_for_function(
        "document.querySelector('#network .line').textContent.includes('letter.png')"
    )
    assert re.fullmatch(r"letter\.png can't be used .*\.", said.inner_text())
    assert shown(awake) == before


def test_the_keyboard_alone_breaks_a_cell_and_switches_a_branch_off(
    site, facts, awake, alive
):
    pixels = cell(site, facts)
    assert shown(awake) == pytest.approx(
        alive(pixels)["output"].softmax(1)[0, 1].item(), abs=0.006
    )
    angle = awake.get_by_role("slider", name="angle")
    tab_to(awake, angle)
    change(awake, lambda: awake.keyboard.press("ArrowRight"))
    cracked = draw_crack(pixels, 50, 0.6, 1, 0.2)
    assert shown(awake) == pytest.approx(
        alive(cracked)["output"].softmax(1)[0, 1].item(), abs=0.02
    )
    assert "with a crack" in awake.locator("#network .line").inner_text()

    # To the board by Tab, then right and down by arrows: 3b, its 3×3 branch.
    tab_to(awake, awake.get_by_role("button", name="show what is in 3a"))
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        awake.keyboard.press(key)
    branch = awake.get_by_role("button", name="3b, 3×3 branch")
    assert branch.evaluate("e => e === document.activeElement")
    change(awake, lambda: awake.keyboard.press("Enter"))
    assert branch.get_attribute("aria-pressed") == "false"
    mask = torch.ones(9, 4)
    mask[1, 1] = 0
    expected = alive(cracked, mask)["output"].softmax(1)[0, 1].item()
    assert shown(awake) == pytest.approx(expected, abs=0.02)
    assert "1 of 36 branches off" in awake.locator("#network .line").inner_text()
    change(awake, lambda: awake.keyboard.press("Enter"))
    assert branch.get_attribute("aria-pressed") == "true"

    # A module's maps: its first channel shows on the picture what it sees.
    awake.keyboard.press("ArrowUp")
    awake.keyboard.press("ArrowUp")
    change(awake, lambda: awake.keyboard.press("Enter"))
    channels = awake.locator("#network .insides button")
    assert channels.count() == 24
    assert "of 3b 1×1" in channels.first.get_attribute("aria-label")
    before = awake.locator("#network .drawable").evaluate("c => c.toDataURL()")
    tab_to(awake, channels.first)
    awake.keyboard.press("Enter")
    after = awake.locator("#network .drawable").evaluate("c => c.toDataURL()")
    assert before != after


def test_each_branch_is_tried_alone(site, facts, awake, alive):
    awake.get_by_role("button", name="Try each alone").click()
    notes = awake.locator("#network [data-note]")
    awake.wait_for_function(
        "document.querySelectorAll('#network [data-note]').length === 36"
    )
    pixels = cell(site, facts)
    before = alive(pixels)["output"].softmax(1)[0, 1].item()
    found = notes.evaluate_all("all => all.map(e => [e.ariaLabel, e.dataset.note])")
    changes = []
    for label, note in found:
        module, branch = re.match(r"(\w+), (\S+) branch", label).groups()
        mask = torch.ones(9, 4)
        mask[MODULES.index(module), list(BRANCHES.values()).index(branch)] = 0
        after = alive(pixels, mask)["output"].softmax(1)[0, 1].item()
        changes.append(100 * (after - before))
        assert float(note.replace("−", "-")) == pytest.approx(changes[-1], abs=1.5)
    assert max(map(abs, changes)) > 5
    awake.wait_for_function(
        "document.querySelector('#network .line').textContent.startsWith('Most')"
    )
    # What is done next makes them untrue: they go.
    change(awake, awake.get_by_role("button", name="Straight crack").click)
    assert notes.count() == 0


def test_a_stroke_by_hand_darkens_the_picture_where_it_goes(facts, awake):
    canvas = awake.locator("#network .drawable")
    canvas.scroll_into_view_if_needed()
    mean = """canvas => {
        const { data } = canvas.getContext("2d").getImageData(60, 145, 150, 10);
        return data.reduce((sum, one) => sum + one, 0) / data.length;
    }"""
    before = canvas.evaluate(mean)
    box = canvas.bounding_box()

    def stroke():
        y = box["y"] + box["height"] / 2
        awake.mouse.move(box["x"] + 0.2 * box["width"], y)
        awake.mouse.down()
        awake.mouse.move(box["x"] + 0.7 * box["width"], y, steps=8)
        awake.mouse.up()

    change(awake, stroke)
    assert canvas.evaluate(mean) < before - 5
    change(awake, awake.get_by_role("button", name="Remove cracks").click)
    assert canvas.evaluate(mean) == before


def test_axe_finds_nothing_serious_once_it_is_awake(facts, awake):
    awake.evaluate(AXE_SCRIPT)
    awake.add_style_tag(content="* { transition: none !important }")
    found = []
    for scheme in ("light", "dark"):
        awake.emulate_media(color_scheme=scheme)
        for size in (DESKTOP, PHONE):
            awake.set_viewport_size(size)
            awake.wait_for_timeout(200)  # until all is in place
            found += faults(awake) + low_contrasts(awake)
    assert found == []
    width = awake.evaluate("document.scrollingElement.scrollWidth")
    assert width <= PHONE["width"]


def test_on_a_phone_it_waits_to_be_asked(site, facts, browser):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    heard = listen(page)
    page.goto(site.url)
    wake = page.get_by_role("button", name="Wake the network")
    wake.wait_for()
    page.wait_for_timeout(500)
    assert not any(url.endswith(".gz") for url in heard.requests)
    wake.click()
    page.locator("#network .bar").first.wait_for(timeout=60_000)
    answered(page)
    assert heard.errors == [] and heard.outside(site) == []
    context.close()


def test_a_browser_without_webassembly_gets_a_sentence(site, facts, page):
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(site.url)
    said = page.locator("#network", has_text="This browser has no WebAssembly")
    said.wait_for()
    assert page.locator("#network button").count() == 0


def test_a_download_that_fails_can_be_tried_again(site, facts, browser):
    page = browser.new_page(service_workers="block")  # it would ask in its own name
    page.route("**/network.onnx.gz", lambda route: route.abort())
    page.goto(site.url)
    page.locator("#network", has_text="could not be woken").wait_for(timeout=60_000)
    page.unroute("**/network.onnx.gz")
    page.get_by_role("button", name="Wake the network").click()
    page.locator("#network .bar").first.wait_for(timeout=60_000)
    page.close()


def test_the_page_is_light_without_its_network(site, facts, browser):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    sizes = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.goto(site.url, wait_until="networkidle")
    print(f"the page without its network: {sum(sizes) / 1e3:.0f} kB")
    assert 50_000 < sum(sizes) < 500_000
    context.close()
    files = (site.folder / "network").iterdir()
    assert sum(file.stat().st_size for file in files) < 16_000_000


def test_how_long_an_answer_takes(facts, awake):
    """Printed, not judged: other work on the machine counts, too."""
    times = []
    angle = awake.get_by_role("slider", name="angle")
    for _ in range(9):
        change(awake, lambda: angle.press("ArrowRight"))
        times.append(int(awake.locator("#network").get_attribute("data-milliseconds")))
    print(f"from input to picture: {median(times):.0f} ms (median, {SIDE} px)")
    assert all(time > 0 for time in times)


INPUTS = """async ([from, to]) => {
    const place = document.getElementById("network");
    const [angle] = place.querySelectorAll("input[type=range]");
    const modules = [...place.querySelectorAll(".module")];
    for (let i = from; i < to; i++) {
        const drawn = new Promise((done) => {
            const seen = new MutationObserver(() => (seen.disconnect(), done()));
            seen.observe(place, { attributeFilter: ["data-milliseconds"] });
        });
        angle.value = 5 * (i % 36);
        angle.dispatchEvent(new Event("input"));
        if (i % 10 === 0) modules[(i / 10) % 2].click();  // the largest maps
        await drawn;
    }
}"""


def renderers() -> dict[int, psutil.Process]:
    """The processes in which the browsers of these tests show pages."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # one that has just ended
            if "--type=renderer" in process.cmdline():
                found[process.pid] = process
    return found


def test_memory_does_not_grow_over_200_inputs(site, facts, browser, chromium):
    """What the page's process holds, WebAssembly included, after 50 and after 200."""
    others = renderers()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--js-flags=--expose-gc"]
    own = browser.browser_type.launch(executable_path=chromium, args=flags)
    page = own.new_page()
    page.set_default_timeout(120_000)
    page.goto(site.url)
    page.locator("#network .bar").first.wait_for()
    answered(page)
    (worker,) = page.workers
    engine = page.context.new_cdp_session(page)

    def megabytes() -> float:
        for place in (page, worker, page, worker):
            place.evaluate("gc()")
        found = [p for pid, p in renderers().items() if pid not in others]
        held = sum(process.memory_full_info().uss for process in found)
        # What JavaScript has set aside for later is no leak.
        heap = engine.send("Runtime.getHeapUsage")
        return (held - heap["totalSize"] + heap["usedSize"]) / 1e6

    page.evaluate(INPUTS, [0, 50])
    early = megabytes()
    page.evaluate(INPUTS, [50, 200])
    late = megabytes()
    own.close()
    print(f"the page holds {early:.0f} MB after 50 inputs, {late:.0f} MB after 200")
    assert early > 50
    assert late - early < 10


def another(site, folder):
    """A copy of the site in ``folder``, without its network."""
    shutil.copytree(site.folder, folder, copy_function=os.link)
    shutil.rmtree(folder / "network")
    return folder / "network"


def test_a_run_of_any_classes_in_colour_without_heads(site, facts, browser, tmp_path):
    torch.manual_seed(1)
    classes = ("ant", "bee", "cat", "dog", "elk")
    config = TrainingConfig(image_size=48, aux=False, data="nowhere")
    run = Run(build_model(config, 5).eval(), config, classes, 0.2)
    network = another(site, tmp_path / "site")
    runtime = build_site.site_runtime.runtime(build_site.CACHE)
    build_site.site_network.write(run, runtime, network)
    (path, *_) = odd_pictures(tmp_path)
    (expected,) = run.predict(path)
    with served(network.parent) as other:
        page = browser.new_page()
        heard = listen(page)
        page.goto(other.url)
        said = page.locator("#network .line")
        said.wait_for(timeout=60_000)
        assert said.inner_text() == "Show it a picture of your own."
        choose(page, path)
        answered(page)
        # The class that it finds likeliest is the one that is asked for.
        assert page.locator("#network .bar").count() == 1
        likeliest = page.locator("#network .answers p").first.inner_text()
        chosen = page.locator("#network select option:checked").inner_text()
        assert re.match(rf"Likeliest: {chosen} \S+, \w+ ", likeliest)
        for i, name in enumerate(classes):
            page.get_by_label("class", exact=True).select_option(name)
            page.wait_for_function(
                "name => document.querySelector('#network .line').textContent"
                ".includes(`: ${name} `)",
                arg=name,
            )
            mean = page.locator("#network [data-value]").get_attribute("data-value")
            assert float(mean) == pytest.approx(expected[i].item(), abs=0.03)
        assert heard.errors == [] and heard.outside(other) == []
        page.close()


def test_a_site_without_npm_says_so(
    site, browser, tiny_run, tmp_path, monkeypatch, capsys
):
    network = another(site, tmp_path / "site")
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    build_site.write_network(None, network, cache=tmp_path / "cache")
    printed = capsys.readouterr().out
    assert printed == "The landing page has no live network: npm is not installed.\n"
    with served(network.parent) as bare:
        page = browser.new_page()
        heard = listen(page)
        page.goto(bare.url)
        said = page.locator("#network p", has_text="without its network")
        said.wait_for()
        assert "npm is not installed" in said.inner_text()
        assert heard.errors == [] and heard.outside(bare) == []
        page.close()
