/**
 * The table from a failed call to an error of the client, for all codes.
 */
import { assert, describe, it } from "@effect/vitest"
import { classify, statusName } from "../../../src/internal/grpc/grpcStatus.ts"
import { TransportFailure } from "../../../src/Transport.ts"

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
  const length =
    bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
  return Buffer.concat([Uint8Array.of((number << 3) | 2, ...length), bytes])
}
const schemaDetails = (
  domain: string | undefined,
  reason = "SCHEMA_VALIDATION_FAILED",
  type = "google.rpc.ErrorInfo"
) => {
  const entry = (key: string, value: string) =>
    field(3, Buffer.concat([field(1, key), field(2, value)]))
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
    const refused = classify(
      TransportFailure.TlsRefused({ message: "expired", code: "CERT_HAS_EXPIRED" }),
      "a.b.c"
    )
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
    const error = status(
      13,
      "failed with Bearer abc.def-ghi\nand eyJhbGciOi.eyJzdWIi.c2ln\r\u0007 done"
    )
    for (const secret of ["abc.def-ghi", "eyJhbGciOi", "\n", "\r", "\u0007"])
      assert.notInclude(error.message, secret)
    assert.include(error.message, "done")
  })
})

describe("the words of an error", () => {
  it("name the table, the status and what the server said, if anything", () => {
    const of = (code: number, message: string) => status(code, message).message
    assert.strictEqual(
      of(16, "no"),
      "The credentials were refused for a.b.c. The server returned UNAUTHENTICATED: no."
    )
    assert.strictEqual(
      of(16, ""),
      "The credentials were refused for a.b.c. The server returned UNAUTHENTICATED."
    )
    assert.strictEqual(
      of(7, "no"),
      "The service principal may not write to a.b.c: it needs USE CATALOG, USE SCHEMA, SELECT " +
        "and MODIFY. The server returned PERMISSION_DENIED: no."
    )
    assert.strictEqual(of(5, "no"), "There is no table a.b.c. The server returned NOT_FOUND: no.")
    assert.strictEqual(
      of(12, "no"),
      "The server does not support this. The server returned UNIMPLEMENTED: no."
    )
    assert.strictEqual(
      of(3, "no"),
      "The stream to a.b.c was refused. The server returned INVALID_ARGUMENT: no."
    )
    assert.strictEqual(
      of(14, "no"),
      "The server is unavailable. The server returned UNAVAILABLE: no."
    )
    // Texts that end like a sentence stay as they are.
    for (const words of ["Error State: 1.", "why?", "no!"]) {
      for (const code of [3, 5, 7, 12, 14, 16])
        assert.isTrue(of(code, words).endsWith(`: ${words}`), of(code, words))
    }
    const refused = status(9, "no")
    assert.deepStrictEqual(refused._tag === "InvalidArgument" && refused.path, [])
    const missing = status(5, "no")
    assert.strictEqual(missing._tag === "InvalidTable" && missing.tableName, "a.b.c")
    const busy = status(8, "no")
    assert.deepStrictEqual(
      busy._tag === "Retryable" &&
        busy.reason._tag === "ServerUnavailable" && [busy.reason.status, busy.attempts],
      ["RESOURCE_EXHAUSTED", 1]
    )
  })

  it(
    "say of a connection why it was lost or refused, and what to do about a certificate, " +
      "without a token",
    () => {
      const lost = classify(
        TransportFailure.Disconnected({ message: "read ECONNRESET Bearer canary" }),
        "a.b.c"
      )
      assert.strictEqual(
        lost.message,
        "The connection to the Zerobus server was lost: read ECONNRESET Bearer <redacted>."
      )
      const refused = classify(
        TransportFailure.TlsRefused({ message: "expired Bearer canary", code: "CERT_HAS_EXPIRED" }),
        "a.b.c"
      )
      assert.strictEqual(
        refused.message,
        "The TLS handshake was refused (CERT_HAS_EXPIRED): expired Bearer <redacted>. " +
          "Check the URL's host name and the certificate, or give the issuing authority with the " +
          "setting tls.ca or the variable NODE_EXTRA_CA_CERTS."
      )
      assert.strictEqual(refused._tag === "TlsFailure" && refused.code, "CERT_HAS_EXPIRED")
    }
  )
})

describe("a schema error", () => {
  const entry = (key: string, value: string) =>
    field(3, Buffer.concat([field(1, key), field(2, value)]))
  const withInfo = (info: Uint8Array, before: Uint8Array = new Uint8Array()) =>
    field(
      3,
      Buffer.concat([before, field(1, "type.googleapis.com/google.rpc.ErrorInfo"), field(2, info)])
    )
  const reason = field(1, "SCHEMA_VALIDATION_FAILED")
  const schema = (details: Uint8Array) => {
    const error = status(3, "bad", details)
    return error._tag === "SchemaMismatch" ? error : assert.fail(`it is ${error._tag}`)
  }

  it("names its causes, or says that there are none", () => {
    const named = schema(withInfo(Buffer.concat([reason, entry("causes", "ONE, TWO ,, ")])))
    assert.deepStrictEqual(named.causes, ["ONE", "TWO"])
    assert.strictEqual(
      named.message,
      "The records' schema does not fit a.b.c (ONE, TWO). " +
        "The server returned INVALID_ARGUMENT: bad."
    )
    for (const none of [reason, Buffer.concat([reason, entry("causes", "")])]) {
      const error = schema(withInfo(none))
      assert.deepStrictEqual([error.causes, error.errorCode], [[], undefined])
      assert.strictEqual(
        error.message,
        "The table a.b.c takes no records of this stream. " +
          "The server returned INVALID_ARGUMENT: bad."
      )
    }
  })

  it("has an error code of letters, digits, dots and dashes, up to 64 of them, or none", () => {
    const codeOf = (text: string) =>
      schema(withInfo(Buffer.concat([reason, entry("error_code", text)]))).errorCode
    for (const text of ["8001", "A.b_c-1", "x".repeat(64)]) assert.strictEqual(codeOf(text), text)
    for (const text of ["", "8001 and more", "more: 8001", "x".repeat(65)])
      assert.isUndefined(codeOf(text), text)
  })

  it("is found behind other details, and behind other fields of the same numbers", () => {
    const other = field(3, field(1, "type.googleapis.com/google.rpc.RetryInfo"))
    const empty = field(3, field(1, "type.googleapis.com/google.rpc.ErrorInfo"))
    const error = schema(
      Buffer.concat([
        Uint8Array.of(0x18, 5),
        other,
        empty,
        withInfo(reason, Uint8Array.of(0x08, 1))
      ])
    )
    assert.deepStrictEqual(error.causes, [])
  })

  it("does not hide a defect", () => {
    const broken = new Proxy(Uint8Array.of(8, 1), {
      get: (target, key) => {
        if (key === "0") throw new RangeError("a defect")
        return Reflect.get(target, key, target) as unknown
      }
    })
    assert.throws(() => status(3, "bad", broken), RangeError)
  })
})
