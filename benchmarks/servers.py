"""Several mocks in one process: `python -m benchmarks.servers COUNT SLOTS LATENCY PORT`.

It prints their URLs as one line of JSON, serves until its standard input ends, and then prints the seconds of processor
time that serving has taken. PORT is for a single mock; 0 takes free ones.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack

from plotbot.mock import Latency, MockServer, ModelSpec, Scenario


def main() -> None:
    count, slots, seconds, port = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    scenario = Scenario(models=(ModelSpec("mock-model", parallel=slots),), latency=Latency(seconds))
    with ExitStack() as stack:
        servers = [stack.enter_context(MockServer(scenario, port=port, keep_requests=0)) for _ in range(count)]
        before = time.process_time()
        print(json.dumps([server.url for server in servers]), flush=True)
        sys.stdin.read()
        print(time.process_time() - before)


if __name__ == "__main__":
    main()
