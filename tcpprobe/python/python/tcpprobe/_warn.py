"""Warnings, at the line of the user's that asked."""

import sys
import warnings

OURS = ("tcpprobe", "tcp_probe")


def warn(words: str, category: "type[Warning]") -> None:
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).split(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(words, category, stacklevel=level)
