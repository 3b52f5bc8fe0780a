#!/usr/bin/env python3
"""The making of bench/run's tables, from invented output: no program is timed."""

import pathlib
import sys
import types
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True
import gpu_table
import table

OPTIONS = types.SimpleNamespace(turns=2, timeout=1)
TORCH = ("PyTorch 9", ["torch"])
HEAD = "name\tfloor\tWeir\tunit\ncopy\t4.00\t-\tTB/s\n"
OURS = ["small\t4.00\t2.00\tus\nmatmul\t-\t700.00\tTFLOP/s\n",
        "small\t4.00\t4.00\tus\nmatmul\t-\t700.00\tTFLOP/s\n"]
THEIRS = "small\t6.00\tus\nmatmul\t350.00\tTFLOP/s\n"


class Page(table.Page):
    def line(self, text):
        self.lines.append(text)


def sides(ours, theirs=(0, THEIRS, None)):
    """In the place of output_of: what bench_gpu answers turn by turn, and PyTorch each time."""
    left = list(ours)
    return lambda command, timeout: theirs if command == ["torch"] else left.pop(0)


def measured(run):
    commands = {"Weir": (["weir"], None), TORCH[0]: (TORCH[1], ("name", "value", "unit"))}
    return gpu_table.turns(commands, OPTIONS, run)


class Gpu(unittest.TestCase):
    def setUp(self):
        self.said = mock.patch.object(table, "note").start()
        self.addCleanup(mock.patch.stopall)
        self.good = sides([(0, HEAD + text, None) for text in OURS])

    def test_rows(self):
        page = Page()
        gathered, failed = measured(self.good)
        self.assertEqual(failed, set())
        gpu_table.show(page, gathered, ["PyTorch 9"], OPTIONS)
        cells = [line.split() for line in page.lines[2:]]
        self.assertEqual(cells[0], ["copy", "-", "-", "4.00", "TB/s", "±0%"])
        self.assertEqual(cells[1], "small 3 us ±33% 6 us ±0% x2.00 4 us ±0% x1.33".split())
        self.assertEqual(cells[2], "matmul 700.0 TFLOP/s ±0% 350.0 TFLOP/s ±0% x2.00 -".split())

    def test_peer_that_fails_is_left_out(self):
        run = sides([(0, HEAD + text, None) for text in OURS], (1, "", "PyTorch: no GPU"))
        gathered, failed = measured(run)
        self.assertEqual(failed, {"PyTorch 9"})
        self.assertEqual(set(gathered["small"]), {"Weir", "floor"})
        self.said.assert_called_once_with("GPU: PyTorch 9: PyTorch: no GPU")

    def test_no_gpu(self):
        run = sides([(77, "skipped: there is no GPU\n", "exit code 77")])
        self.assertEqual(measured(run), (None, set()))

    def test_weir_that_fails(self):
        page = Page()
        with mock.patch.object(gpu_table, "turns", return_value=({}, {"Weir"})):
            self.assertFalse(gpu_table.make(page, "weir", TORCH, OPTIONS))
        self.assertEqual(page.lines, [])


class Shared(unittest.TestCase):
    def test_cpu_lines(self):
        found = table.parse(["add\ts\t0.002", "add.bytes\tbytes\t41"], ("name", "unit", "value"))
        self.assertEqual(found, {"value": {"add": ("s", 0.002), "add.bytes": ("bytes", 41.0)}})

    def test_line_that_is_cut(self):
        with self.assertRaises(ValueError):
            table.parse(["add\ts"], ("name", "unit", "value"))

    def test_cells(self):
        self.assertEqual(table.cell_text("s", [2e-6, 2e-6], ("s", [1e-6])), "2 us ±0% x2.00")
        self.assertEqual(table.cell_text("flop/s", [1e9], ("flop/s", [3e9])), "1.0 GFLOP/s ±0% x3.00")
        self.assertEqual(table.cell_text("bytes", [41.0], None), "41")


class Results(unittest.TestCase):
    PAGE = "# R\n\n<!-- CPU: bench/run writes this -->\nold\n<!-- end -->\n\nby hand\n"

    def test_parts_leave_each_other_alone(self):
        both = table.put_part(self.PAGE, "GPU", "gpu 1\n")
        self.assertTrue(both.startswith(self.PAGE))
        self.assertIn("\n## GPU, as `bench/run` prints it\n", both)
        cpu = table.put_part(both, "CPU", "new\n")
        self.assertEqual(cpu, both.replace("old", "new"))
        self.assertEqual(table.put_part(cpu, "GPU", "gpu 2\n"), cpu.replace("gpu 1", "gpu 2"))

    def test_part_without_end(self):
        with self.assertRaises(ValueError):
            table.put_part("<!-- CPU: bench/run writes this -->\nold\n", "CPU", "new\n")


if __name__ == "__main__":
    unittest.main()
