"""The GPU table: Weir and the driver's own floor by bench_gpu, one process for both, and PyTorch in
eager mode where the interpreter has it with CUDA; the processes in turns, as in the CPU table."""

import table

NO_GPU = 77  # bench_gpu's exit code


def turns(sides, options, run=table.output_of):
    """What was gathered, and the names of the sides that failed; None where there is no GPU.

    `sides` is {name: (command, columns)}; without columns the first line of the output has them,
    and each is a side."""
    gathered, failed = {}, set()
    for _ in range(options.turns):
        for side, (command, columns) in sides.items():
            if side in failed:
                continue
            code, text, reason = run(command, options.timeout)
            if code == NO_GPU:
                return None, failed
            if reason:
                table.note(f"GPU: {side}: {reason}")
                failed.add(side)
                continue
            lines = text.splitlines()
            named = columns or lines.pop(0).split("\t")
            for column, found in table.parse(lines, named).items():
                table.gather(gathered, side if columns else column, found)
    return table.without(gathered, failed), failed


def show(page, gathered, peers, options):
    """The floor last, as in the CPU table."""
    columns = ["Weir", *peers, "floor"]
    page.line(f"GPU, {options.turns} turns; xN: Weir is N times faster; floor: the driver itself")
    table.print_line(page, "what", columns)
    for name, cells in gathered.items():
        table.print_cells(page, name, columns, cells, cells.get("Weir"))


def make(page, program, torch, options):
    """The table; True when Weir was measured or there is no GPU. `torch` is PyTorch's name and
    command, or None."""
    sides = {"Weir": ([program], None)}
    if torch:
        sides[torch[0]] = (torch[1], ("name", "value", "unit"))
    gathered, failed = turns(sides, options)
    if gathered is None:
        print("GPU: there is none here, so there is no table of it", flush=True)
        return True
    if "Weir" in failed:
        return False
    show(page, gathered, [side for side in sides if side not in failed | {"Weir"}], options)
    return True


def device():
    """The GPU and its driver, in words."""
    code, text, _ = table.output_of(
        ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", "--id=0"], 30)
    name, _, driver = text.strip().partition(", ")
    return f"{name}, driver {driver}" if code == 0 and driver else "unknown GPU"
