"""The example runs, and leaves what it says."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import common

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


class Examples(unittest.TestCase):
    def test_the_example_leaves_a_figure_and_a_table(self):
        (example,) = EXAMPLES.glob("*.py")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, str(example), str(common.RCVBUF), folder], capture_output=True, text=True, check=False
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("receive window", done.stdout)
            self.assertIn("net.ipv4.tcp_rmem", done.stdout)
            figure, table = (pathlib.Path(folder, name) for name in ("trace.png", "trace.csv"))
            self.assertEqual(figure.read_bytes()[:4], b"\x89PNG")
            self.assertIn("receive_window", table.read_text())
            self.assertEqual(sorted(os.listdir(folder)), ["trace.csv", "trace.png"])


if __name__ == "__main__":
    unittest.main()
