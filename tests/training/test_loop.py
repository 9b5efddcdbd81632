"""Training for real, on small pictures that a network can tell apart in seconds."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from inception_lib.training import (
    ImageSet,
    Run,
    TrainingConfig,
    fit,
    load_run,
    loop,
    save_run,
    solar_cells,
    split,
    step,
)
from inception_lib.training.checkpoint import read_tensors, write_tensors
from inception_lib.training.config import image_sizes
from inception_lib.training.forward import ForwardPass
from inception_lib.training.loop import COLUMNS, MEASURED
from inception_lib.training.optim import RunningAverage, get_lr, make_optimizer
from inception_lib.training.run import build_model

CONFIG = TrainingConfig(
    image_size=64,
    epochs=2,
    batch_size=8,
    lr=1e-3,
    precision="float32",
    flips="none",
    grow=False,
)


def stripes(n: int, seed: int = 0) -> ImageSet:
    """Noisy horizontal (class 0) and vertical (class 1) stripes."""
    rng = np.random.default_rng(seed)
    labels = torch.arange(n) % 2
    wave = np.sin(np.arange(64) / 2)[:, None].repeat(64, 1)
    images = np.stack([wave if label == 0 else wave.T for label in labels])
    images = 128 + 60 * images + rng.normal(0, 20, images.shape)
    return ImageSet(
        images=torch.from_numpy(images.clip(0, 255).astype(np.uint8))[:, None],
        labels=labels,
        targets=torch.nn.functional.one_hot(labels, 2).float(),
        classes=("lying", "standing"),
        groups=("",) * n,
        names=tuple(f"stripe {i}" for i in range(n)),
    )


def train(config: TrainingConfig = CONFIG, progress=None, **options) -> Run:
    return fit(stripes(32), stripes(16, seed=1), config, progress=progress, **options)


@pytest.fixture(scope="module")
def run() -> Run:
    return train()


def same(a: Run, b: Run) -> bool:
    mine, theirs = a.model.state_dict(), b.model.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_it_learns_to_tell_real_cells_from_defective_ones(real_network):
    """Three epochs at 64 pixels; measured: ROC AUC 0.85, accuracy 0.80."""
    cells, validation, _ = split(solar_cells(64), seed=0)
    config = TrainingConfig(image_size=64, epochs=3, grow=False, aux=False)
    run = fit(cells, validation, config, progress=None)
    assert run.history["roc_auc"].iloc[-1] > 0.75
    assert run.history["accuracy"].iloc[-1] > (validation.labels == 0).double().mean()


@pytest.mark.parametrize(
    "options",
    [
        {"batch_norm": False, "optimizer": "sgd", "lr": 0.01},
        {"aux": False},
        {"precision": "bfloat16"},
        {"augmentation": "paper", "schedule": "paper"},
    ],
)
def test_every_form_trains(options):
    run = train(replace(CONFIG, epochs=1, **options))
    assert np.isfinite(run.history["loss"]).all()


def test_history_has_a_row_per_epoch_with_every_metric(run):
    assert list(run.history["epoch"]) == [1, 2]
    assert list(run.history.columns) == COLUMNS + MEASURED
    # Of the last of 4 steps, and of the last of all 8.
    rates = [CONFIG.lr * get_lr(step, 4, CONFIG) for step in (3, 7)]
    assert list(run.history["lr"]) == pytest.approx(rates)
    matrix = np.array(json.loads(run.history["confusion_matrix"].iloc[-1]))
    assert matrix.sum() == 16
    assert matrix.trace() / 16 == run.history["accuracy"].iloc[-1]


def test_the_same_seed_gives_the_same_weights_and_another_doesnt(run):
    assert same(run, train())
    assert not same(run, train(replace(CONFIG, seed=1)))


def test_an_interrupt_keeps_model_and_history():
    def stop(history):
        if len(history) == 1:
            raise KeyboardInterrupt

    said = io.StringIO()
    run = train(on_epoch=stop, progress=said)
    assert run.interrupted
    loss, right, measured = run.history.iloc[0][["loss", "train_accuracy", "accuracy"]]
    last = f"loss={loss:.3f}, train={right:.3f}, validation={measured:.3f}"
    assert said.getvalue().rstrip().endswith(last)
    assert list(run.history["epoch"]) == [1]
    assert run.predict(stripes(4)).shape == (4, 2)


def test_an_interrupt_in_the_first_batch_leaves_a_run_without_epochs(
    tmp_path, monkeypatch
):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train_step", stop)
    run = train(checkpoint=tmp_path / "checkpoint.safetensors")
    assert run.interrupted and len(run.history) == 0
    assert list(run.history.columns) == COLUMNS + MEASURED
    assert list(tmp_path.iterdir()) == []
    again = load_run(save_run(run, tmp_path))
    assert again.interrupted and list(again.history.columns) == COLUMNS + MEASURED
    assert len(again.history) == 0 and again.predict(stripes(4)).shape == (4, 2)


def test_resuming_gives_the_weights_of_an_undisturbed_run(run, tmp_path):
    path = tmp_path / "checkpoint.safetensors"

    def stop(history):
        if len(history) == 1:
            raise KeyboardInterrupt

    train(checkpoint=path, on_epoch=stop, resume=True)  # nothing there: it begins
    resumed = train(checkpoint=path, resume=True)
    assert same(run, resumed)
    assert resumed.history.equals(run.history)


def test_resuming_another_configuration_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    train(replace(CONFIG, epochs=1), checkpoint=path)
    with pytest.raises(ValueError, match="another seed"):
        train(replace(CONFIG, epochs=1, seed=3), checkpoint=path, resume=True)


def test_a_saved_run_predicts_the_same(run, tmp_path):
    save_run(run, tmp_path, {"test": {"accuracy": 1.0}})
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"config.json", "history.csv", "metrics.json", "model.safetensors"}
    save_run(run, tmp_path)  # those scores might be another run's
    assert {path.name for path in tmp_path.iterdir()} == names - {"metrics.json"}
    loaded = load_run(tmp_path)
    assert loaded.config == run.config
    assert loaded.classes == run.classes
    assert torch.equal(loaded.predict(stripes(8)), run.predict(stripes(8)))


def test_a_missing_or_damaged_model_is_one_clear_sentence(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="no trained model"):
        load_run(tmp_path)
    path = save_run(run, tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged"):
        load_run(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.safetensors"
    write_tensors(path, {"x": torch.ones(2)}, {"n": 1})

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_tensors(path, {"x": torch.zeros(2)}, {"n": 2})
    tensors, info = read_tensors(path)
    assert tensors["x"].tolist() == [1, 1]
    assert info == {"n": 1}


def test_images_grow_to_the_whole():
    sizes = image_sizes(TrainingConfig(image_size=128, epochs=45))
    assert [sizes.count(size) for size in (80, 96, 128)] == [24, 12, 9]
    assert sizes == sorted(sizes)
    assert image_sizes(TrainingConfig(grow=False, epochs=3)) == [128] * 3
    # The heads need 63 pixels; an image smaller than that is refused elsewhere.
    assert image_sizes(TrainingConfig(image_size=80, epochs=5)) == [63, 63, 63, 63, 80]
    assert image_sizes(TrainingConfig(image_size=80, epochs=5, aux=False))[0] == 50


def test_growing_images_train_and_predict_at_the_full_size():
    run = train(replace(CONFIG, image_size=96, epochs=3, grow=True))
    assert list(run.history["image_size"]) == [63, 72, 96]
    assert run.model.image_size == 96
    assert run.predict(stripes(4)).shape == (4, 2)


def test_learning_rate_rises_for_a_quarter_and_falls_to_zero():
    one = replace(CONFIG, epochs=1)
    rates = [get_lr(step, 100, one) for step in range(101)]
    assert rates[0] == pytest.approx(0.04)
    assert max(rates) == rates[25] == 1
    assert rates[100] == pytest.approx(0)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert get_lr(1, 1, one) == 1  # a run of a single step divides by nothing


def test_the_papers_rate_falls_by_4_percent_every_8_epochs():
    paper = replace(CONFIG, schedule="paper")
    steps = [range(e * 10, e * 10 + 10) for e in range(24)]
    by_epoch = [[get_lr(step, 10, paper) for step in epoch] for epoch in steps]
    expected = [0.96**n for n in (0, 1, 2) for _ in range(8)]
    assert by_epoch == [[value] * 10 for value in expected]


def test_weight_decay_spares_biases_and_norms():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    decayed, spared = make_optimizer(model, CONFIG).param_groups
    assert [p.dim() for p in decayed["params"]] == [4]
    assert spared["weight_decay"] == 0
    assert decayed["weight_decay"] == 0.05
    assert TrainingConfig(optimizer="sgd").decay == 5e-4
    assert TrainingConfig(weight_decay=0.0).decay == 0
    assert len(spared["params"]) == 3


def test_a_loss_that_is_no_number_stops_the_run():
    with pytest.raises(FloatingPointError, match="learning rate"):
        train(replace(CONFIG, optimizer="sgd", lr=1e12, batch_norm=False))


def test_sets_that_cannot_be_trained_on():
    other = replace(stripes(8), classes=("a", "b"))
    with pytest.raises(ValueError, match="validation classes"):
        fit(stripes(8), other, CONFIG, progress=None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"batch_size": 8, "accumulate": 3},
            "a batch of 8 in 1 × 3 parts",
        ),
        (
            {"batch_size": 2, "accumulate": 4},
            "a batch of 2 in 1 × 4 parts",
        ),
        (
            {"batch_size": 8, "accumulate": 8, "aux": False},
            "8 parts .* leaves one image",
        ),
        ({"batch_size": 1, "aux": False, "image_size": 96}, "its 60×60 pixels"),
    ],
)
def test_parts_that_cannot_be_trained_on_are_refused_at_once(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        TrainingConfig(**{"image_size": 62} | options)


def test_single_images_train_where_a_map_has_more_places():
    """The limit is that of the network: a place less, and batch norm refuses."""
    config = TrainingConfig(
        image_size=63, epochs=1, batch_size=1, aux=False, grow=False, lr=1e-4
    )
    fit(stripes(2), None, config, progress=None)


def test_a_batch_fits_itself_to_a_small_set(tmp_path):
    """28 pictures, of which 15 are for training, and the default of 64."""
    said: list[str] = []
    config = replace(CONFIG, batch_size=64, epochs=1)
    whole = fit(stripes(15), None, config, progress=None, report=said.append)
    assert whole.config.batch_size == 4
    assert said[0].startswith("15 training images don't fill a batch of 64: batches of")
    with pytest.raises(ValueError, match="1 training images are too few for 1 proc"):
        fit(stripes(1), None, replace(config, accumulate=2), progress=None)


@pytest.mark.parametrize(
    "field, value",
    [
        ("optimizer", "adam"),
        ("precision", "float64"),
        ("epochs", 0),
        ("lr", -1.0),
        ("weight_decay", -0.1),
        ("seed", -1),
        ("batch_size", 0),
        ("flips", "vertical"),
        ("schedule", "linear"),
        ("augmentation", "none"),
        ("accumulate", 0),
        ("workers", 0),
        ("stream", True),  # the solar cells are no folder
    ],
)
def test_a_bad_choice_names_the_option(field, value):
    with pytest.raises(ValueError, match=f"^{field}"):
        TrainingConfig(**{field: value})


def test_heads_see_float32_logits():
    logits, labels = torch.randn(2, 3, dtype=torch.bfloat16), torch.tensor([0, 1])
    loss, right = ForwardPass(torch.nn.Identity(), "bfloat16")(logits, labels, labels)
    expected = torch.nn.functional.cross_entropy(logits.float(), labels)
    assert torch.equal(loss, expected)
    assert right == (logits.float().argmax(1) == labels).sum()


class Small(torch.nn.Module):
    """A learner's own network: no heads, no image_size, one convolution."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 5)
        self.fc = torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))


def test_a_network_of_the_learners_own_is_trained_kept_and_loaded(tmp_path):
    torch.manual_seed(0)
    model = Small()
    config = replace(CONFIG, grow=True, image_size=80)
    path = tmp_path / "checkpoint.safetensors"
    run = train(config, model=model, checkpoint=path)
    assert isinstance(run.model, Small) and run.channels == 1
    assert list(run.history["image_size"]) == [63, 80]
    assert np.isfinite(run.history[["loss", "validation_loss"]]).all(axis=None)
    save_run(run, tmp_path)
    with pytest.raises(ValueError, match="weights of a Small"):
        load_run(tmp_path)
    again = load_run(tmp_path, Small())
    assert torch.equal(again.predict(stripes(4)), run.predict(stripes(4)))
    longer = replace(config, epochs=2)
    with pytest.raises(ValueError, match="another network"):
        train(longer, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match="weights and freeze need the GoogLeNet"):
        train(replace(config, freeze="3"), model=Small())


def test_a_model_that_is_handed_over_starts_from_its_own_weights(monkeypatch):
    """Ours, built beforehand, where ``fit`` would build it: the same run."""
    config = replace(CONFIG, epochs=1)

    def mine(*_):
        return build_model(config, 2)

    monkeypatch.setattr(step, "build_model", mine)
    expected = train(config)
    torch.manual_seed(config.seed)
    model = mine()
    after = torch.get_rng_state()
    monkeypatch.setattr(torch, "manual_seed", lambda _: torch.set_rng_state(after))
    assert same(expected, train(config, model=model))


@pytest.mark.parametrize(("steps", "share"), [(1, 9 / 11), (90, 0.09), (5000, 0.01)])
def test_the_average_is_over_the_last_hundred_steps(steps, share):
    model = torch.nn.Linear(1, 1)
    average = RunningAverage(model)
    average.n_averaged.fill_(steps)
    before = average.module.weight.item()
    torch.nn.init.constant_(model.weight, before + 1)
    average.update_parameters(model)
    assert average.module.weight.item() - before == pytest.approx(share, abs=1e-6)
