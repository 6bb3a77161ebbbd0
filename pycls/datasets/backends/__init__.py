"""Build each loader backend from the config; its module, and any optional package, is imported only when asked for.

Each says first what its workers need, so that a machine without room for them is told before the first batch.
"""

import dataclasses
import math

import torch
from yacs.config import CfgNode

from pycls.core.distributed import local_world_size
from pycls.core.logging import ONCE, get_logger
from pycls.core.machine import usable_cores
from pycls.datasets.backends.base import Backend, BackendOptions
from pycls.datasets.readers.samples import ArraySamples, FileSamples
from pycls.datasets.transforms.view import View
from pycls.datasets.workers import choose_mode
from pycls.datasets.workers.resources import Needs, check_room

logger = get_logger(__name__)

# What the backends of this package read; one from outside may read either.
FOR_FILES = ("custom", "torch", "dali_cpu", "dali_gpu")
FOR_ARRAYS = ("memory",)

_NUM_IN_USE = 2  # batches that the training step and the copy to the device hold


def build_custom(cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the backend of the C extension, or else OpenCV, and log once if that makes it slower than it could be."""
    from pycls.datasets.backends.custom import CustomBackend
    from pycls.datasets.decoders.libjpeg_turbo import fits, how_to_be_faster

    options = _worker_options(cfg, device, max_batch)
    processes = choose_mode(options.worker_mode, options.num_workers) == "processes"
    check_room(_process_needs(options, view) if processes else Needs(threads=options.num_workers))
    decoder = cfg.DATA_LOADER.JPEG
    if decoder == "c" and not fits(view):
        raise ValueError("DATA_LOADER.JPEG: 'c' shows squares of RGB or gray of 8 bits only; use 'auto'")
    if fits(view) and (hint := how_to_be_faster(decoder)):
        logger.info("JPEG decoder: OpenCV: %s", hint, extra=ONCE)
    return CustomBackend(samples, view, options, decoder)


def build_torch(cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the torchvision backend."""
    from pycls.datasets.backends.torch_dataloader import TorchBackend

    options = _worker_options(cfg, device, max_batch)
    if options.num_workers:  # the DataLoader counts for each worker
        rounded = -(-options.prefetch // options.num_workers) * options.num_workers
        options = dataclasses.replace(options, prefetch=rounded)
    check_room(_process_needs(options, view))
    return TorchBackend(samples, view, options)


def build_dali_cpu(cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the DALI backend that decodes on the CPU."""
    return _build_dali(cfg, samples, view, device, max_batch, "cpu")


def build_dali_gpu(cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the DALI backend that decodes on the GPU; raise ValueError without one."""
    return _build_dali(cfg, samples, view, device, max_batch, "gpu")


def build_memory(cfg: CfgNode, samples: ArraySamples, view: View, device: torch.device, max_batch: int) -> Backend:
    """Build the backend that holds array data on the device."""
    from pycls.datasets.backends.memory import MemoryBackend

    if view.full:
        raise ValueError(f"DATA_LOADER.DEPTH full: the images of {samples.source} have 8 bits; leave it at uint8")
    there = samples.images.shape[3]
    if there != view.channels and not (view.is_rgb and there in (1, 3)):
        raise ValueError(f"DATA_LOADER.CHANNELS {view.channels}: the images of {samples.source} have {there} channels")
    return MemoryBackend(samples, view, device=device)


def _build_dali(
    cfg: CfgNode, samples: FileSamples, view: View, device: torch.device, max_batch: int, decoder: str
) -> Backend:
    from pycls.datasets.backends.dali import DaliBackend

    if not view.is_plain:
        asked = "DATA_LOADER.DEPTH full" if view.full else f"DATA_LOADER.CHANNELS {view.channels}"
        raise ValueError(
            f"DATA_LOADER.BACKEND: 'dali_{decoder}' shows RGB and gray of 8 bits, not {asked}; use 'custom' or 'torch'"
        )
    options = _worker_options(cfg, device, max_batch)
    check_room(Needs(threads=2 * options.num_workers))  # those that read, and DALI's own
    return DaliBackend(samples, view, options, decoder)


def count_workers(automatic: bool, asked: int) -> int:
    """Return the workers of each process: `asked`, or an equal share of this node's usable cores."""
    return max(1, usable_cores() // local_world_size()) if automatic else asked


def _process_needs(options: BackendOptions, view: View) -> Needs:
    """Return what worker processes need: each prepares a batch ahead, or PREFETCH if that is more."""
    workers = options.num_workers
    batches = max(options.prefetch, workers) + _NUM_IN_USE if workers else 0
    shared_bytes = batches * options.max_batch * math.prod(view.image_shape) * view.image_dtype.itemsize
    return Needs(processes=workers, shared_bytes=shared_bytes, batches=batches)


def _worker_options(cfg: CfgNode, device: torch.device, max_batch: int) -> BackendOptions:
    """Return what all backends for files are told."""
    options = cfg.DATA_LOADER
    return BackendOptions(
        num_workers=count_workers(options.AUTO_WORKERS, options.NUM_WORKERS),
        prefetch=options.PREFETCH,
        worker_mode=options.WORKER_MODE,
        pin_memory=options.PIN_MEMORY,
        device=device,
        max_batch=max_batch,
        skip_bad=options.ON_BAD_IMAGE == "skip",
        timeout_sec=options.TIMEOUT_SEC,
    )
