"""Ingests records with the unchanged official Python SDK, and prints the result as a line of JSON.

Arguments: server endpoint, workspace URL, client id, client secret, table, format (json or proto),
mode (single or batch), count, descriptor in base64 (for proto). Instead of the secret, `@` and a
path means federation: the SDK reads the identity provider's token from that file, and an empty
client id means account-level federation. Without the SDK it ends with an ImportError.
"""
import base64
import json
import sys

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from zerobus.sdk.shared import RecordType, StreamConfigurationOptions, TableProperties
from zerobus.sdk.sync import ZerobusSdk


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def proto(n: int) -> bytes:
    item = f"item-{n}".encode()
    return b"\x08" + varint(n) + b"\x12" + varint(len(item)) + item


def text(n: int) -> str:
    return json.dumps({"id": n, "item": f"item-{n}"})


endpoint, workspace, client_id, secret, table, form, mode, count = sys.argv[1:9]
total = int(count)
record = proto if form == "proto" else text
if form == "proto":
    # The SDK expects the descriptor of a file and uses its first message.
    file = FileDescriptorProto(name="orders.proto", syntax="proto2")
    file.message_type.add().ParseFromString(base64.b64decode(sys.argv[9]))
    properties = TableProperties(table, file.SerializeToString())
    options = StreamConfigurationOptions(record_type=RecordType.PROTO, recovery_backoff_ms=50)
else:
    properties = TableProperties(table)
    options = StreamConfigurationOptions(record_type=RecordType.JSON, recovery_backoff_ms=50)

calls = 0


def subject_token() -> str:
    global calls
    calls += 1
    with open(secret[1:], encoding="utf8") as file:
        return file.read().strip()


sdk = ZerobusSdk(endpoint, workspace)
if secret.startswith("@"):
    from zerobus.sdk.shared import FederatedToken

    auth = FederatedToken(subject_token, client_id) if client_id else FederatedToken(subject_token)
    stream = sdk.create_stream(table_properties=properties, options=options, auth=auth)
else:
    stream = sdk.create_stream(client_id, secret, properties, options)
last = -1
if mode == "single":
    for n in range(total):
        last = stream.ingest_record_offset(record(n))
else:
    for start in range(0, total, 500):
        last = stream.ingest_records_offset([record(n) for n in range(start, min(start + 500, total))])
stream.wait_for_offset(last)
stream.flush()
stream.close()
print(json.dumps({"last": last, "subject_tokens": calls}))
