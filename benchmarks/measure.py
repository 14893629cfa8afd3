"""The two measurements. Both return a unit (bare Flask's successful request) and ratios to it."""

import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.worker import Worker

UNIT = ("bare", "ok")
TURNS = 20  # of each candidate in a round
TURN_SECONDS = 0.005
REQUESTS = 400  # that callgrind counts


class Unavailable(Exception):
    """Instructions cannot be counted on this machine; the text says why."""


def times(candidates, kinds, rounds):
    """Return the unit in seconds, and for each kind and candidate the ratio of each round.

    The workers take short turns in a shuffled order, the unit among them. A ratio is formed from the turns that lie
    next to each other, so that what slows the machine for a while slows both of its sides; a round's is the median.
    """
    shuffle = random.Random(0).shuffle
    units, ratios = [], {kind: {candidate: [] for candidate in candidates} for kind in kinds}
    with ExitStack() as stack:
        workers = {candidate: stack.enter_context(Worker(candidate)) for candidate in {*candidates, UNIT[0]}}
        for worker in workers.values():
            worker.pin()
        jobs = {kind: {None: UNIT} | {candidate: (candidate, kind) for candidate in candidates} for kind in kinds}
        sizes = {
            (candidate, kind): max(1, int(TURN_SECONDS / workers[candidate].seconds(kind, 60)))
            for candidate, kind in {job for of_kind in jobs.values() for job in of_kind.values()}
        }
        for _ in range(rounds):
            for kind in kinds:
                turns = {candidate: [] for candidate in candidates}
                order = list(jobs[kind].items())
                for _ in range(TURNS):
                    shuffle(order)
                    taken = {name: workers[job[0]].seconds(job[1], sizes[job]) for name, job in order}
                    units.append(taken[None])
                    for candidate in candidates:
                        turns[candidate].append(taken[candidate] / taken[None])
                for candidate in candidates:
                    ratios[kind][candidate].append(statistics.median(turns[candidate]))
    return statistics.median(units), ratios


def instructions(candidates, kinds):
    """Return the unit in instructions, and for each kind and candidate the ratio, as callgrind counts them."""
    with tempfile.TemporaryDirectory() as folder:
        library = _build(folder)
        jobs = {candidate: list(kinds) for candidate in candidates}
        jobs[UNIT[0]] = list(dict.fromkeys([*jobs.get(UNIT[0], ()), UNIT[1]]))
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # a count does not mind what else is running
            counts = dict(zip(jobs, pool.map(lambda job: _count(*job, library, folder), jobs.items()), strict=True))
    unit = counts[UNIT[0]][UNIT[1]]
    return unit, {kind: {candidate: counts[candidate][kind] / unit for candidate in candidates} for kind in kinds}


def _count(candidate, kinds, library, folder):
    output = f"{folder}/{candidate}"
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"]
    with Worker(candidate, valgrind) as worker:
        for kind in kinds:
            worker.count(kind, REQUESTS, library)
    counts = {}
    for part in Path(folder).glob(f"{candidate}.*"):
        text = part.read_text()
        label = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
        total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
        if label and total:
            counts[label[1]] = int(total[1]) / REQUESTS
    return counts


def _build(folder):
    """Compile callgrind.c into the folder and return the library's path."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    for found, what in ((shutil.which("valgrind"), "valgrind"), (compiler, "a C compiler")):
        if not found:
            raise Unavailable(f"{what} is not installed")
    library = f"{folder}/callgrind.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("callgrind.c")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"callgrind.c does not compile: {done.stderr.strip().splitlines()[0]}")
    return library
