"""See :mod:`tcpprobe.compat.parser`."""

from tcpprobe.compat.parser import *  # noqa: F403
from tcpprobe.compat.parser import __all__ as __all__
