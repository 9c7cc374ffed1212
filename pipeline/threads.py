"""Threads in which OpenCV computes the same bytes as in any other, on any CPU.

OpenCV hands some functions to Intel's IPP, whose results depend on the CPU, and keeps the switch for it per thread:
what is switched off where a module is imported is on again in every new thread.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2


def without_ipp() -> None:
    """Switch IPP off in the thread that calls this."""
    cv2.ipp.setUseIPP(False)


def thread_pool(threads: int) -> ThreadPoolExecutor:
    """A pool of threads without IPP."""
    return ThreadPoolExecutor(threads, initializer=without_ipp)


without_ipp()
