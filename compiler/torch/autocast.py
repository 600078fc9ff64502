"""The precision that torch computes products in, for what is computed again on the way back."""

from __future__ import annotations

import torch


def autocast_of_now(device: str) -> torch.autocast:
    """The precision of now, for the way back, too; nothing is remembered of weights, since the way there has no derivative."""
    return torch.autocast(
        device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device), cache_enabled=False
    )
