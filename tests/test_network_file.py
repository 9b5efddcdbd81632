"""The landing page's network, in Python: its file, its pictures, what runs it."""

import gzip
import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import site_network
import site_runtime
import torch
from torch.optim.swa_utils import update_bn

from inception_lib import GoogLeNet
from inception_lib.analysis.parts import BRANCHES, answers, modules
from inception_lib.training import Run, TrainingConfig, solar_cells, split
from inception_lib.training.data import prepare
from inception_lib.training.run import build_model

# With heads, grey, batch norm; without heads, in colour, as in the paper.
RUNS = {
    "two": (TrainingConfig(image_size=64), ("functional", "defective"), 1),
    "five": (
        TrainingConfig(image_size=48, aux=False, batch_norm=False, data="nowhere"),
        ("a", "b", "c", "d", "e"),
        3,
    ),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request):
    config, classes, channels = RUNS[request.param]
    torch.manual_seed(0)
    model = build_model(config, len(classes)).eval()
    return Run(model, config, classes, 0.2, channels=channels)


@pytest.fixture(scope="module")
def file(run) -> bytes:
    return site_network.to_onnx(run)


@pytest.fixture(scope="module")
def network(file):
    """The function from pixels and a mask to all outputs, in ONNX Runtime."""
    session = onnxruntime.InferenceSession(file)
    names = [output.name for output in session.get_outputs()]

    def ask(pixels, mask):
        feeds = {"pixels": pixels.numpy(), "mask": mask.numpy()}
        found = session.run(names, feeds)
        return dict(zip(names, map(torch.from_numpy, found), strict=True))

    return ask


def pictures(run, count=3):
    size = (count, run.channels, run.config.image_size, run.config.image_size)
    return torch.randint(0, 256, size, dtype=torch.uint8)


def as_stored(run) -> GoogLeNet:
    """The network with the weights that the file holds, computed by PyTorch."""
    network = site_network.folded(run.model, heads=True)
    for layer in site_network.weighted(network).values():
        whole, scale = site_network.rounded(layer.weight)
        layer.weight.data = whole * scale
    return network


def close(found, expected, tolerance=1e-3):
    scale = expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * scale)


def test_the_answers_are_pytorchs(run, network):
    pixels = pictures(run)
    found = network(pixels, torch.ones(9, 4))
    with torch.no_grad():
        expected = answers(as_stored(run), prepare(pixels, run.pixel_std))
    heads = ["head 1", "head 2"] if run.config.aux else []
    assert list(expected) == [*heads, "output"]
    for name, (_, logits) in expected.items():
        assert found[name].shape == (3, len(run.classes))
        close(found[name], logits)
    close(found["5b"], expected["output"][0])


def test_the_evidence_averages_to_the_logits(run, network):
    found = network(pictures(run), torch.ones(9, 4))
    bias = run.model.fc.bias.detach()
    close(found["evidence"].mean((2, 3)) + bias, found["output"])


def test_a_mask_takes_one_branch_away(run, network):
    module, branch = "4c", "pool"
    pixels, mask = pictures(run), torch.ones(9, 4)
    mask[site_network.MODULES.index(module), list(BRANCHES).index(branch)] = 0
    found = network(pixels, mask)
    stored = as_stored(run)
    with torch.no_grad():
        for name, outputs, rest in modules(stored, prepare(pixels, run.pixel_std)):
            if name == module:
                without = outputs | {branch: torch.zeros_like(outputs[branch])}
                maps = torch.cat([*without.values()], 1)
                close(found[module], maps)
                close(found["output"], rest(maps))


def test_each_weight_is_within_a_step_and_takes_a_byte(run, file):
    weight = run.model.inception4a.branch2[1].conv.weight
    whole, scale = site_network.rounded(weight)
    assert whole.dtype == torch.int8 and scale.shape == (len(weight), 1, 1, 1)
    off = (whole * scale - weight) / scale
    assert (off.abs() <= 1.001).all()
    # What is lost in one place is made up for in the next ones.
    assert (off.flatten(1).cumsum(1).abs() <= 0.501).all()
    numbers = sum(p.numel() for p in run.model.parameters())
    assert numbers < len(file) < 1.07 * numbers


def test_the_page_is_told_where_the_weights_are(run, file):
    found = site_network.layers(run, file)
    network = site_network.weighted(site_network.folded(run.model, heads=True))
    assert [layer["name"] for layer in found] == list(network)
    for layer, (name, real) in zip(found, network.items(), strict=True):
        rows, columns = layer["rows"], layer["columns"]
        assert real.weight.numel() == rows * columns

        def read(what, kind, count, layer=layer):
            return np.frombuffer(file, kind, count, layer[what])

        whole, scale = site_network.rounded(real.weight)
        read_whole = read("weights", np.int8, rows * columns)
        assert (read_whole == whole.flatten().numpy()).all(), name
        assert (read("scales", "<f4", rows) == scale.flatten().numpy()).all()
        assert (read("biases", "<f4", rows) == real.bias.numpy()).all()


def test_rounding_hardly_moves_the_answers_to_real_pictures():
    """By a few hundredths of what lies between them, so that few change sides. The
    network is not trained, but tells pictures apart: its batch norms are measured on
    them, and its logits are the direction in which its features differ most.
    """
    config, classes, _ = RUNS["two"]
    torch.manual_seed(0)
    model = build_model(config, 2).eval().requires_grad_(False)
    cells = solar_cells(64)
    x = prepare(cells.images[:: len(cells) // 150], 0.17)
    update_bn([x[:64]], model)
    features = answers(model.eval(), x)["output"][0].mean((2, 3))
    _, _, directions = torch.linalg.svd(features - features.mean(0))
    logits = features @ directions[0]
    rounded = as_stored(Run(model, config, classes, 0.17))
    stored = answers(rounded, x)["output"][0].mean((2, 3)) @ directions[0]
    off = (stored - logits).pow(2).mean().sqrt() / logits.std()
    print(f"rounding moves a logit by {100 * off:.1f} % of their spread")
    assert 0 < off < 0.04


def test_a_random_order_keeps_the_weights_of_each_filter(run):
    weight = run.model.inception4a.branch2[1].conv.weight.detach().flatten(1).numpy()
    found = site_network.in_random_order(weight, 5)
    assert (np.sort(found, axis=1) == np.sort(weight, axis=1)).all()
    # Each weight may be anywhere: where those go that were first is spread evenly.
    marked = np.zeros((4000, 8), np.int8)
    marked[:, 0] = 1
    counts = site_network.in_random_order(marked, 5).sum(axis=0)
    assert abs(counts - 500).max() < 4 * np.sqrt(500)
    other = site_network.in_random_order(marked, 6)
    assert (other != site_network.in_random_order(marked, 5)).any()


def test_the_shuffled_network_still_tells_pictures_apart(run):
    """Its batch norms are measured again: else all pictures would look the same to
    it, and its map would be none for another reason.
    """
    if not run.config.batch_norm:
        pytest.skip("a network without batch norms has none to measure")
    shuffled = site_network.shuffled(run)
    x = prepare(solar_cells(64).images[:32], run.pixel_std)
    with torch.no_grad():
        maps = answers(shuffled, x)["output"][0].flatten(1)
    assert torch.corrcoef(maps)[0, 1:].mean() < 0.9
    assert 0.2 < maps.std() < 5


def test_the_page_is_told_what_what_it_must_know(run):
    facts = json.loads(json.dumps(site_network.about(run)))
    assert facts["classes"] == list(run.classes) and facts["channels"] == run.channels
    assert facts["watched"] == (1 if run.config.on_solar_cells else None)
    widths = [
        sum(b["channels"] for b in m["branches"].values())
        for m in facts["modules"].values()
    ]
    assert widths[0] == 256 and widths[-1] == 1024 and len(widths) == 9
    assert facts["modules"]["4a"]["branches"]["5x5"]["largest"] == 171
    assert len(facts["evidence"]) == len(facts["strength"]) == 256


def test_the_pictures_are_typical_ones_of_the_validation_set():
    config, classes, _ = RUNS["two"]
    torch.manual_seed(0)
    run = Run(build_model(config, 2).eval(), config, classes, 0.2)
    found = site_network.pictures(run)
    kinds = list(zip(found.groups, found.labels.tolist(), strict=True))
    assert kinds == [("mono", 0), ("mono", 1), ("poly", 0), ("poly", 1)]
    assert ((found.targets == 0) | (found.targets == 1)).all()
    _, validation, _ = split(solar_cells(), seed=config.split_seed)
    assert set(found.names) <= set(validation.names)
    gone = replace(run, config=RUNS["five"][0])
    assert site_network.pictures(gone) is None


def test_another_archive_is_refused(tmp_path):
    archive = tmp_path / "onnxruntime-web.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(site_runtime.NoRuntimeError, match="another onnxruntime-web"):
        site_runtime.unpack(archive, tmp_path)


def test_what_is_there_needs_no_npm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / f"onnxruntime-web-{site_runtime.VERSION}"
    folder.mkdir()
    for name in site_runtime.FILES.values():
        (folder / name).write_text("there")
    assert site_runtime.runtime(tmp_path) == folder


def test_the_pictures_are_files_of_the_pages_size(run, file, tmp_path, monkeypatch):
    network = file
    monkeypatch.setattr(site_network, "to_onnx", lambda run: network)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    (runtime / "ort.js").write_text("export {}")
    (runtime / "ort.wasm").write_bytes(b"\0asm")
    site_network.write(run, runtime, tmp_path / "network")
    facts = json.loads((tmp_path / "network" / "about.json").read_text())
    files = [tmp_path / "network" / p["file"] for p in facts["pictures"]]
    assert len(files) == (4 if run.config.on_solar_cells else 0)
    for file in files:
        pixels = np.asarray(site_network.Image.open(file))
        assert pixels.shape == (300, 300) and pixels.dtype == np.uint8
    packed = (tmp_path / "network" / "network.onnx.gz").read_bytes()
    assert gzip.decompress(packed) == network
    shuffled = (tmp_path / "network" / "shuffled.bin").stat().st_size
    rows = sum(layer["rows"] for layer in facts["layers"])
    assert shuffled == 8 * rows  # a scale and a bias each, float32
    wasm = (tmp_path / "network" / "ort.wasm.gz").read_bytes()
    assert gzip.decompress(wasm) == b"\0asm"
    assert facts["bytes"] == len(packed) + shuffled + len(wasm)
    assert ("CC BY-NC-SA" in facts["credit"]) == bool(files)
