"""The training path in one look: few calls from the command line to the network, in three short files."""

import sys
import traceback

import torch
from torch import nn

from pycls.models import MODELS
from tests.helpers.paths import ROOT
from tests.helpers.runs import DIGITS, run_tool_here, tiny_words

MOST_CALLS, MOST_LINES = 8, 340


class CalledFrom(nn.Linear):
    """A network that notes, in its first training step, who called it, and ends the run."""

    calls: tuple[traceback.FrameSummary, ...] = ()  # of the class: networks are copied

    def forward(self, images):
        if not (self.training and torch.is_grad_enabled()):  # its cost is counted
            return super().forward(images.flatten(1))
        CalledFrom.calls = tuple(traceback.extract_stack()[:-1])
        sys.exit(0)


def test_few_calls_lead_from_the_command_line_to_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(CalledFrom, "calls", ())
    monkeypatch.setitem(MODELS, "called_from", lambda cfg: CalledFrom(3 * 8 * 8, 10))
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(tmp_path, MODEL__TYPE="called_from"))
    assert done.returncode == 0, done.stderr
    folders = (f"{ROOT / 'pycls'}/", f"{ROOT / 'tools'}/")
    ours = [call.name for call in CalledFrom.calls if call.filename.startswith(folders) and call.name != "<module>"]
    assert {"train", "train_epoch", "step"} <= set(ours), ours
    assert len(ours) <= MOST_CALLS, ours


def test_training_fits_on_a_few_pages():
    files = [ROOT / "pycls/engine" / name for name in ("train.py", "epoch.py", "step.py")]
    lengths = {file.name: len(file.read_text().splitlines()) for file in files}
    assert sum(lengths.values()) <= MOST_LINES, lengths
