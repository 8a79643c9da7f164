"""anonypy's Mondrian of a CSV file: a row a class, with its number of persons as `count`.

Runs in an environment of its own. Arguments: data, output, folder of hierarchies (it takes none), k, suppression
limit (it suppresses nothing). A sensitive column is required: a constant one is given.
"""

import sys

import pandas as pd
from anonypy import Preserver

data, out, _, k, _ = sys.argv[1:]
frame = pd.read_csv(data, sep=";")
columns = list(frame.columns)
for name in columns:
    if frame[name].dtype == object:
        frame[name] = frame[name].astype("category")
frame["constant"] = pd.Categorical(["-"] * len(frame))
done = pd.DataFrame(Preserver(frame, columns, "constant").anonymize_k_anonymity(int(k)))
done[[*columns, "count"]].map(lambda value: value[0] if isinstance(value, list) else value).to_csv(
    out, sep=";", index=False
)
