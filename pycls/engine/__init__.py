"""Training, evaluation and timing of networks from a config."""

from pycls.core.stop_signals import EXIT_STOPPED
from pycls.engine.profiling import time
from pycls.engine.reporting.result import Result
from pycls.engine.test import test
from pycls.engine.train import train

__all__ = ["EXIT_STOPPED", "Result", "test", "time", "train"]
