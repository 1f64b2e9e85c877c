"""Ctrl-C ends a reading that would never end."""

import errno
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import common

#: A defect would be a test that hangs; nothing is measured by it.
PATIENCE = 120

READINGS = {
    "to_pandas": "tcpprobe.open(path).events().to_pandas()",
    "batches": "list(tcpprobe.open(path).connections())",
    "diagnose": "tcpprobe.open(path).diagnose()",
    "plot": "tcpprobe.open(path).plot(path + '.png')",
}
if "pyarrow" in os.environ.get("TCPPROBE_READERS", ""):
    # Who takes all exceptions that pyarrow makes, is interrupted too.
    READINGS = {
        "pyarrow": """
import pyarrow
try:
    pyarrow.RecordBatchReader.from_stream(tcpprobe.open(path).connections()).read_all()
except Exception as error:
    print(error)
"""
    }


def writing_end(path, reader):
    """Of a pipe, as soon as a program reads it; one that has ended never will."""
    until = time.monotonic() + PATIENCE
    while reader.poll() is None and time.monotonic() < until:
        try:
            end = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.01)
        else:
            os.set_blocking(end, True)
            return os.fdopen(end, "wb")
    reader.kill()
    raise AssertionError(f"nobody reads: {reader.communicate()[1]}")


class Interrupts(unittest.TestCase):
    def test_each_reading_can_be_interrupted(self):
        for name, reading in READINGS.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "pipe")
                os.mkfifo(path)
                program = f"import sys, tcpprobe\npath = {path!r}\n{reading}"
                reader = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
                # It is kept open: it has no end.
                with writing_end(path, reader) as pipe:
                    pipe.write(pathlib.Path(common.TCPP).read_bytes())
                    pipe.flush()
                    # So that it most likely waits inside of the native part; outside it is interrupted too.
                    time.sleep(0.5)
                    reader.send_signal(signal.SIGINT)
                    _, said = reader.communicate(timeout=PATIENCE)
                self.assertIn("KeyboardInterrupt", said)
                self.assertEqual(reader.returncode, -signal.SIGINT)


if __name__ == "__main__":
    unittest.main()
