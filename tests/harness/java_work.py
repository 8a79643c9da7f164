"""A little of what Noren lets Spark do, for the classes that it loads: logs, taken in."""

from __future__ import annotations

import sys
from pathlib import Path

from anonymization.home import Home
from anonymization.policy.load import load_policies
from jobs.synthetic.month import generate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake

EVENTS, SEED = 1_000, 1
SOURCES = ("clicks", "subscribers")
"""One of JSON, one of texts; the latest file of each."""

home = Home(Path(sys.argv[1]))
initialize(home)
generate(home, EVENTS, SEED)
policies = load_policies(Path(__file__).parents[2] / "policies")
files = [one for source in SOURCES for one in arrivals(home, policies, source)[-1:]]
run_intake(home, policies, files, optouts=(), engine="spark", master="local[1]")
