"""What a process does with the memory of large tensors that are gone."""

import ctypes
import sys
from functools import cache

LARGE = 2**22  # bytes of a tensor that gets memory of its own once activations exceed ROOM
M_MMAP_THRESHOLD = -3  # as glibc's malloc.h numbers it


@cache
def give_back_large() -> bool:
    """Let this process give tensors of `LARGE` bytes and more back to the system when they are no
    longer used: in glibc's heap what is kept between them leaves holes in which few others fit, as
    much again as what is in use. False where another allocator serves.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGE))
