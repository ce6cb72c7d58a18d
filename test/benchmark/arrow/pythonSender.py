"""The official Python SDK as a client of `bench:arrow`: the rows of `rows.ts` as Arrow batches.

Arguments: server endpoint, workspace URL, client id, client secret, rows of a batch, compression (none or zstd). Answers
each line of its input, an order, with the seconds and the processor time that the rows took.
"""
import json
import sys
import time

import pyarrow as pa
from zerobus.sdk.shared.arrow import ArrowStreamConfigurationOptions, IPCCompression
from zerobus.sdk.sync import ZerobusSdk

endpoint, workspace, client_id, secret, size, compression = sys.argv[1:7]
rows = int(size)
kinds = [
    (pa.large_utf8(), lambda n: f"value-{n}-of-a-text"),
    (pa.int32(), lambda n: n * 7919 % 1_000_000),
    (pa.float64(), lambda n: n / 7),
    (pa.bool_(), lambda n: n % 3 == 0),
    (pa.int64(), lambda n: n * 1_000_003),
]
columns = [(f"column_{at}", *kinds[at % 5], at * 31) for at in range(20)]
schema = pa.schema([pa.field(name, kind) for name, kind, _, _ in columns])


def batch(first):
    arrays = [pa.array([make(n + add) for n in range(first, first + rows)], kind) for _, kind, make, add in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


codec = {"none": IPCCompression.NONE, "zstd": IPCCompression.ZSTD}[compression]
print("{}", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    batches = [batch(first) for first in range(order["first"], order["first"] + order["rows"], rows)]
    stream = ZerobusSdk(endpoint, workspace).create_arrow_stream(
        "main.default.columns", schema, client_id, secret, ArrowStreamConfigurationOptions(ipc_compression=codec)
    )
    began, cpu = time.perf_counter(), time.process_time()
    for one in batches:
        stream.ingest_batch(one)
    stream.flush()
    report = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    stream.close()
    print(json.dumps(report), flush=True)
