"""A photograph's name, with random weights where torchvision's would lie."""

import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage.data import data_dir
from torchvision.models import googlenet
from websites import served

from inception_lib.analysis.attribution import contrast
from inception_lib.model import interop
from inception_lib.teaching import photograph

PUBLISHED = photograph.PUBLISHED


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    """A file as torchvision publishes it, of random weights whose norms have seen
    something.
    """
    torch.manual_seed(0)
    model = googlenet(num_classes=1000, aux_logits=True, init_weights=False)
    model(torch.randn(8, 3, 64, 64))
    path = tmp_path_factory.mktemp("published") / "file"
    torch.save(model.state_dict(), path)
    return path.read_bytes()


@pytest.fixture
def cache(content, tmp_path, monkeypatch) -> Path:
    """Where the file goes; it is not there, and torchvision calls it by this name."""
    prefix = hashlib.sha256(content).hexdigest()[:8]
    url = f"http://127.0.0.1:9/googlenet-{prefix}.pth"  # nobody listens there
    monkeypatch.setattr(PUBLISHED.value, "url", url)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints" / f"googlenet-{prefix}.pth"


@pytest.fixture
def there(cache, content) -> Path:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)
    return cache


def test_it_answers_as_torchvision_does(there):
    name = "astronaut"
    theirs = googlenet(weights=PUBLISHED).eval()  # reads the same file
    path = Path(data_dir, f"{name}.png")
    their_x = PUBLISHED.transforms()(Image.open(path).convert("RGB"))[None]
    _, x = photograph.prepared(name)
    # Scaled by another routine: a grey level or less, on average.
    off = (x - interop.transform_input(their_x)).abs().mean() * 127.5
    assert off < 1
    pixels = photograph.load_picture(path, 256)
    with torch.no_grad():
        expected = theirs(PUBLISHED.transforms()(pixels)).softmax(1)[0]
    found, _ = photograph.explain(interop.download_imagenet(), x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)
    best = [PUBLISHED.meta["categories"][i] for i in expected.topk(5).indices]
    shown = photograph.name_photograph(name)
    assert f"{best[0]} {expected.max():.3f}, {best[1]}" in shown.alt
    written = [text.get_text().strip() for text in shown.figure.axes[2].texts[::2]]
    assert written == best
    assert shown.png()


def test_the_map_adds_up_to_the_answer(there):
    model = interop.download_imagenet()
    _, x = photograph.prepared("coffee")
    _, evidence = photograph.explain(model, x)
    assert evidence.shape == (7, 7)
    with torch.no_grad():
        logits = model(x)
        best = logits.argmax()
        without_bias = contrast(logits - model.fc.bias, best)
    torch.testing.assert_close(evidence.mean()[None], without_bias)


def test_a_photo_of_ones_own(there, tmp_path):
    Image.new("L", (300, 40), "white").save(tmp_path / "mine.jpg")
    pixels, x = photograph.prepared(tmp_path / "mine.jpg")
    assert pixels.shape == (3, 224, 224) and x.shape == (1, 3, 224, 224)
    assert (x == x.max()).all() and x.max().item() == pytest.approx(1, abs=1e-5)
    assert photograph.name_photograph(tmp_path / "mine.jpg").alt.startswith("mine.jpg")
    with pytest.raises(FileNotFoundError, match="no file .*none.jpg: check its name"):
        photograph.name_photograph(tmp_path / "none.jpg")


def said(capsys) -> str:
    (line,) = capsys.readouterr().out.splitlines()
    return line


def test_without_a_connection_it_asks_nobody(cache, capsys, monkeypatch):
    monkeypatch.setattr(interop, "download_url_to_file", None)
    assert photograph.name_photograph("cat") is None
    line = said(capsys)
    assert "are not on this computer: set online = True, or copy http" in line
    assert line.endswith(str(cache))
    monkeypatch.setattr(Path, "home", lambda: cache.parents[2])
    photograph.name_photograph("cat")
    assert said(capsys).endswith(f" to ~/hub/checkpoints/{cache.name}")


def test_a_damaged_file_is_one_sentence(there, capsys):
    there.write_bytes(there.read_bytes()[:-1])
    assert photograph.name_photograph("cat") is None
    assert f"{there.name} is not the file of weights that was published" in said(capsys)


def test_it_is_downloaded_once(cache, content, tmp_path, monkeypatch):
    (tmp_path / cache.name).write_bytes(content)
    with served(tmp_path) as site:
        monkeypatch.setattr(PUBLISHED.value, "url", site.url + cache.name)
        assert photograph.name_photograph("cat", online=True)
    assert cache.read_bytes() == content
    assert photograph.name_photograph("cat", online=True)  # nobody serves it now
