"""The class activation map against the logits, and against a 1×1 convolution.

Grad-CAM and occlusion against Captum's, and against networks whose reason is known.
"""

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam, Occlusion
from torch import nn

from inception_lib import GoogLeNet
from inception_lib.analysis.attribution import (
    attributions,
    cascade,
    class_activation_map,
    contrast,
    deletion,
    deletion_curves,
    from_the_top,
    grad_cam,
    input_x_gradient,
    occlusion,
    randomised,
    rank_correlation,
    ranking,
)
from inception_lib.analysis.parts import answers


@pytest.mark.parametrize("size", [64, (96, 128)])
def test_the_mean_and_the_bias_are_googlenets_logits(size):
    torch.manual_seed(0)
    model = GoogLeNet(3, aux_logits=False).eval()
    nn.init.normal_(model.fc.bias)
    height, width = size if isinstance(size, tuple) else (size, size)
    x = torch.randn(2, 3, height, width)
    seen = []
    model.inception5b.register_forward_hook(lambda *parts: seen.append(parts[-1]))
    with torch.no_grad():
        logits = model(x)
        maps = class_activation_map(seen[0], model.fc)
    torch.testing.assert_close(maps.mean((2, 3)) + model.fc.bias, logits)


def test_it_is_a_1x1_convolution_without_its_bias():
    features, linear = torch.randn(1, 6, 4, 4), nn.Linear(6, 2)
    expected = F.conv2d(features, linear.weight[:, :, None, None])
    torch.testing.assert_close(class_activation_map(features, linear), expected)


x = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
classes = torch.tensor([1, 0, 2])


@pytest.fixture
def model() -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(3, image_size=64, batch_norm=True).eval()


def test_a_contrast_of_two_classes_is_their_difference():
    logits = torch.tensor([[1.0, 4.0], [2.0, -1.0]])
    assert contrast(logits, torch.tensor([1, 1])).tolist() == [3.0, -3.0]
    three = torch.tensor([[1.0, 4.0, 2.0]])
    assert contrast(three + 7, torch.tensor([1])).item() == pytest.approx(2.5)
    assert contrast(logits, 1).tolist() == [3.0, -3.0]  # one class for all
    with pytest.raises(ValueError, match="at least 2 classes"):
        contrast(torch.ones(2, 1), torch.tensor([0, 0]))


@pytest.mark.parametrize("output", ["output", "head 1", "head 2"])
def test_grad_cam_is_captums(model, output):
    def forward(images):
        return contrast(answers(model, images)[output][1], classes)

    layer = {
        "output": model.inception5b,
        "head 1": model.inception4a,
        "head 2": model.inception4d,
    }[output]
    theirs = LayerGradCam(forward, layer).attribute(x)[:, 0]
    maps, logits = answers(model, x)[output]
    ours = grad_cam(maps, contrast(logits, classes))
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-3, atol=1e-5)


def test_occlusion_is_captums():
    torch.manual_seed(0)
    linear = nn.Linear(3 * 16 * 16, 1)

    def score(images):
        return linear(images.flatten(1))[:, 0]

    images, fill = torch.randn(2, 3, 16, 16), torch.randn(1, 3, 16, 16)
    window = {"sliding_window_shapes": (3, 8, 8), "strides": (3, 4, 4)}
    theirs = Occlusion(score).attribute(images, baselines=fill, **window).mean(1)
    ours = occlusion(score, images, 8, 4, fill)
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size, step", [(5, 4), (3, 3), (16, 1), (7, 7)])
def test_occlusion_finds_the_only_pixel_and_covers_all(size, step):
    images, fill = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    images[0, :, 15, 15] = 1
    heat = occlusion(lambda z: z[:, 0, 15, 15], images, size, step, fill)[0]
    assert heat.isfinite().all() and heat[15, 15] == heat.max() > 0
    assert heat[: 16 - size, : 16 - size].abs().sum() == 0
    with pytest.raises(ValueError, match="doesn't fit into 16×16"):
        occlusion(lambda z: z.sum((1, 2, 3)), images, 17, 1, fill)
    with pytest.raises(ValueError, match="leave gaps"):
        occlusion(lambda z: z.sum((1, 2, 3)), images, 4, 5, fill)


def test_input_x_gradient_of_a_linear_score_adds_up():
    weights = torch.rand(3, 8, 8)
    images = torch.rand(2, 3, 8, 8)
    heat = input_x_gradient(lambda z: (z * weights).sum((1, 2, 3)), images)
    torch.testing.assert_close(heat, (images * weights).sum(1))


def test_all_methods_with_and_without_heads(model):
    fill = x.mean(0, keepdim=True)
    found = attributions(model, x, classes, fill)
    assert list(found) == [
        *("Grad-CAM, output", "Grad-CAM, head 2", "Grad-CAM, head 1"),
        *("occlusion", "input × gradient"),
    ]
    assert found["Grad-CAM, head 1"].shape == (3, 4, 4)
    assert found["occlusion"].shape == (3, 64, 64)
    model.aux1 = model.aux2 = None
    assert len(attributions(model, x, classes, fill)) == 3


def test_what_matters_is_taken_away_first():
    images, fill = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    images[0, :, :4, :4] = 1  # all there is lies in one quarter

    def score(z):
        return z.mean((1, 2, 3))

    order = ranking(images.mean(1), 4)
    true = deletion(score, images, order, fill, steps=4)[0]
    assert true.tolist() == pytest.approx([0.25, 0, 0, 0, 0])
    turned = deletion(score, images, order.flip(1), fill, steps=4)[0]
    assert turned.tolist() == pytest.approx([0.25] * 4 + [0])
    with pytest.raises(ValueError, match="steps that divide it"):
        deletion(score, images, order, fill, steps=3)


def test_the_curves_of_two_networks_and_their_opponents():
    images, fill = torch.zeros(2, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    images[0, :, :4, :4] = images[1, :, 4:, 4:] = 1
    right = images.mean(1)
    maps = {"trained": {"a": right}, "shuffled": {"a": -right}}
    found = deletion_curves(lambda z: z.mean((1, 2, 3)), images, maps, fill, grid=6)
    curves = found["a"]
    assert list(curves) == [
        *("trained network's map", "shuffled network's map"),
        *("random squares", "another picture's map"),
    ]
    means = [scores.mean().item() for scores in curves.values()]
    assert means[0] < means[2] < min(means[1], means[3])
    other = deletion(
        lambda z: z.mean((1, 2, 3)), images, ranking(right.flip(0), 6), fill
    )
    torch.testing.assert_close(curves["another picture's map"], other)


def test_the_cascade_shuffles_from_the_top(model):
    found = cascade(model, x, classes)
    assert list(found.index) == from_the_top(model)
    maps, logits = answers(model, x)["output"]
    intact = grad_cam(maps, contrast(logits, classes))
    maps, logits = answers(randomised(model, x, ["fc", "5b"]), x)["output"]
    changed = grad_cam(maps, contrast(logits, classes))
    expected = rank_correlation(intact, changed).mean().item()
    assert found.loc["5b", "Grad-CAM, output"] == pytest.approx(expected)
    assert found.abs().max().max() <= 1


def test_the_rank_correlation_is_spearmans():
    one, other = torch.rand(2, 3, 4), torch.rand(2, 3, 4)
    found = rank_correlation(one, other)
    for i in range(2):
        pair = torch.stack([one[i].flatten(), other[i].flatten()], 1)
        expected = pd.DataFrame(pair.numpy()).corr("spearman").iloc[0, 1]
        assert found[i].item() == pytest.approx(expected)


def test_a_shuffled_network_keeps_its_numbers_and_forgets(model):
    before = {name: p.clone() for name, p in model.named_parameters()}
    twin = randomised(model, x)
    for name, p in twin.named_parameters():
        assert torch.equal(p.flatten().sort().values, before[name].flatten().sort()[0])
    assert not torch.equal(twin.fc.weight, model.fc.weight)
    assert not torch.equal(twin.aux1.fc2.weight, model.aux1.fc2.weight)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    with torch.no_grad():
        assert twin(x).isfinite().all() and not torch.allclose(twin(x), model(x))


def test_only_the_chosen_parts_are_shuffled(model):
    assert from_the_top(model)[:3] == ["fc", "5b", "5a"]
    assert from_the_top(model)[-1] == "conv1"
    twin = randomised(model, x, ["5b"])
    with torch.no_grad():
        ours, theirs = answers(model, x), answers(twin, x)
    torch.testing.assert_close(ours["head 2"][1], theirs["head 2"][1])
    assert not torch.allclose(ours["output"][1], theirs["output"][1])
    with pytest.raises(ValueError, match="no part '6a'"):
        randomised(model, x, ["6a"])
