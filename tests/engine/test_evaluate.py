"""Evaluation counts every image once, on any number of processes."""

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.core.launch import launch
from pycls.datasets.loader import Batch
from pycls.datasets.samplers import evaluation_batches
from pycls.engine.evaluate import Counter, evaluate
from pycls.engine.network.compile import CompiledNetwork
from pycls.engine.network.precision import Precision
from pycls.engine.reporting import plots
from pycls.engine.reporting.evaluation import Evaluation
from pycls.engine.reporting.evaluation_files import save_per_class, save_uncertainty
from pycls.engine.reporting.meters import topk_correct, topk_hits
from pycls.losses import build_loss
from pycls.models import build_model
from tests.helpers.parity_fill import make_input

NUM_IMAGES, NUM_CLASSES = 23, 7


def logits_and_labels():
    return make_input((NUM_IMAGES, NUM_CLASSES), 1), torch.arange(NUM_IMAGES) % NUM_CLASSES


class ShareLoader:
    """Logits in the place of images, in this process's share."""

    def __init__(self, batch_size, rank, world_size, drop=0):
        self.samples = range(NUM_IMAGES)
        self.shares = evaluation_batches(NUM_IMAGES - drop, batch_size, rank, world_size)

    def epoch(self, epoch):
        logits, labels = logits_and_labels()
        for indices in map(torch.from_numpy, self.shares):
            yield Batch(logits[indices], labels[indices], indices)


def evaluate_share(batch_size, world_size):
    from pycls.core.distributed import rank

    loader = ShareLoader(batch_size, rank(), world_size)
    precision = Precision(torch.device("cpu"))
    result = evaluate(torch.nn.Identity(), loader, build_loss(load_cfg(None)), precision, NUM_CLASSES)
    assert torch.equal(result.confusion.sum(1), result.images)
    assert torch.equal(result.confusion.diagonal(), result.correct)
    return result.count, result.top1_correct, result.top5_correct, result.loss, result.confusion.tolist()


def truth():
    logits, labels = logits_and_labels()
    ranked = logits.argsort(1, descending=True)
    top1 = (ranked[:, 0] == labels).sum().item()
    top5 = sum(label in row for label, row in zip(labels.tolist(), ranked[:, :5].tolist(), strict=True))
    confusion = [[0] * NUM_CLASSES for _ in range(NUM_CLASSES)]
    for label, guess in zip(labels.tolist(), ranked[:, 0].tolist(), strict=True):
        confusion[label][guess] += 1
    return NUM_IMAGES, top1, top5, torch.nn.functional.cross_entropy(logits.double(), labels).item(), confusion


def check(got):
    expected = truth()
    assert got[:3] == expected[:3] and got[4] == expected[4]
    assert abs(got[3] - expected[3]) < 1e-6


def test_one_process_with_a_short_last_batch():
    check(evaluate_share(5, 1))


def test_three_processes_of_which_one_has_fewer_batches():
    check(launch(evaluate_share, (12, 3), 3, "gloo", 5.0))


def test_a_wrong_count_gives_no_number():
    loader = ShareLoader(5, 0, 1, drop=1)
    precision = Precision(torch.device("cpu"))
    try:
        evaluate(torch.nn.Identity(), loader, build_loss(load_cfg(None)), precision, NUM_CLASSES)
    except RuntimeError as error:
        assert "22 images of 23" in str(error)
    else:
        raise AssertionError("a missing image went unnoticed")


def test_top5_with_fewer_than_five_classes():
    top1, top5 = topk_correct(torch.tensor([[0.1, 0.9, 0.0], [0.5, 0.2, 0.3]]), torch.tensor([1, 1]))
    assert (top1.item(), top5.item()) == (1, 2)


def test_tables_and_picture(tmp_path, monkeypatch, draw):
    monkeypatch.setattr(plots, "_save", draw)
    images, correct, confusion = torch.tensor([4, 0]), torch.tensor([3, 0]), torch.tensor([[3, 1], [0, 0]])
    result = Evaluation(4, 3, 4, 0.5, images, correct, confusion)
    assert result.top1_err == 25.0 and result.per_class()[0] == 75.0 and result.per_class()[1].isnan()
    per_class, table, picture = save_per_class(result, ("cat", "dog, big"), tmp_path, "test")
    assert per_class.read_text().splitlines() == ["class,images,accuracy_pct", "cat,4,75.0000", '"dog, big",0,nan']
    assert table.read_text().splitlines() == ['true\\predicted,cat,"dog, big"', "cat,3,1", '"dog, big",0,0']
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_very_many_classes_need_no_square_of_memory(tmp_path):
    counter = Counter(30_000, torch.device("cpu"))
    counter.add(torch.eye(3, 30_000), torch.tensor([0, 1, 7]), torch.tensor(1.0))
    result = counter.total(expected=3)
    assert result.confusion is None and result.top1_correct == 2 and result.images[7] == 1
    classes = tuple(map(str, range(30_000)))
    assert [path.name for path in save_per_class(result, classes, tmp_path, "test")] == ["test_per_class.csv"]


def test_uncertainty_is_counted_by_right_and_wrong(tmp_path, monkeypatch, draw):
    """Both ends of the scale are in a bin; every prediction is in one."""
    monkeypatch.setattr(plots, "_save", draw)
    counter = Counter(2, torch.device("cpu"))
    labels, logits = torch.tensor([0, 0, 1, 1]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    counter.add(logits, labels, torch.tensor(1.0))
    counter.add_uncertainty(torch.tensor([0.0, 1.0, 2e-5, 0.97]), logits.argmax(1) == labels)
    result = counter.total(expected=4)
    table, picture = save_uncertainty(result, tmp_path, "test")
    rows = table.read_text().splitlines()
    assert rows[:4] == ["from,to,wrong,right", "0,1e-05,0,1", "1e-05,1.8e-05,0,0", "1.8e-05,3.2e-05,0,1"]
    assert rows[-1] == "0.56,1,2,0" and len(rows) == 22 and result.uncertainty.sum() == 4
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_networks_without_uncertainty_leave_no_table(tmp_path):
    (tmp_path / "test_uncertainty.csv").write_text("of an earlier evaluation")
    counter = Counter(2, torch.device("cpu"))
    counter.add(torch.eye(2), torch.tensor([0, 1]), torch.tensor(1.0))
    assert save_uncertainty(counter.total(expected=2), tmp_path, "test") == []
    assert list(tmp_path.iterdir()) == []


class Halves(torch.nn.Module):
    """Tell left from right, with a constant: its mean over mirror images is worked out by hand."""

    def forward(self, x):
        return torch.stack([x[:, 0, 0, 0] + 1, x[:, 0, 0, -1]], dim=1)


def test_flipped_evaluation_is_the_mean_of_both_logits():
    images = torch.zeros(2, 3, 1, 4)
    images[:, :, :, -1] = 3.0  # plain logits (1, 3); mirrored (4, 0); mean (2.5, 1.5)
    batch = Batch(images, torch.tensor([0, 1]), torch.arange(2))
    loader = type("One", (), {"samples": range(2), "epoch": lambda self, epoch: iter([batch])})()
    arguments = Halves(), loader, build_loss(load_cfg(None)), Precision(torch.device("cpu")), 2
    plain, flipped = evaluate(*arguments), evaluate(*arguments, hflip=True)
    assert (plain.correct.tolist(), flipped.correct.tolist()) == ([0, 1], [1, 0])
    expected = torch.nn.functional.cross_entropy(torch.tensor([[2.5, 1.5]]).expand(2, 2), torch.tensor([0, 1]))
    assert abs(flipped.loss - expected.item()) < 1e-6


class PictureLoader:
    """Colored noise, labeled with the class that a network finds in it; the last batch is short."""

    def __init__(self, model):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(250, 3, 16, 16, generator=generator) + 2 * torch.randn(
            250, 3, 1, 1, generator=generator
        )
        self.samples = range(250)
        with torch.no_grad():
            for _ in range(20):
                model.train()(self.images)  # batch norm gets to know them
            self.labels = model.eval()(self.images).argmax(1)

    def epoch(self, epoch):
        for indices in torch.arange(250).split(100):
            yield Batch(self.images[indices], self.labels[indices], indices)


# Against eager float32: relative difference of the loss, and images (of 250) that may change their class.
OPTIONS = {
    "channels last": ({"layout": torch.channels_last}, 1e-5, 0),
    "compiled": ({"compiled": True}, 1e-5, 0),
    "bf16": ({"name": "bf16"}, 5e-3, 5),
    "all": ({"layout": torch.channels_last, "compiled": True, "name": "bf16"}, 5e-3, 5),
}


def evaluate_pictures(model, loader, name="fp32", layout=torch.contiguous_format, compiled=False):
    model, precision = model.to(memory_format=layout), Precision(torch.device("cpu"), name)
    loader.images = loader.images.to(memory_format=layout)
    return evaluate(model, loader, build_loss(load_cfg(None)), precision, 10, compiled=compiled)


def test_faster_evaluation_finds_the_same():
    torch.manual_seed(0)
    first = [torch.nn.Conv2d(3, 16, 3), torch.nn.BatchNorm2d(16), torch.nn.ReLU()]
    model = torch.nn.Sequential(*first, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(16, 10))
    loader = PictureLoader(model)
    plain = evaluate_pictures(model, loader)
    assert plain.top1_correct == 250 and len(loader.labels.unique()) > 5, "there is something to find"
    for name, (option, loss_tolerance, images) in OPTIONS.items():
        found = evaluate_pictures(model, loader, **option)
        assert found.loss == pytest.approx(plain.loss, rel=loss_tolerance), name
        assert found.top1_correct >= 250 - images, name
    label = loader.labels[0]
    with torch.compiler.set_stance("fail_on_recompile"), torch.no_grad():
        model[-1].bias += 1e6 * torch.eye(10)[label]  # as after an epoch of training
        found = evaluate_pictures(model, loader, compiled=True, layout=torch.channels_last, name="bf16")
    assert found.top1_correct == (loader.labels == label).sum(), "compiled once, it sees the weights of today"


def test_an_introspective_network_is_not_compiled():
    cfg = load_cfg(None, ["MODEL.HEAD", "introspective", "MODEL.TYPE", "regnet"])
    with pytest.raises(ValueError, match=r"TEST\.COMPILE"):
        CompiledNetwork(build_model(cfg))


def test_ties_and_what_is_no_number():
    """The guess is argmax's, as in the tables; of ties behind it the first classes count; a row with a NaN is wrong."""
    logits = torch.tensor([[1.0, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 0], [float("nan"), 0, 0, 0, 0, 0, 0]])
    first = logits.argmax(1)
    for label in range(7):
        top1, top5 = topk_hits(logits, torch.full((3,), label))
        assert top1.tolist() == [label == first[0], label == first[1], False]
        assert top5.tolist() == [label < 5 or label == first[0], label < 5 or label == first[1], False]
    random = torch.randn(200, 9, generator=torch.Generator().manual_seed(0)).bfloat16()
    labels = torch.arange(200) % 9
    assert torch.equal(topk_hits(random, labels)[0], random.argmax(1) == labels)


def test_tables_and_pictures_hold_folder_names_of_any_bytes(tmp_path, monkeypatch, draw):
    classes = ("$a^{$", "caf\udce9", "chat é")
    counts = torch.ones(3, dtype=torch.int64)
    evaluation = Evaluation(3, 3, 3, 0.1, counts, counts, torch.diag(counts))
    files = save_per_class(evaluation, classes, tmp_path, "test")
    monkeypatch.setattr(plots, "_save", draw)
    plots.plot_confusion(torch.diag(counts), classes, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size
    plots.plot_confusion(torch.diag(counts), ("a" * 100_000, "b", "c"), tmp_path / "b.png")  # takes no minute
    assert b"caf\xe9," in files[0].read_bytes() and "chat é," in files[0].read_bytes().decode("utf-8", "replace")
