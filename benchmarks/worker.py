"""A process that runs one candidate, and the handle by which the benchmark asks it to.

Each candidate has a process of its own, because structlog and logging are configured globally. Requests to it and
replies from it are JSON lines on its stdin and stdout.
"""

import ctypes
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.driver import KINDS, SINK, runner

WARM_UP = 60


class Worker:
    """The parent's end: `worker.probe("ok")` runs `probe` in the child and returns what it returned."""

    def __init__(self, candidate, prefix=()):
        self.candidate = candidate
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "benchmarks.worker", candidate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if prefix else None,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"},
            cwd=Path(__file__).parent.parent,
        )
        self.claims = self._reply()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def pin(self):
        """Keep the process on the last core that is allowed; all workers share it, since they take turns."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, {max(os.sched_getaffinity(0))})

    def probe(self, kind):
        return self._ask("probe", kind)

    def seconds(self, kind, n):
        return self._ask("seconds", kind, n)

    def count(self, kind, n, library):
        return self._ask("count", kind, n, library)

    def _ask(self, operation, kind, *args):
        self.process.stdin.write(json.dumps([operation, kind, *args]) + "\n")
        self.process.stdin.flush()
        return self._reply()

    def _reply(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"candidate {self.candidate} died with exit status {self.process.wait()}")
        return json.loads(line)


def probe(run, kind):
    """Send one request and return the answer and what was logged by the time it was complete."""
    with tempfile.TemporaryFile() as log:
        null = os.dup(SINK.fileno())
        os.dup2(log.fileno(), SINK.fileno())
        status, headers, body = run(1)
        os.dup2(null, SINK.fileno())
        os.close(null)
        log.seek(0)
        return {"status": status, "headers": headers, "body": body.decode(), "log": log.read().decode().splitlines()}


def seconds(run, kind, n):
    """Processor time per request, after some untimed ones: the turns of the others have left the caches cold."""
    run(max(2, n // 4))
    start = time.process_time()
    run(n)
    return (time.process_time() - start) / n


def count(run, kind, n, library):
    """Let callgrind count n requests under the kind's name; the figures are in callgrind's output."""
    callgrind = ctypes.CDLL(library)
    gc.collect()
    callgrind.start_counting()
    run(n)
    callgrind.stop_counting(kind.encode())


def main(candidate):
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not come among the replies
    module = importlib.import_module(f"benchmarks.candidates.{candidate}")
    runners = {}
    operations = {function.__name__: function for function in (probe, seconds, count)}
    print(json.dumps(sorted(module.CLAIMS)), file=replies, flush=True)
    for line in sys.stdin:
        operation, kind, *args = json.loads(line)
        if kind not in runners:
            runners[kind] = runner(module.app, KINDS[kind])
            runners[kind](WARM_UP)
            gc.collect()  # or the first collection after the imports falls into somebody's turn
        print(json.dumps(operations[operation](runners[kind], kind, *args)), file=replies, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
