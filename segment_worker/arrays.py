"""Arrays, as far as types can tell. OpenCV's stubs promise no more than "some number": the docstrings say which."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Array64 = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]
