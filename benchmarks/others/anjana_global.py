"""anjana's full-domain recoding of a CSV file: rows of too small classes are dropped, at most a share of them.

Runs in an environment of its own. Arguments: data, output, folder of hierarchies, k, suppression limit.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from anjana.anonymity import k_anonymity

data, out, folder, k, limit = sys.argv[1:]
frame = pd.read_csv(data, sep=";", dtype=str)
hierarchies = {}
for name in frame.columns:
    with (Path(folder) / f"{name}.csv").open(encoding="utf-8") as file:
        levels = zip(*csv.reader(file, delimiter=";"), strict=True)
        hierarchies[name] = {level: np.array(labels, dtype=object) for level, labels in enumerate(levels)}
done = k_anonymity(frame, [], list(frame.columns), int(k), float(limit) * 100, hierarchies)
done[list(frame.columns)].to_csv(out, sep=";", index=False)
