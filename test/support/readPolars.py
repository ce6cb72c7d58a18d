"""Reads a Delta table with Polars (`scan_delta`) and prints its rows as JSON, in the form of `plainValues.py`.

    readPolars.py TABLE
"""

import json
import os
import sys

import polars as pl
from plainValues import plain


def seen(dtype, value):
    if value is None:
        return None
    if isinstance(dtype, pl.List):
        return [seen(dtype.inner, item) for item in value]
    if isinstance(dtype, pl.Map):
        return [[seen(dtype.key, key), seen(dtype.value, item)] for key, item in value.items()]
    if isinstance(dtype, pl.Struct):
        return {field.name: seen(field.dtype, value[field.name]) for field in dtype.fields}
    return plain(value)


frame = pl.scan_delta(sys.argv[1]).collect()
schema = frame.schema
rows = [{name: seen(schema[name], value) for name, value in row.items()} for row in frame.to_dicts()]
print(json.dumps({"rows": rows}))
sys.stdout.flush()
os._exit(0)
