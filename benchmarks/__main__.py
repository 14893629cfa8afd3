"""What an error costs, as ratios to bare Flask's successful request.

All candidates and kinds, in time and in instructions, take three to five minutes.
"""

import argparse
import shlex
import sys
from pathlib import Path

from benchmarks import measure, report
from benchmarks.check import check
from benchmarks.driver import KINDS

CANDIDATES = ("bare", "handwritten", "apierrors", "apierrors_stdlib", "apiflask", "smorest")
RESULTS = Path(__file__).with_name("RESULTS.md")


def names_of(known):
    """Return an argument type: a comma-separated choice of the known names."""

    def names(text):
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return chosen

    return names


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--candidates", type=names_of(CANDIDATES), default=list(CANDIDATES), help=f"some of {','.join(CANDIDATES)}")
    add("--kinds", type=names_of(KINDS), default=list(KINDS), help=f"some of {','.join(KINDS)}")
    add("--rounds", type=int, default=9, help="rounds of the time measurement (default: %(default)s)")
    add("--no-time", action="store_true", help="do not measure time")
    add("--no-instructions", action="store_true", help="do not count instructions")
    add("--check", action="store_true", help="only check that every candidate does its job")
    add("--write", nargs="?", type=Path, const=RESULTS, metavar="FILE", help="keep the figures (default: RESULTS.md)")
    return parser.parse_args(argv)


def main(argv):
    args = parse(argv)
    candidates, kinds = args.candidates, args.kinds
    if wrong := [problem for candidate in candidates for problem in check(candidate, kinds)]:
        raise SystemExit(
            "\n".join([*wrong, "Nothing is measured: a candidate that does less than its job looks fast."])
        )
    print(f"Checked, each does its job: {', '.join(candidates)}\n")
    if args.check:
        return

    sections = []

    def show(section):
        if section:
            sections.append(section)
            print(section + "\n", flush=True)

    if not args.no_instructions:
        try:
            unit, ratios = measure.instructions(candidates, kinds)
        except measure.Unavailable as reason:
            show(f"Instructions are not counted: {reason}.")
        else:
            show(report.instructions_section(unit, ratios))
            show(report.limits_section(ratios))
    if not args.no_time:
        show(report.times_section(*measure.times(candidates, kinds, args.rounds)))
    if args.write:
        args.write.write_text(
            report.page(shlex.join(["python", "-m", "benchmarks", *argv]), sections), encoding="utf-8"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
