"""Training, evaluation and timing of networks from a config."""

from pycls.engine.benchmark import time
from pycls.engine.result import Result
from pycls.engine.signals import EXIT_STOPPED
from pycls.engine.test import test
from pycls.engine.train import train

__all__ = ["EXIT_STOPPED", "Result", "test", "time", "train"]
