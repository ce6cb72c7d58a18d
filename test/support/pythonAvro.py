"""Ingests Avro records with the unchanged official Python SDK, and prints the result as a line of
JSON.

Arguments: server endpoint, workspace URL, client id, client secret, table, mode (single or batch),
count, seconds between two calls of 500 records. Row n is computed from n, as in
`everyArrowColumn.ts`. Each seventh row is NULL in all columns except the id. The SDK encodes values
with fastavro; every second record is passed as bytes.
"""
import datetime
import io
import json
import sys
import time
from decimal import Decimal

import fastavro
from zerobus.sdk.shared import RecordType, StreamConfigurationOptions, TableProperties
from zerobus.sdk.sync import ZerobusSdk

endpoint, workspace, client_id, secret, table, mode, count, pause = sys.argv[1:9]
total, size = int(count), 500

epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
first_day = datetime.date(1970, 1, 1)


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name, **more}


place = {"type": "record", "name": "place", "fields": [{"name": "lat", "type": "double"}, {"name": "name", "type": ["null", "string"]}]}
every = {
    "c_boolean": ("boolean", lambda n: n % 2 == 0),
    "c_tinyint": ("int", lambda n: n % 256 - 128),
    "c_smallint": ("int", lambda n: n % 65536 - 32768),
    "c_int": ("int", lambda n: n * 7 - 2**31),
    "c_bigint": ("long", lambda n: n * 10**12 - 2**63),
    "c_float": ("float", lambda n: n / 4),
    "c_double": ("double", lambda n: -n / 3),
    "c_string": ("string", lambda n: "é" * (n % 5) + str(n)),
    "c_binary": ("bytes", lambda n: n.to_bytes(3, "big") * (n % 3)),
    "c_date": (logical("int", "date"), lambda n: first_day + datetime.timedelta(days=n - 700_000)),
    "c_timestamp": (logical("long", "timestamp-micros"), lambda n: epoch + datetime.timedelta(microseconds=n * 1_000_003)),
    "c_timestamp_ntz": (logical("long", "local-timestamp-micros"), lambda n: -n * 1_000_003),
    "c_decimal": (logical("bytes", "decimal", precision=10, scale=2), lambda n: Decimal(f"-{n}.{n % 100:02}")),
    "c_variant": ("string", lambda n: f'{{"n":{n}}}'),
    "c_array": ({"type": "array", "items": ["null", "int"]}, lambda n: [n if i != 1 else None for i in range(n % 4)]),
    "c_struct": (place, lambda n: {"lat": n / 2, "name": None if n % 2 else f"place {n}"}),
    "c_map": ({"type": "map", "values": "long"}, lambda n: {f"k{i}": n + i for i in range(n % 3)}),
    "c_structs": ({"type": "array", "items": "place"}, lambda n: [{"lat": float(i), "name": f"{n}.{i}"} for i in range(n % 3)]),
}
fields = [{"name": name, "type": ["null", kind]} for name, (kind, _) in every.items()]
schema = {"type": "record", "name": "row", "fields": [{"name": "id", "type": "long"}, *fields]}
parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))


def record(n):
    row = {"id": n, **{name: None if n % 7 == 3 else make(n) for name, (_, make) in every.items()}}
    if n % 2 == 0:
        return row
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, row)
    return out.getvalue()


properties = TableProperties(table, avro_schema=json.dumps(schema))
options = StreamConfigurationOptions(
    record_type=RecordType.AVRO, recovery_backoff_ms=200, recovery_retries=100, recovery_timeout_ms=5000
)
stream = ZerobusSdk(endpoint, workspace).create_stream(client_id, secret, properties, options)
last = -1
for start in range(0, total, size):
    records = [record(n) for n in range(start, min(start + size, total))]
    if mode == "batch":
        last = stream.ingest_records_offset(records)
    else:
        for one in records:
            last = stream.ingest_record_offset(one)
    time.sleep(float(pause))
stream.flush()
stream.close()
print(json.dumps({"last": last}))
