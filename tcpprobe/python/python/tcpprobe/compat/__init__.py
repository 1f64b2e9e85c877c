"""The calls of the package ``tcp_probe`` (0.0.4), for programs that were written for it.

``parser`` and ``plot`` have its functions. ``import tcp_probe`` finds them too, for this package brings a module of that
name; so do not install both. New programs do better with :func:`tcpprobe.open`: it is some twelve times as fast, and reads
every line.
"""

from . import parser, plot

__all__ = ["parser", "plot"]
