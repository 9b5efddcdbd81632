"""The baseline: what it computes, and how good it is."""

import sys

import numpy as np
import pytest
import torch
from skimage.feature import hog
from sklearn.metrics import roc_auc_score

from inception_lib.training import metrics
from inception_lib.training.baseline import (
    HOG_SIZE,
    as_probabilities,
    hog_features,
    hog_svm,
    majority_class,
)
from inception_lib.training.data import solar_cells, split


def test_majority_class():
    assert majority_class(torch.tensor([2, 0, 2, 1, 2])) == 2
    train = split(solar_cells(8)).train
    assert train.classes[majority_class(train.labels)] == "functional"


def test_features_are_skimages():
    images = torch.randint(0, 256, (2, 1, HOG_SIZE, HOG_SIZE), dtype=torch.uint8)
    expected = hog(images[1, 0].numpy(), 9, (24, 24), (2, 2))
    features = hog_features(images)
    assert features.shape == (2, len(expected)) and features.dtype == np.float32
    np.testing.assert_allclose(features[1], expected, atol=1e-6)


def test_grey_in_three_channels_has_the_features_of_grey():
    grey = torch.randint(0, 256, (2, 1, 100, 100), dtype=torch.uint8)
    colour = grey.expand(-1, 3, -1, -1)
    np.testing.assert_array_equal(hog_features(grey), hog_features(colour))


def test_stripes_point_into_one_orientation():
    """Vertical stripes: all gradients are horizontal, one bin in nine holds them."""
    stripes = torch.zeros(1, 1, HOG_SIZE, HOG_SIZE, dtype=torch.uint8)
    stripes[..., ::8] = stripes[..., 1::8] = 255
    bins = hog_features(stripes).reshape(-1, 9)
    upright = hog_features(stripes.transpose(2, 3)).reshape(-1, 9)
    assert (bins.argmax(1) == bins[0].argmax()).all() and (bins.sum(1) > 0).all()
    assert bins.max(1) == pytest.approx(bins.sum(1))
    assert abs(int(bins[0].argmax()) - int(upright[0].argmax())) in (4, 5)


def test_probabilities_keep_order_and_cut():
    decisions = np.array([-2.0, -0.1, 0.1, 3.0])
    probabilities = as_probabilities(decisions)
    assert probabilities.sum(1).tolist() == pytest.approx([1] * 4)
    assert (probabilities[:, 1].diff() > 0).all()
    assert metrics.predict_classes(probabilities).tolist() == [0, 0, 1, 1]


def test_the_svm_beats_the_majority_by_far():
    train, validation, _ = split(solar_cells())
    model = hog_svm().fit(hog_features(train.images), train.labels.numpy())
    decisions = model.decision_function(hog_features(validation.images))
    labels = validation.labels.numpy()
    majority = 1 - labels.mean()
    # Ten points above the majority class are five standard errors of 492 images.
    assert ((decisions > 0) == labels).mean() > majority + 0.1
    assert roc_auc_score(labels, decisions) > 0.83


@pytest.mark.parametrize(
    "package, call",
    [
        ("skimage.feature", lambda: hog_features(torch.zeros(0))),
        ("sklearn.pipeline", hog_svm),
    ],
)
def test_without_its_packages_it_says_what_to_install(monkeypatch, package, call):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r'pip install "inception-lib\[lab\]"'):
        call()
