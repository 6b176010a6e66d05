"""What large tables and many processes cost.

python benchmarks/scaling.py table --file big.parquet --rows 20000000
python benchmarks/scaling.py rows --file small.parquet          rows per second, from the file and from memory
python benchmarks/scaling.py memory --file big.parquet          peak resident memory of a whole fit
python benchmarks/scaling.py processes --sizes 1 2 4            steps of all methods against plain DDP, what they send
python benchmarks/scaling.py step-memory --methods equal upgrad peak memory of steps: whole, in parts, in shares
python benchmarks/scaling.py checkpoint                         what training waits for a checkpoint
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from scaling_study.large_table import resident_memory, rows_per_second, write_large_table
from scaling_study.process_cost import checkpoint_cost, report
from scaling_study.step_memory import step_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["table", "rows", "memory", "processes", "step-memory", "checkpoint"])
    parser.add_argument("--file", type=Path, default=Path("large.parquet"), help="of tables: Parquet file")
    parser.add_argument("--held", type=Path, help="of `rows`: another file for training from memory; default the same")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of `table`: number of rows")
    parser.add_argument("--rounds", type=int, default=9, help="of `rows` and `processes`: turns of all trainings")
    parser.add_argument("--steps", type=int, default=2000, help="of `memory`: steps of the training")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4], help="of `processes`: how many")
    parser.add_argument("--methods", nargs="+", default=["all"], help="method, method@representation")
    parser.add_argument("--widths", type=int, nargs="+", default=[512, 2048], help="of `checkpoint`: of 4 layers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.action == "table":
        write_large_table(arguments.file, arguments.rows)
    elif arguments.action == "rows":
        print(rows_per_second(arguments.file, arguments.held or arguments.file, arguments.rounds))
    elif arguments.action == "processes":
        print(report(arguments.sizes, arguments.methods, arguments.rounds))
    elif arguments.action == "step-memory":
        for line in step_memory(arguments.methods):
            print(line, flush=True)
    elif arguments.action == "checkpoint":
        print(checkpoint_cost(arguments.widths))
    else:
        print(resident_memory(arguments.file, arguments.steps))


if __name__ == "__main__":
    main()
