"""What a finished command took, as the benchmarks count it."""
import os
import subprocess
import time
import typing


class Measured(typing.NamedTuple):
    code: int      # exit status
    seconds: float
    peak_rss: int  # bytes
    output: str    # standard output and error


def measured(command):
    start = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    return Measured(os.waitstatus_to_exitcode(status), time.monotonic() - start, usage.ru_maxrss * 1024, output)
