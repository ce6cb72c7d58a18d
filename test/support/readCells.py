"""Reads a whole Delta table with a foreign reader and prints the reader's version and the rows as
JSON, in the form of `plainValues.py`.

    readCells.py delta-rs|Polars|chdb TABLE
"""

import json
import os
import sys

from deltalake import DeltaTable
from plainValues import plain


def delta_rs(table):
    import deltalake

    rows = DeltaTable(table).to_pyarrow_dataset().to_table().to_pylist()
    return deltalake.__version__, [plain(row) for row in rows]


def polars(table):
    import polars as pl

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

    frame = pl.scan_delta(table).collect()
    rows = [{name: seen(frame.schema[name], value) for name, value in row.items()} for row in frame.to_dicts()]
    return pl.__version__, rows


def chdb(table):
    import chdb as engine

    # ClickHouse has one type for text and bytes and returns bytes; the schema tells them apart.
    schema = DeltaTable(table).to_pyarrow_dataset().schema
    # The engine reads only files below its working directory.
    os.chdir("/")
    sql = f"SELECT * FROM deltaLakeLocal('{table}') SETTINGS output_format_arrow_string_as_string = 0"
    rows = engine.query(sql, "ArrowTable").cast(schema).to_pylist()
    return engine.__version__, [plain(row) for row in rows]


version, rows = {"delta-rs": delta_rs, "Polars": polars, "chdb": chdb}[sys.argv[1]](os.path.abspath(sys.argv[2]))
print(json.dumps({"version": version, "rows": rows}))
# The libraries' thread pools sometimes abort while the interpreter shuts down; the output is
# complete by now.
sys.stdout.flush()
os._exit(0)
