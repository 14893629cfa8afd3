"""Send many errors to the extension and see whether memory grows.

Every request differs from every other, in its path, body and id, so that whatever keeps something of a request shows.
"""

import argparse
import gc
import os
import sys
import time
from dataclasses import replace
from itertools import cycle, islice

from benchmarks.candidates.apierrors import app
from benchmarks.driver import KINDS, call, environ_of

SETTLED = 10_000  # errors after which memory is to stay where it is
MIB = 1024 * 1024


def errors():
    """Yield the environ and body of one error after another, of all kinds in turn."""
    kinds = cycle(kind for kind in KINDS.values() if kind.status >= 400)
    for number, kind in enumerate(kinds):
        path = {"/users/42": f"/users/{number}", "/nope": f"/nope/{number}"}.get(kind.path, kind.path)
        body = kind.body.replace(b'"email"', b'"email%d"' % number)
        environ = environ_of(replace(kind, path=path, body=body))
        environ["QUERY_STRING"] = f"number={number}"
        if number % 2:
            environ["HTTP_X_REQUEST_ID"] = f"client-{number}"
        yield kind, environ, body


def resident():
    """Bytes of memory that this process occupies."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grown(total):
    """Send the errors, report on the way, and return the growth in bytes since memory should have settled."""
    statuses, readings = [], {}
    start = time.perf_counter()
    step = max(SETTLED, total // 10)
    for number, (kind, environ, body) in enumerate(islice(errors(), total), 1):
        call(app, environ, body, lambda status, headers, exc_info=None: statuses.append(status))
        if not statuses.pop().startswith(str(kind.status)):
            raise SystemExit(f"{kind} was not answered with its status")
        if number in (SETTLED, total) or number % step == 0:
            readings[number] = resident()
            spent = time.perf_counter() - start
            print(f"{number:>9,} errors {readings[number] / MIB:8.2f} MiB {spent:6.0f} s", flush=True)
    return readings[total] - readings[SETTLED]


def main(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--errors", type=int, default=1_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--bound", type=float, default=2.0, metavar="MIB", help="allowed growth (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.errors <= SETTLED:
        parser.error(f"--errors must be more than {SETTLED}, after which memory is to stay where it is")
    growth = grown(args.errors) / MIB
    print(f"Grown by {growth:.2f} MiB since the first {SETTLED:,}; {args.bound:.2f} are allowed.")
    return growth > args.bound


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
