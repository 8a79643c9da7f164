"""anonypyx on a CSV file: a row a class, with its number of persons as `count`.

Runs in an environment of its own. Arguments: data, output, folder of hierarchies (it takes none), k, suppression
limit (it suppresses nothing), and the algorithm, by default Mondrian.
"""

import sys

import pandas as pd
from anonypyx import Anonymiser

data, out, _, k, _, *algorithm = sys.argv[1:]
frame = pd.read_csv(data, sep=";")
columns = list(frame.columns)
for name in columns:
    if frame[name].dtype == object:
        frame[name] = frame[name].astype("category")
done = Anonymiser(
    frame,
    k=int(k),
    feature_columns=columns,
    generalisation_strategy="human-readable",
    algorithm=algorithm[0] if algorithm else "Mondrian",
).anonymise()
done[[*columns, "count"]].to_csv(out, sep=";", index=False)
