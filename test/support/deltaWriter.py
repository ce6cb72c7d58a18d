"""Changes and reads Delta tables with delta-rs: one JSON object per input line, one per output
line, until standard input ends.

    {"table": "...", "operation": "delete", "tag": "7", ...}
        ->   {"done": true}  or  {"error": "the error of delta-rs"}

Commits contain the tag, and the version that the operation has read, in their commitInfo.
"""

import json
import os
import sys

import deltalake
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, write_deltalake
from deltalake.schema import PrimitiveType
from plainValues import plain


def rows_of(table, rows):
    """The rows as an Arrow table with their columns, in the types of the Delta table."""
    schema = table.to_pyarrow_dataset().schema
    fields = [field for field in schema if field.name in rows[0]]
    return pa.table([pa.array([row[field.name] for row in rows], field.type) for field in fields], pa.schema(fields))


def whole_rows(table, rows):
    """The same, with NULL in columns that the rows lack."""
    schema = table.to_pyarrow_dataset().schema
    return pa.table([pa.array([row.get(field.name) for row in rows], field.type) for field in schema], schema)


def append(table, request, properties):
    write_deltalake(table, whole_rows(table, request["rows"]), mode="append", commit_properties=properties)


def overwrite(table, request, properties):
    rows = whole_rows(table, request["rows"])
    write_deltalake(table, rows, mode="overwrite", predicate=request.get("where"), commit_properties=properties)


def delete(table, request, properties):
    table.delete(request["where"], commit_properties=properties)


def update(table, request, properties):
    table.update(
        new_values={request["column"]: request["value"]}, predicate=request["where"], commit_properties=properties
    )


def merge(table, request, properties):
    source = rows_of(table, request["rows"])
    merging = table.merge(source, "t.id = s.id", source_alias="s", target_alias="t", commit_properties=properties)
    merging = merging.when_matched_update({"note": "s.note"})
    if request["insert"]:
        merging = merging.when_not_matched_insert({name: f"s.{name}" for name in source.column_names})
    merging.execute()


def optimize(table, request, properties):
    if request["columns"]:
        table.optimize.z_order(request["columns"], commit_properties=properties)
    else:
        table.optimize.compact(commit_properties=properties)


def vacuum(table, request, properties):
    table.vacuum(
        retention_hours=0,
        dry_run=False,
        enforce_retention_duration=False,
        full=request["full"],
        commit_properties=properties,
    )


def add_column(table, request, properties):
    table.alter.add_columns([Field(request["column"], PrimitiveType(request["type"]))], commit_properties=properties)


def set_properties(table, request, properties):
    table.alter.set_table_properties(request["properties"], commit_properties=properties)


def describe(table, request, properties):
    table.alter.set_table_description(request["text"], commit_properties=properties)


def add_constraint(table, request, properties):
    table.alter.add_constraint({request["name"]: request["check"]}, commit_properties=properties)


def drop_constraint(table, request, properties):
    table.alter.drop_constraint(request["name"], commit_properties=properties)


def checkpoint(table, request, properties):
    table.create_checkpoint()


def restore(table, request, properties):
    table.restore(table.version() - request["back"], commit_properties=properties)


OPERATIONS = {
    "append": append,
    "overwrite": overwrite,
    "delete": delete,
    "update": update,
    "merge": merge,
    "optimize": optimize,
    "vacuum": vacuum,
    "addColumn": add_column,
    "setProperties": set_properties,
    "describe": describe,
    "addConstraint": add_constraint,
    "dropConstraint": drop_constraint,
    "checkpoint": checkpoint,
    "restore": restore,
}


def answer(request):
    try:
        table = DeltaTable(request["table"])
        if request["operation"] == "read":
            return {"rows": [plain(row) for row in table.to_pyarrow_dataset().to_table().to_pylist()]}
        tag = {"tag": request["tag"], "seenVersion": str(table.version())}
        OPERATIONS[request["operation"]](table, request, CommitProperties(custom_metadata=tag))
        return {"done": True}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:2000]}


def main():
    print(json.dumps({"version": deltalake.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
    # The thread pools of the libraries sometimes abort while the interpreter shuts down.
    os._exit(0)


if __name__ == "__main__":
    main()
