"""torchvision's network and a Caffe-like ONNX file against ours, with their weights."""

import hashlib
import warnings
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models import GoogLeNet_Weights, googlenet

from inception_lib import GoogLeNet
from inception_lib.model import interop


def theirs(num_classes=7, aux_logits=True, **options) -> nn.Module:
    """torchvision's network, its norms away from 0 and 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "the default initialisation will change"
        model = googlenet(num_classes=num_classes, aux_logits=aux_logits, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return model


def close(ours, theirs):
    """Within 1e-5 of the largest value: float32 has seven digits, of the largest."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * theirs.abs().max())


@pytest.mark.parametrize("size", [96, 224])
@pytest.mark.parametrize("heads", [True, False])
def test_torchvision_gives_the_same_answers(heads, size):
    x = torch.randn(2, 3, size, size)
    model = theirs(aux_logits=heads)
    mine = interop.from_torchvision(model.state_dict())
    with torch.no_grad():
        close(mine.eval()(x), model.eval()(x))
        torch.manual_seed(1)  # dropout draws the same
        training = model.train()(x)
        torch.manual_seed(1)
        again = mine.train()(x)
    pairs = zip(again, training, strict=True) if heads else [(again, training)]
    for one, other in pairs:
        close(one, other)
    # Both have learned the same running statistics from that batch.
    close(mine.conv1.bn.running_var, model.conv1.bn.running_var)


def test_there_and_back():
    state = theirs().state_dict()
    back = interop.to_torchvision(interop.from_torchvision(state))
    assert list(back) == list(state)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_a_network_of_ours_runs_in_torchvision(network):
    form = {"batch_norm": True, "kernel_size_5x5": 3, "pool4_kernel_size": 2}
    mine = network(image_size=64, **form)
    model = theirs(num_classes=5)
    model.load_state_dict(interop.to_torchvision(mine))
    x = torch.randn(2, 3, 64, 64)  # 4×4 before the heads: adaptive or not is the same
    torch.manual_seed(1)
    with torch.no_grad():
        close(mine.eval()(x), model.eval()(x))
        model.dropout.p = mine.dropout.p = 0.0
        for head in (mine.aux1, mine.aux2):
            head.dropout_rate = 0.0
        model.aux1.dropout.p = model.aux2.dropout.p = 0.0
        for one, other in zip(mine.train()(x), model.train()(x), strict=True):
            close(one, other)


def test_the_weights_are_copies():
    mine = interop.from_torchvision(theirs(aux_logits=False).state_dict())
    interop.to_torchvision(mine)["fc.weight"].zero_()
    assert mine.fc.weight.abs().sum() > 0


def test_adaptive_heads_take_every_size():
    mine = interop.from_torchvision(theirs().state_dict())
    mine.image_size = 96
    assert [out.shape for out in mine(torch.randn(2, 3, 128, 128))] == [(2, 7)] * 3


def test_the_silent_transform_made_explicit():
    model = theirs(aux_logits=False, transform_input=True).eval()
    mine = interop.from_torchvision(model.state_dict()).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        close(mine(interop.transform_input(x)), model(x))
    with pytest.raises(ValueError, match="N×3×H×W, got 2×1×8×8"):
        interop.transform_input(torch.zeros(2, 1, 8, 8))


@pytest.mark.parametrize(
    "form",
    [
        {"batch_norm": False},
        {"kernel_size_5x5": 5},
        {"pool4_kernel_size": 3},
        {"local_response_norm": True},
    ],
    ids=lambda form: next(iter(form)),
)
def test_what_torchvision_cannot_hold(form):
    fits = {"batch_norm": True, "kernel_size_5x5": 3, "pool4_kernel_size": 2}
    with pytest.raises(ValueError, match=f"this one {next(iter(form))}="):
        interop.to_torchvision(GoogLeNet(2, aux_logits=False, **(fits | form)))


def prefixed(start: str, state: dict) -> dict:
    return {start + name: value for name, value in state.items()}


WRAPPERS = {
    "the network": lambda model: model,
    "DataParallel": lambda model: nn.DataParallel(model).state_dict(),
    "compiled": lambda model: prefixed("_orig_mod.", model.state_dict()),
    "both": lambda model: prefixed("module._orig_mod.", model.state_dict()),
    "a training's checkpoint": lambda model: {
        "epoch": 3,
        "state_dict": prefixed("module.", model.state_dict()),
        "optimizer": torch.optim.SGD(model.parameters()).state_dict(),
    },
    "Lightning's": lambda model: {
        "state_dict": prefixed("model.", model.state_dict()) | {"loss.weight": 1}
    },
    "a network in a dict": lambda model: {"model": model, "args": {"lr": 1}},
    "an average": lambda model: torch.optim.swa_utils.AveragedModel(model).state_dict(),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_checkpoint_as_people_have_it(wrapper):
    model = theirs().eval()
    mine = interop.from_torchvision(WRAPPERS[wrapper](model)).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        close(mine(x), model(x))
    assert mine.aux1.fc2.out_features == 7


@pytest.mark.parametrize("dropout", [False, True])
def test_a_network_whose_last_layer_was_exchanged(dropout):
    """The usual fine-tuning: its heads still know the 1,000 classes, so they go."""
    model, last = theirs(1000), nn.Linear(1024, 3)
    model.fc = nn.Sequential(nn.Dropout(0.3), last) if dropout else last
    model.eval()
    mine = interop.from_torchvision(model.state_dict()).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        close(mine(x), model(x))
    assert mine.aux1 is None and mine.fc.out_features == 3


def broken(change) -> dict:
    state = theirs(aux_logits=False).state_dict()
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("fc.weight"), "there is no fc.weight"),
        (lambda s: s.pop("conv1.conv.weight"), 'Missing key.*"conv1.conv.weight"'),
        (lambda s: s.update(more=torch.zeros(1)), 'Unexpected key.*"more"'),
        (lambda s: s.update({"conv1.bn.bias": torch.zeros(3)}), "conv1.bn.bias"),
        (lambda s: s.update({"fc.weight": torch.zeros(3, 9)}), "fc.weight"),
        (lambda s: s.clear(), "there is no fc.weight .*; what is there is nothing"),
    ],
)
def test_a_dict_of_something_else(change, message):
    with pytest.raises(ValueError, match=f"not torchvision's.*{message}") as caught:
        interop.from_torchvision(broken(change))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ("resnet18", "a ResNet"),
        ("vgg11", "a VGG or an AlexNet"),
        ("inception_v3", "an Inception v3"),
        ("densenet121", "a DenseNet"),
        ("mobilenet_v2", "a MobileNet or EfficientNet"),
        ("vit_b_16", "a transformer"),
    ],
)
def test_another_network_is_named(build, name):
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        state = getattr(models, build)().state_dict()
    for given in (state, {"state_dict": prefixed("module.", state), "epoch": 1}):
        with pytest.raises(ValueError, match=f"they seem to be those of {name}$"):
            interop.from_torchvision(given)


def test_what_is_not_clear_is_asked_back():
    state = theirs(aux_logits=False).state_dict()
    for given, names in (
        ({"model": state, "ema": state}, "'model', 'ema'"),
        (prefixed("a.", state) | prefixed("b.", state), "'a.', 'b.'"),
    ):
        with pytest.raises(ValueError, match=f"several networks, {names}: hand over"):
            interop.from_torchvision(given)
    last = {f"fc.{i}.weight": torch.zeros(1024, 1024) for i in (0, 2)}
    with pytest.raises(ValueError, match="2 layers, fc.0.weight, fc.2.weight: ours is"):
        interop.from_torchvision({k: state[k] for k in state if k[:2] != "fc"} | last)


# --- pixels of another range or order -------------------------------------------------


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.zeros(1, 8, 8, 3), "channels last: hand over x.permute"),
        (torch.zeros(1, 3, 8, 8).byte(), "got torch.uint8, pixels of 0 to 255"),
        (255 * torch.rand(1, 3, 8, 8), "as of pixels of 0 to 255"),
        (torch.rand(1, 3, 8, 8), "pixels of 0 to 1"),
    ],
)
def test_pixels_that_are_not_normalised_are_refused(x, sentence):
    with pytest.raises(ValueError, match=sentence):
        interop.transform_input(x)


def test_a_network_notices_pixels_as_they_are(network):
    model = network(image_size=64).eval()
    pixels = 255 * torch.rand(1, 3, 64, 64)
    with pytest.warns(UserWarning, match="these look like pixels of 0 to 255"):
        model(pixels)
    with pytest.raises(ValueError, match="expects floating-point numbers, got torch.u"):
        model(pixels.byte())
    with pytest.raises(ValueError, match="channels last: hand over x.permute"):
        model(pixels.permute(0, 2, 3, 1))
    for fine in (pixels - 128, pixels / 255, pixels[:0]):
        model(fine)
    # A graph holds no look at the numbers.
    graph = torch.export.export(model, (pixels,)).graph
    assert "aminmax" not in str(graph)


def test_a_model_is_not_a_state_dict():
    with pytest.raises(TypeError, match="takes a state_dict"):
        interop.from_torchvision("googlenet.pth")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a GoogLeNet"):
        interop.to_torchvision(nn.Linear(2, 2))  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of PyTorch's, and no network."""
    asked = []

    def offline(url, path, prefix):
        asked.append((url, path, prefix))
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(interop, "download_url_to_file", offline)
    return asked


def test_the_published_weights_without_a_network(cache, tmp_path):
    with pytest.raises(ConnectionError, match="no route.*on another machine"):
        interop.download_imagenet()
    path = tmp_path / "hub" / "checkpoints" / "googlenet-1378be20.pth"
    assert cache == [(GoogLeNet_Weights.DEFAULT.url, str(path), "1378be20")]


def test_a_download_with_another_checksum_is_one_sentence(cache, monkeypatch):
    def another(url, path, prefix):
        raise RuntimeError('invalid hash value (expected "1378be20", got "00")')

    monkeypatch.setattr(interop, "download_url_to_file", another)
    with pytest.raises(ConnectionError, match="downloaded .invalid hash") as caught:
        interop.download_imagenet()
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_is_read_only_if_its_checksum_is_in_its_name(cache, tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "file")
    content = (tmp_path / "file").read_bytes()
    prefix = hashlib.sha256(content).hexdigest()[:8]
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / f"net-{prefix}.pth").write_bytes(content)
    assert interop.published(f"https://a.b/c/net-{prefix}.pth")["a"].tolist() == [1, 1]
    (folder / f"net-{prefix}.pth").write_bytes(content + b"\n")
    with pytest.raises(ValueError, match=f"net-{prefix}.pth is not the file .*delete"):
        interop.published(f"https://a.b/c/net-{prefix}.pth")
    assert cache == []


def test_the_published_weights_are_loaded_without_their_heads(monkeypatch):
    model = theirs(1000)
    monkeypatch.setattr(interop, "published", lambda url, online: model.state_dict())
    mine = interop.download_imagenet()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        close(mine(x), model.eval()(x))
    assert mine.aux1 is None and not mine.training


# --- the form of the Caffe model zoo --------------------------------------------------
