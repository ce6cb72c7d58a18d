/** TLS on both ports, with a generated authority. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Redacted } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { X509Certificate } from "node:crypto"
import * as Tls from "node:tls"
import { makeCertificates } from "../../src/local/endpoints/certificates.ts"

const table = TableProperties.json("main.default.orders")
const ingest = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  yield* local.createTable("main.default.orders(id BIGINT)")
  yield* Zerobus.use((zerobus) =>
    zerobus.withStream(table, (stream) => stream.ingestRecord({ id: 1 }))
  )
  assert.deepStrictEqual(yield* local.records(table), [{ id: 1n }])
})

describe("a made certificate", () => {
  it("is signed by its authority, for the hosts it names, and for nothing else", () => {
    const now = Date.UTC(2026, 10, 22)
    const { ca, cert } = makeCertificates(
      ["localhost", "127.0.0.1", "::1", "fe80::1:2", "db.example"],
      now
    )
    const authority = new X509Certificate(ca)
    const server = new X509Certificate(cert)
    assert.isTrue(authority.ca)
    assert.isTrue(authority.verify(authority.publicKey))
    assert.isFalse(server.ca)
    assert.isTrue(server.checkIssued(authority))
    assert.isTrue(server.verify(authority.publicKey))
    for (const host of ["localhost", "db.example"]) assert.strictEqual(server.checkHost(host), host)
    for (const address of ["127.0.0.1", "::1", "fe80::1:2"])
      assert.strictEqual(server.checkIP(address), address)
    assert.isUndefined(server.checkHost("evil.example"))
    assert.isUndefined(server.checkIP("10.0.0.1"))
    assert.strictEqual(Date.parse(server.validTo), now + 365 * 86_400_000)
    const other = makeCertificates(["localhost"], now)
    assert.isFalse(server.verify(new X509Certificate(other.ca).publicKey))
  })
})

describe("a server with TLS", () => {
  it.live("is trusted by its own client", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      assert.match(local.serverEndpoint, /^https:/)
      assert.match(local.workspaceUrl, /^https:/)
      yield* ingest
    }).pipe(Effect.provide(ZerobusLocal.layerMemoryWith({ tls: true })))
  )

  it.live("is refused by a client that does not know the authority", () =>
    Effect.gen(function* () {
      const { clientId, clientSecret, serverEndpoint, workspaceUrl } = yield* ZerobusLocal
      const error = yield* Zerobus.use((zerobus) =>
        Effect.scoped(zerobus.createStream(table))
      ).pipe(
        Effect.provide(
          Zerobus.layer({ serverEndpoint, workspaceUrl, clientId, clientSecret, proxy: false })
        ),
        Effect.flip
      )
      assert.strictEqual(error._tag, "TlsFailure")
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory({ tls: true })))
  )

  it.live("speaks TLS 1.2 and above only", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      for (const url of [local.serverEndpoint, local.workspaceUrl]) {
        const outcome = yield* Effect.callback<string>((resume) => {
          const { port } = new URL(url)
          const socket = Tls.connect(
            {
              host: "127.0.0.1",
              port: Number(port),
              ca: local.tls!.ca,
              minVersion: "TLSv1",
              maxVersion: "TLSv1.1",
              ciphers: "DEFAULT@SECLEVEL=0"
            },
            () => resume(Effect.succeed("connected"))
          )
          socket.on("error", () => resume(Effect.succeed("refused")))
          return Effect.sync(() => socket.destroy())
        })
        assert.strictEqual(outcome, "refused", url)
      }
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory({ tls: true })))
  )

  it.live("keeps its authority in the data folder, the key readable by its owner only", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-tls-" })
      const first = yield* Effect.gen(function* () {
        yield* ingest
        return (yield* ZerobusLocal).tls!
      }).pipe(Effect.provide(ZerobusLocal.layer({ dataDir, tls: true })))
      assert.strictEqual(yield* files.readFileString(first.caPath!), first.ca)
      assert.strictEqual((yield* files.stat(`${dataDir}/.tls/key.pem`)).mode & 0o077, 0)
      const second = yield* Effect.map(ZerobusLocal, ({ tls }) => tls!).pipe(
        Effect.provide(ZerobusLocal.layerServer({ dataDir, tls: true }))
      )
      assert.strictEqual(second.ca, first.ca)
      yield* files.writeFileString(`${dataDir}/.tls/cert.pem`, "damaged")
      const third = yield* Effect.map(ZerobusLocal, ({ tls }) => tls!).pipe(
        Effect.provide(ZerobusLocal.layerServer({ dataDir, tls: true }))
      )
      assert.notStrictEqual(third.ca, first.ca)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("takes a key and certificate of one's own", () =>
    Effect.gen(function* () {
      const made = makeCertificates(["127.0.0.1"], Date.now())
      const tls = { key: Redacted.make(Redacted.value(made.key)), cert: made.cert, ca: made.ca }
      yield* ingest.pipe(Effect.provide(ZerobusLocal.layerMemoryWith({ tls })))
    })
  )
})
