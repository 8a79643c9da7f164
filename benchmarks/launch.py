"""Run a command and print, as JSON, what it cost. Standard library only, so that this process stays small.

Arguments: CPU seconds after which the command is ended, and the command. What it writes goes to standard error.
"""

import json
import os
import resource
import signal
import sys
import time

limit, *words = sys.argv[1:]
before = time.perf_counter()
child = os.fork()
if child == 0:
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 1))
    os.dup2(2, 1)
    try:
        os.execv(words[0], words)  # noqa: S606 - a command of our own
    finally:
        os._exit(127)
_, status, used = os.wait4(child, 0)
ended = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
told = {
    "wall": time.perf_counter() - before,
    "cpu": used.ru_utime + used.ru_stime,
    "peak": used.ru_maxrss * 1024,
    "ended": ended,
    "status": status,
}
sys.stdout.write(json.dumps(told))
