"""Sends Arrow batches with the Flight client of the Arrow project (C++), and prints the last answer
of the server.

Arguments: server endpoint, bearer token, table, count, rows of a batch. The table is (id BIGINT NOT
NULL, item STRING); each third item is NULL. Batches are sent without waiting for the answer to the
schema.
"""
import json
import sys
import threading

import pyarrow as pa
import pyarrow.flight as flight

endpoint, token, table, count, size = sys.argv[1:6]
total, rows = int(count), int(size)
schema = pa.schema([pa.field("id", pa.int64(), False), ("item", pa.large_utf8())])
headers = [(b"authorization", b"Bearer " + token.encode()), (b"x-databricks-zerobus-table-name", table.encode())]

client = flight.connect(endpoint.replace("http://", "grpc://"))
options = flight.FlightCallOptions(headers=headers)
writer, reader = client.do_put(flight.FlightDescriptor.for_path("unused"), schema, options)
answers = []


def read():
    while (answer := reader.read()) is not None:
        answers.append(json.loads(answer.to_pybytes()))


reading = threading.Thread(target=read)
reading.start()
for offset, start in enumerate(range(0, total, rows)):
    ids = range(start, min(start + rows, total))
    items = [None if n % 3 == 0 else f"item-{n}" for n in ids]
    batch = pa.record_batch([pa.array(ids, pa.int64()), pa.array(items, pa.large_utf8())], schema=schema)
    writer.write_with_metadata(batch, json.dumps({"offset_id": offset}).encode())
writer.done_writing()
reading.join()
writer.close()
print(json.dumps({"first": answers[0], "last": answers[-1]}))
