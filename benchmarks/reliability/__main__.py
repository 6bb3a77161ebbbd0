"""Attack the program in every way at hand: kills, damaged files, bad input, bombs, full disks; write what survived.

    python -m benchmarks.reliability           # all of it, some 15 minutes, two cores; writes benchmarks/RELIABILITY.md
    python -m benchmarks.reliability --quick   # one case of each kind, a minute; writes nothing
    python -m benchmarks.reliability --only "kill -9" --seed 3    # cases with these words in kind or name; nothing, too

A case is named by kind and name, and draws its random numbers from these and --seed: a failure can be repeated with
--only NAME --seed N. Exit code 1: something did not survive.
"""

import sys

from benchmarks.report import command_line
from pycls.core.machine import usable_cores


def main() -> int:
    """Run the cases and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help="one case of each kind, a minute")
    parser.add_argument("--only", metavar="WORDS", help="cases whose kind or name contains these words")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--jobs", type=int, default=min(2, usable_cores()), help="cases at a time (2)")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    args = parser.parse_args()
    from benchmarks.reliability.campaign import all_cases, chosen, run_campaign  # imports torch: not for --help

    cases = chosen(all_cases(), args.only, args.quick)
    if not cases:
        parser.error(f"--only {args.only}: no case has these words in its kind or name (--list)")
    if args.list:
        print("\n".join(f"{case.kind}: {case.name}" for case in cases))
        return 0
    return run_campaign(cases, args, publish_it=not (args.quick or args.only or args.print_only))


if __name__ == "__main__":
    sys.exit(main())
