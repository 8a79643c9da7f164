"""pyCANON's figures of a CSV file, as JSON. Runs in an environment of its own.

Arguments: data, output, sensitive column; the other columns are the quasi-identifiers. Recursive (c, l)-diversity is
left out: pyCANON sorts the counts the other way round than its definition does.
"""

import json
import sys
from pathlib import Path

import pandas as pd
from pycanon import anonymity

data, out, sensitive = sys.argv[1:]
frame = pd.read_csv(data, sep=";", dtype=str)
asked = frame, [name for name in frame.columns if name != sensitive], [sensitive]
figures = {
    "k": anonymity.k_anonymity(*asked[:2]),
    "alpha": anonymity.alpha_k_anonymity(*asked)[0],
    "distinct_l": anonymity.l_diversity(*asked),
    "entropy_l": anonymity.entropy_l_diversity(*asked),
    "t": anonymity.t_closeness(*asked),
    "basic_beta": anonymity.basic_beta_likeness(*asked),
    "enhanced_beta": anonymity.enhanced_beta_likeness(*asked),
    "delta": anonymity.delta_disclosure(*asked),
}
Path(out).write_text(json.dumps({name: float(value) for name, value in figures.items()}), encoding="utf-8")
