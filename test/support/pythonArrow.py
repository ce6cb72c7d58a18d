"""Ingests Arrow batches with the unchanged official Python SDK, and prints the result as a line of
JSON.

Arguments: server endpoint, workspace URL, client id, client secret, table, columns (narrow or
every), count, rows of a batch, compression (none, lz4 or zstd), seconds between two batches. Row n
is computed from n, as in `everyArrowColumn.ts`. With `every`, each seventh row is NULL in all
columns except the id.
"""
import json
import sys
import time

import pyarrow as pa
from zerobus.sdk.shared.arrow import ArrowStreamConfigurationOptions, IPCCompression
from zerobus.sdk.sync import ZerobusSdk

endpoint, workspace, client_id, secret, table, columns, count, size, compression, pause = sys.argv[1:11]
total, rows = int(count), int(size)

narrow = {"id": (pa.int64(), lambda n: n), "item": (pa.large_utf8(), lambda n: f"item-{n}")}

# VARIANT of the JSON value {"n": n}: one name, an object of one field, and an INT32.
variant = pa.struct([pa.field("metadata", pa.large_binary(), False), pa.field("value", pa.large_binary(), False)])


def variant_of(n):
    return {"metadata": b"\x11\x01\x00\x01n", "value": b"\x02\x01\x00\x00\x05\x14" + n.to_bytes(4, "little")}


place = pa.struct([("lat", pa.float64()), ("name", pa.large_utf8())])
every = {
    "id": (pa.int64(), lambda n: n),
    "c_boolean": (pa.bool_(), lambda n: n % 2 == 0),
    "c_tinyint": (pa.int8(), lambda n: n % 256 - 128),
    "c_smallint": (pa.int16(), lambda n: n % 65536 - 32768),
    "c_int": (pa.int32(), lambda n: n * 7 - 2**31),
    "c_bigint": (pa.int64(), lambda n: n * 10**12 - 2**63),
    "c_float": (pa.float32(), lambda n: n / 4),
    "c_double": (pa.float64(), lambda n: -n / 3),
    "c_string": (pa.large_utf8(), lambda n: "é" * (n % 5) + str(n)),
    "c_binary": (pa.large_binary(), lambda n: n.to_bytes(3, "big") * (n % 3)),
    "c_date": (pa.date32(), lambda n: n - 700_000),
    "c_timestamp": (pa.timestamp("us", "UTC"), lambda n: n * 1_000_003),
    "c_timestamp_ntz": (pa.timestamp("us"), lambda n: -n * 1_000_003),
    "c_decimal": (pa.large_utf8(), lambda n: f"-{n}.{n % 100:02}"),
    "c_variant": (variant, variant_of),
    "c_array": (pa.list_(pa.int32()), lambda n: [n if i != 1 else None for i in range(n % 4)]),
    "c_struct": (place, lambda n: {"lat": n / 2, "name": None if n % 2 else f"place {n}"}),
    "c_map": (pa.map_(pa.large_utf8(), pa.int64()), lambda n: [(f"k{i}", n + i) for i in range(n % 3)]),
    "c_structs": (pa.list_(place), lambda n: [{"lat": float(i), "name": f"{n}.{i}"} for i in range(n % 3)]),
}

shape = narrow if columns == "narrow" else every
schema = pa.schema([pa.field(name, kind, name != "id") for name, (kind, _) in shape.items()])


def cell(name, make, n):
    return None if columns == "every" and name != "id" and n % 7 == 3 else make(n)


def batch(start, end):
    arrays = [pa.array([cell(name, make, n) for n in range(start, end)], kind) for name, (kind, make) in shape.items()]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


codec = {"none": IPCCompression.NONE, "lz4": IPCCompression.LZ4_FRAME, "zstd": IPCCompression.ZSTD}[compression]
options = ArrowStreamConfigurationOptions(
    ipc_compression=codec, recovery_backoff_ms=200, recovery_retries=100, recovery_timeout_ms=5000
)
stream = ZerobusSdk(endpoint, workspace).create_arrow_stream(table, schema, client_id, secret, options)
last = -1
for start in range(0, total, rows):
    last = stream.ingest_batch(batch(start, min(start + rows, total)))
    time.sleep(float(pause))
stream.flush()
stream.close()
print(json.dumps({"last": last}))
