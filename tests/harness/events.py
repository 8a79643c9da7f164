"""Events as tables hold them: rows of a test, in a source's schema, given to an engine."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from anonymization.deidentify.events import event_schema


def registered(engine, policies, source, rows, columns, **equal):
    """Give an engine rows of a source with some of its columns, others null or equal in all; return the relation."""
    schema = event_schema(policies.sources[source], linked=source == "links")
    frame = pd.DataFrame(rows, columns=columns).assign(**equal).reindex(columns=schema.names)
    arrays = [pa.array([None if pd.isna(v) else v for v in frame[f.name]], f.type) for f in schema]
    engine.register(f"given_{source}", pa.table(arrays, schema=schema))
    return f"given_{source}"
