"""Pictures are what they are called, and of what was asked."""

import os
import pathlib
import tempfile
import unittest

import common
import tcpprobe


class Pictures(unittest.TestCase):
    def test_each_format_by_its_ending_and_by_name(self):
        trace = tcpprobe.open(common.RCVBUF)
        with tempfile.TemporaryDirectory() as folder:
            for ending, starts in ((".png", b"\x89PNG\r\n"), (".svg", b"<svg"), (".html", b"<!doctype html>"), (".HTM", b"<!doctype html>")):
                path = os.path.join(folder, "web" + ending)
                self.assertEqual(trace.plot(path), path)
                self.assertTrue(pathlib.Path(path).read_bytes().lower().startswith(starts.lower()), ending)
            path = pathlib.Path(folder, "web")
            self.assertEqual(trace.plot(path, format="svg"), str(path))
            svg = path.read_text()
            self.assertIn("Congestion window, packets", svg)
            # What held it back is told in words.
            self.assertIn("receive window", svg)
            self.assertIn("default-src 'none'", pathlib.Path(folder, "web.html").read_text())

    def test_what_is_asked_for_is_drawn(self):
        trace = tcpprobe.open(common.TCPP)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "web.svg")

            def drawn(**asked):
                return pathlib.Path(trace.plot(path, **asked)).read_text()

            self.assertNotIn("Congestion window", drawn(panels=["srtt", "limits"]))
            all_of_them, one = drawn(both_ends=True), drawn(top=1)
            self.assertGreater(all_of_them.count("→"), one.count("→"))
            self.assertIn("5297", drawn(filter="sport == 5297"))
            self.assertNotEqual(drawn(), drawn(raw_time=True))
            drawn(by="retransmissions", ssh=True, connection=":5297")

    def test_what_cannot_be_drawn_is_said(self):
        trace = tcpprobe.open(common.TCPP)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "web.png")
            for words, asked in (
                ("no format .jpg", {"format": "jpg"}),
                ("throughput, cwnd", {"panels": ["cwnds"]}),
                ("bytes, retransmissions", {"by": "size"}),
                ("top is 1 to", {"top": 0}),
                ("size is of a page", {"size": 1_000_000}),
                ("250_000", {"format": "html", "size": 1000}),
                ("nothing to draw", {"filter": "sport == 1"}),
            ):
                with self.assertRaisesRegex(ValueError, words):
                    trace.plot(path, **asked)
            with self.assertRaisesRegex(ValueError, "end the name in"):
                trace.plot(os.path.join(folder, "web.jpg"))
            with self.assertRaises(FileNotFoundError):
                trace.plot(os.path.join(folder, "no", "web.png"))
            self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main()
