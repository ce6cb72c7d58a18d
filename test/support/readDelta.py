"""Reads a Delta table with delta-rs and prints the result as JSON, for the tests that compare our
tables with a foreign reader.

    readDelta.py read TABLE [--version N] [--where COLUMN OPERATOR VALUE]
    readDelta.py append TABLE COLUMN_NAME VALUE...     appends rows with one BIGINT column set
"""

import argparse
import json
import os
import sys

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from plainValues import plain

def read(arguments):
    table = DeltaTable(arguments.table, version=arguments.version)
    dataset = table.to_pyarrow_dataset()
    condition = None
    if arguments.where:
        column, operator, text = arguments.where
        field = dataset.schema.field(column)
        value = pa.scalar(text).cast(field.type)
        left = pc.field(column)
        condition = {"=": left == value, "<": left < value, ">": left > value}[operator]
    rows = dataset.to_table(filter=condition).to_pylist()
    files = len(list(dataset.get_fragments(filter=condition)))
    protocol = table.protocol()
    print(
        json.dumps(
            {
                "version": table.version(),
                "reader": protocol.min_reader_version,
                "writer": protocol.min_writer_version,
                "files": files,
                "types": {field.name: str(field.type) for field in dataset.schema},
                "rows": [plain(row) for row in rows],
            }
        )
    )


def append(arguments):
    schema = DeltaTable(arguments.table).to_pyarrow_dataset().schema
    values = [int(value) for value in arguments.values]
    columns = [
        pa.array(values, field.type) if field.name == arguments.column else pa.nulls(len(values), field.type)
        for field in schema
    ]
    write_deltalake(arguments.table, pa.table(columns, schema=schema), mode="append")
    print(json.dumps({"version": DeltaTable(arguments.table).version()}))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    reading = commands.add_parser("read")
    reading.add_argument("table")
    reading.add_argument("--version", type=int)
    reading.add_argument("--where", nargs=3)
    reading.set_defaults(run=read)
    appending = commands.add_parser("append")
    appending.add_argument("table")
    appending.add_argument("column")
    appending.add_argument("values", nargs="+")
    appending.set_defaults(run=append)
    arguments = parser.parse_args()
    arguments.run(arguments)
    # The thread pools of the two libraries sometimes abort while the interpreter shuts down; the
    # output is complete by now.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
