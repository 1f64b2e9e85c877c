"""The calls of the package ``tcp_probe``, made by ``tcpprobe``: see :mod:`tcpprobe.compat`. It is not that package."""

from . import parser

__all__ = ["parser"]
