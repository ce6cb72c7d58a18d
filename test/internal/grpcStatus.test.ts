/**
 * The one table from a failed call to an error of the client, over all codes.
 */
import { assert, describe, it } from "@effect/vitest"
import { classify, statusName } from "../../src/internal/grpcStatus.ts"
import { TransportFailure } from "../../src/Transport.ts"

const table: ReadonlyArray<readonly [code: number, name: string, tag: string]> = [
  [0, "OK", "Retryable"],
  [1, "CANCELLED", "Retryable"],
  [2, "UNKNOWN", "Retryable"],
  [3, "INVALID_ARGUMENT", "InvalidArgument"],
  [4, "DEADLINE_EXCEEDED", "Retryable"],
  [5, "NOT_FOUND", "InvalidTable"],
  [6, "ALREADY_EXISTS", "Retryable"],
  [7, "PERMISSION_DENIED", "PermissionDenied"],
  [8, "RESOURCE_EXHAUSTED", "Retryable"],
  [9, "FAILED_PRECONDITION", "InvalidArgument"],
  [10, "ABORTED", "Retryable"],
  [11, "OUT_OF_RANGE", "InvalidArgument"],
  [12, "UNIMPLEMENTED", "Unsupported"],
  [13, "INTERNAL", "Retryable"],
  [14, "UNAVAILABLE", "Retryable"],
  [15, "DATA_LOSS", "Retryable"],
  [16, "UNAUTHENTICATED", "InvalidToken"],
  [17, "status 17", "Retryable"],
  [-1, "status -1", "Retryable"]
]

const status = (code: number, message = "the server's own words", details?: Uint8Array) =>
  classify(TransportFailure.Status({ code, message, details }), "a.b.c")

const field = (number: number, content: Uint8Array | string): Buffer => {
  const bytes = Buffer.from(content)
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
  return Buffer.concat([Uint8Array.of((number << 3) | 2, ...length), bytes])
}
const schemaDetails = (
  domain: string | undefined,
  reason = "SCHEMA_VALIDATION_FAILED",
  type = "google.rpc.ErrorInfo"
) => {
  const entry = (key: string, value: string) => field(3, Buffer.concat([field(1, key), field(2, value)]))
  const info = Buffer.concat([
    field(1, reason),
    ...(domain === undefined ? [] : [field(2, domain)]),
    entry("causes", "TYPE_INCOMPATIBLE, MISSING_REQUIRED_COLUMN"),
    entry("error_code", "8001")
  ])
  return Buffer.concat([
    Uint8Array.of(0x08, 3),
    field(3, Buffer.concat([field(1, `type.googleapis.com/${type}`), field(2, info)]))
  ])
}

describe("classify", () => {
  for (const [code, name, tag] of table) {
    it(`${name} is ${tag}`, () => {
      const error = status(code)
      assert.strictEqual(error._tag, tag)
      assert.strictEqual(error.isRetryable, tag === "Retryable")
      assert.strictEqual(statusName(code), name)
      assert.include(error.message, name)
      assert.include(error.message, "the server's own words")
    })
  }

  it("takes a lost connection as retryable and a refused handshake as final", () => {
    const lost = classify(TransportFailure.Disconnected({ message: "read ECONNRESET" }), "a.b.c")
    assert.strictEqual(lost._tag === "Retryable" && lost.reason._tag, "ConnectionLost")
    const unread = classify(TransportFailure.Unreadable({ message: "too large" }), "a.b.c")
    assert.strictEqual(unread._tag, "ProtocolViolation")
    assert.strictEqual(unread.message, "The server broke the protocol: too large.")
    const refused = classify(TransportFailure.TlsRefused({ message: "expired", code: "CERT_HAS_EXPIRED" }), "a.b.c")
    assert.deepStrictEqual([refused._tag, refused.isRetryable], ["TlsFailure", false])
  })

  it("reads the structured schema error under any status, and only the service's own", () => {
    for (const domain of ["zerobus.databricks.com", "", undefined]) {
      const error = status(9, "bad", schemaDetails(domain))
      assert.strictEqual(error._tag, "SchemaMismatch")
      if (error._tag !== "SchemaMismatch") return
      assert.deepStrictEqual(error.causes, ["TYPE_INCOMPATIBLE", "MISSING_REQUIRED_COLUMN"])
      assert.strictEqual(error.errorCode, "8001")
    }
    for (const other of [
      schemaDetails("other.example.com"),
      schemaDetails("", "QUOTA"),
      schemaDetails("", undefined, "google.rpc.RetryInfo"),
      Uint8Array.of(0xff, 0xff),
      new Uint8Array()
    ]) {
      assert.strictEqual(status(3, "bad", other)._tag, "InvalidArgument")
    }
  })

  it("keeps credentials and control characters of the server's text out of the error", () => {
    const error = status(13, "failed with Bearer abc.def-ghi\nand eyJhbGciOi.eyJzdWIi.c2ln\r\u0007 done")
    for (const secret of ["abc.def-ghi", "eyJhbGciOi", "\n", "\r", "\u0007"]) assert.notInclude(error.message, secret)
    assert.include(error.message, "done")
  })
})
