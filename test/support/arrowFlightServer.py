"""A Flight server on pyarrow that accepts batches by DoPut like the service.

Prints a line of JSON when it is ready, and answers each line of standard input with one:
  {"report": true}  what each connection received, and the values that are durable
Batches arrive as pyarrow decodes them. Every `ack_every` batches it acknowledges the rows so far.
`cut_after` rows are durable when the first connection ends with an error, some batches later.
"""

import json
import sys
import threading

import pyarrow as pa
import pyarrow.flight as flight

settings = json.loads(sys.argv[1])


class HeaderNotes(flight.ServerMiddlewareFactory):
    """Records the headers of each call."""

    def start_call(self, info, headers):
        seen = {name.lower(): values for name, values in headers.items()}
        return Headers(seen)


class Headers(flight.ServerMiddleware):
    def __init__(self, headers):
        self.headers = headers


class Server(flight.FlightServerBase):
    def __init__(self):
        super().__init__("grpc://127.0.0.1:0", middleware={"headers": HeaderNotes()})
        self.connections = []
        self.durable = []
        self.lock = threading.Lock()

    def do_put(self, context, descriptor, reader, writer):
        headers = context.get_middleware("headers").headers
        connection = {
            "table": headers.get("x-databricks-zerobus-table-name", [None])[0],
            "authorized": headers.get("authorization", [""])[0].startswith("Bearer "),
            "schema": [f"{field.name}: {field.type}" for field in reader.schema],
            "offsets": [],
            "rows": 0,
        }
        with self.lock:
            first = len(self.connections) == 0
            self.connections.append(connection)
        answer(writer, -1, 0)
        while True:
            try:
                chunk = reader.read_chunk()
            except StopIteration:
                break
            offset = json.loads(chunk.app_metadata.to_pybytes())["offset_id"]
            connection["offsets"].append(offset)
            batch = chunk.data
            batch.validate(full=True)
            cut = settings.get("cut_after")
            if first and cut is not None and connection["rows"] + batch.num_rows > cut:
                part = batch.slice(0, cut - connection["rows"])
                self.keep(part)
                answer(writer, offset, cut)
                # Makes sure that the acknowledgement has been sent before the error.
                for _ in range(3):
                    reader.read_chunk()
                raise flight.FlightUnavailableError("cut by script")
            self.keep(batch)
            connection["rows"] += batch.num_rows
            if len(connection["offsets"]) % settings.get("ack_every", 1) == 0:
                answer(writer, offset, connection["rows"])
        answer(writer, len(connection["offsets"]) - 1, connection["rows"])

    def keep(self, batch):
        with self.lock:
            self.durable.append(batch)

    def report(self):
        with self.lock:
            table = pa.Table.from_batches(self.durable)
            columns = {name: table.column(name) for name in table.column_names}
            number = columns[settings["number"]]
            return {
                "connections": self.connections,
                "rows": table.num_rows,
                "distinct": len(number.unique()),
                "sum": str(sum(value.as_py() for value in number)),
                "sample": {
                    name: [str(column[index].as_py()) for index in (0, table.num_rows - 1)]
                    for name, column in columns.items()
                },
                "nulls": {name: column.null_count for name, column in columns.items()},
            }


def answer(writer, offset, rows):
    text = json.dumps({"ack_up_to_offset": offset, "ack_up_to_records": rows})
    writer.write(pa.py_buffer(text.encode()))


server = Server()
print(json.dumps({"port": server.port, "version": pa.__version__}), flush=True)
for line in sys.stdin:
    print(json.dumps(server.report()), flush=True)
