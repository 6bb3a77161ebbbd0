"""Mixed precision: where autocast is on, to which type, and the gradient scaler that fp16 needs."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """The number format of forward passes on a device; `name` is a key of DTYPES."""

    device: torch.device
    name: str = "fp32"

    def autocast(self) -> AbstractContextManager:
        """Return the context for forward and loss."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, DTYPES[self.name])

    def scaler(self) -> torch.amp.GradScaler:
        """Return a gradient scaler, which does nothing unless the format is fp16."""
        return torch.amp.GradScaler(self.device.type, enabled=self.name == "fp16")


def pick_precision(device: torch.device, mixed: bool, amp_dtype: str) -> Precision:
    """Return the format for TRAIN.MIXED_PRECISION and AMP_DTYPE; one the GPU lacks raises ValueError."""
    if (
        mixed
        and amp_dtype == "bf16"
        and device.type == "cuda"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        raise ValueError(f"TRAIN.AMP_DTYPE bf16: {torch.cuda.get_device_name(device)} has no bf16; use fp16")
    return Precision(device, amp_dtype if mixed else "fp32")
