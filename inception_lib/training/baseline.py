"""What a network has to beat: the majority class, and HOG features with an SVM.

Histograms of oriented gradients (Dalal and Triggs 2005): in every small square of the
image, how much edge there is in which direction, relative to the squares around it. An
SVM with a Gaussian kernel then compares whole images by these numbers.

The settings (image and square size, the SVM's C and gamma) won a five-fold
cross-validation on the training set of the solar cells; neither the validation nor the
test set was used. Needs scikit-image and scikit-learn, imported where they are used:
the library does without them.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..checks import extra
from .data import ImageSet, file_numbers
from .later import TF

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

HOG_SIZE = 192  # pixels: 8×8 squares of 24 pixels, in 7×7 overlapping blocks of 2×2
HOG = {"orientations": 9, "pixels_per_cell": (24, 24), "cells_per_block": (2, 2)}
HOG_FEATURES = 7 * 7 * 2 * 2 * 9


def majority_class(labels: Tensor) -> int:
    """The most frequent of N class indices: the answer that needs no image."""
    return int(labels.bincount().argmax())


def hog_features(images: Tensor) -> np.ndarray:
    """N×C×S×S uint8 -> N×1764 float32; of three colours, the steepest at each pixel."""
    with extra("lab"):
        from skimage.feature import hog
    features = np.empty((len(images), HOG_FEATURES), np.float32)
    for i, image in enumerate(images):
        small = TF.resize(image, [HOG_SIZE, HOG_SIZE], antialias=True)
        features[i] = hog(small.permute(1, 2, 0).numpy(), channel_axis=-1, **HOG)
    return features


def hog_svm() -> "Pipeline":
    """An untrained classifier of HOG features, with the methods of scikit-learn.

    ``decision_function`` gives N scores for two classes, positive for the second.
    """
    with extra("lab"):
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC
    return make_pipeline(StandardScaler(), SVC(C=3, gamma=2 / HOG_FEATURES))


def file_number_knn() -> "Pipeline":
    """An untrained classifier of N×1 file numbers, which sees no picture: of the nine
    cells with the nearest numbers, how many are defective? What it gets right, it gets
    from knowing the panel.
    """
    with extra("lab"):
        from sklearn.neighbors import KNeighborsClassifier
    return KNeighborsClassifier(9)


def rivals(train: ImageSet, cells: ImageSet) -> dict[str, Tensor]:
    """N×2 answers to solar ``cells`` from what a network has to beat, fitted on
    ``train``: HOG and SVM, and the classifier that only reads file numbers.
    """
    svm = hog_svm().fit(hog_features(train.images), train.labels)
    decisions = svm.decision_function(hog_features(cells.images))
    knn = file_number_knn().fit(file_numbers(train)[:, None], train.labels)
    guesses = knn.predict_proba(file_numbers(cells)[:, None])
    return {
        "HOG + SVM": as_probabilities(decisions),
        "file number": torch.from_numpy(guesses).float(),
    }


def as_probabilities(decisions: np.ndarray) -> Tensor:
    """N decision scores -> N×2 numbers that ``metrics`` takes for probabilities.

    A logistic curve keeps their order, and makes the cut at 0 a cut at 1/2. That is all
    that accuracy and ROC AUC look at; how sure the SVM is, it doesn't say.
    """
    second = torch.from_numpy(decisions).sigmoid().float()
    return torch.stack([1 - second, second], dim=1)
