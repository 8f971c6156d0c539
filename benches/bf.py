#!/usr/bin/env python3
"""Runs Brainfuck implementations side by side and prints CPU times and ratios.

usage: bf.py [-n ROUNDS] [-d DIR]... name=command...

A command is split as a shell would and gets the path of a program appended, or
put in place of {}. For PROGRAM.b, PROGRAM.in is standard input, and what is
printed must be PROGRAM.out. Time is user and system time of the process. Each
round runs everybody once; a cell is the median and its ratio to the first.
"""
import argparse, glob, math, os, resource, shlex, statistics, subprocess, sys


def once(command, program):
    """CPU milliseconds of one run, or why there are none."""
    words = shlex.split(command)
    words = [word.replace("{}", program) for word in words] if "{}" in command else words + [program]
    stem = program[:-2]
    given = stem + ".in" if os.path.exists(stem + ".in") else os.devnull
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        with open(given, "rb") as stdin:
            run = subprocess.run(words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
    except subprocess.TimeoutExpired:
        return "slow"
    except OSError:
        return "absent"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if os.path.exists(stem + ".out"):
        with open(stem + ".out", "rb") as expected:
            if run.stdout != expected.read():
                return "wrong"
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("-d", action="append", default=[])
    parser.add_argument("peers", nargs="+")
    options = parser.parse_args()
    peers = dict(peer.split("=", 1) for peer in options.peers)
    programs = sorted(program for place in options.d for program in glob.glob(os.path.join(place, "*.b")))
    print(f"{'':16}" + "".join(f"{name:>18}" for name in peers))
    ratios = {name: [] for name in peers}
    for program in programs:
        times = {name: [] for name in peers}
        for _ in range(options.n):
            for name, command in peers.items():
                if not any(isinstance(time, str) for time in times[name]):
                    times[name].append(once(command, program))
        row, first = f"{os.path.basename(program)[:-2]:16}", None
        for name in peers:
            failures = [time for time in times[name] if isinstance(time, str)]
            if failures:
                row += f"{failures[0]:>18}"
                continue
            time = statistics.median(times[name])
            first = first if first is not None else time
            ratio = time / first if first else math.nan
            ratios[name].append(ratio)
            row += f"{time:10.1f} {ratio:6.2f}x"
        print(row, flush=True)
    row = f"{'geometric mean':16}"
    for name in peers:
        known = [math.log(ratio) for ratio in ratios[name] if ratio > 0]
        row += f"{math.exp(sum(known) / len(known)) if known else math.nan:17.2f}x"
    print(row)


if __name__ == "__main__":
    sys.exit(main())
