"""An LM Studio stand-in over real sockets, with its known faults: for tests, benchmarks and people who write evals.

with MockServer(Scenario(rules=(Rule(fault="F05", every=3),))) as server:
    ask(server.endpoint)
server.stats().models["mock-model"].utilisation
"""

from plotbot.mock.faults import FAULTS
from plotbot.mock.scenario import Latency, ModelSpec, Rule, Scenario
from plotbot.mock.server import MockServer
from plotbot.mock.slots import ModelStats, Stats
from plotbot.mock.wire import SHAPES

__all__ = ["FAULTS", "SHAPES", "Latency", "MockServer", "ModelSpec", "ModelStats", "Rule", "Scenario", "Stats"]
