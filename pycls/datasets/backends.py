"""Build each loader backend from the config; its module, and any optional package, is imported only when asked for."""

from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core.logging import get_logger
from pycls.datasets.loader import Backend
from pycls.datasets.plan import View
from pycls.datasets.samples import ArraySamples, FileSamples

logger = get_logger(__name__)


def build_custom(cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the backend of the C extension, or else OpenCV, and log which of them it is."""
    from pycls.datasets.custom_backend import CustomBackend
    from pycls.datasets.jpeg import describe

    decoder = cfg.DATA_LOADER.JPEG
    logger.info("JPEG decoder: %s", describe(decoder))
    return CustomBackend(samples, view, **_worker_options(cfg, device, max_batch), decoder=decoder)


def build_torch(cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the torchvision backend."""
    from pycls.datasets.torch_backend import TorchBackend

    return TorchBackend(samples, view, **_worker_options(cfg, device, max_batch))


def build_dali_cpu(cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the DALI backend that decodes on the CPU."""
    from pycls.datasets.dali_backend import DaliBackend

    return DaliBackend(samples, view, **_worker_options(cfg, device, max_batch), decoder="cpu")


def build_dali_gpu(cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the DALI backend that decodes on the GPU; raise ValueError without one."""
    from pycls.datasets.dali_backend import DaliBackend

    return DaliBackend(samples, view, **_worker_options(cfg, device, max_batch), decoder="gpu")


def build_memory(cfg: CfgNode, samples: ArraySamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the backend that holds array data on the device."""
    from pycls.datasets.memory_backend import MemoryBackend

    return MemoryBackend(samples, view, device=device)


def _worker_options(cfg: CfgNode, device: torch.device, max_batch: int) -> dict[str, Any]:
    """Return the keywords that all backends for files share."""
    options = cfg.DATA_LOADER
    return {
        "num_workers": options.NUM_WORKERS,
        "prefetch": options.PREFETCH,
        "worker_mode": options.WORKER_MODE,
        "pin_memory": options.PIN_MEMORY,
        "device": device,
        "max_batch": max_batch,
    }
