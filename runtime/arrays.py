"""The type of numpy arrays of any dtype and any number of axes."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
