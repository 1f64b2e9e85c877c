"""See :mod:`tcpprobe.compat.plot`."""

from .plot import *  # noqa: F403
from .plot import __all__ as __all__
