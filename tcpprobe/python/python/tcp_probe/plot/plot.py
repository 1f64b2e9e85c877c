"""See :mod:`tcpprobe.compat.plot`."""

from tcpprobe.compat.plot import *  # noqa: F403
from tcpprobe.compat.plot import __all__ as __all__
