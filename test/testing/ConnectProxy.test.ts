/**
 * The proxy for tests: tunnels are opened, counted, refused and cut, as seen by a client.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ConnectProxy, ZerobusLocal } from "effect-zerobus/testing"

const table = TableProperties.json("main.default.orders")

/** Ingests through a proxy in two halves, with an action in between. */
const ingest = (
  proxy: ConnectProxy.ConnectProxy,
  between: Effect.Effect<void> = Effect.void,
  url = proxy.url
) =>
  Effect.gen(function* () {
    const { clientId, clientSecret, serverEndpoint, workspaceUrl } = yield* ZerobusLocal
    const options = {
      recovery: true,
      recoveryRetries: 1,
      recoveryBackoff: "5 millis",
      recoveryTimeout: "300 millis"
    } as const
    yield* Zerobus.use((zerobus) =>
      zerobus.withStream(table, options, (stream) =>
        Effect.gen(function* () {
          yield* (yield* stream.ingestRecord({ id: 1 })).await
          yield* between
          yield* (yield* stream.ingestRecord({ id: 2 })).await
        })
      )
    ).pipe(
      Effect.provide(
        Zerobus.layer({
          serverEndpoint,
          workspaceUrl,
          clientId,
          clientSecret,
          proxy: Redacted.make(url)
        })
      )
    )
  })

const withServer = <A, E>(use: Effect.Effect<A, E, ZerobusLocal>) =>
  Effect.gen(function* () {
    const local = yield* ZerobusLocal
    yield* local.createTable("main.default.orders(id BIGINT)")
    return yield* use
  }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))

describe("the proxy", () => {
  it.live("makes tunnels to what is asked for, and counts them", () =>
    Effect.gen(function* () {
      const proxy = yield* ConnectProxy.make()
      const { serverEndpoint, workspaceUrl } = yield* withServer(
        Effect.andThen(ingest(proxy), ZerobusLocal)
      )
      const hosts = [workspaceUrl, serverEndpoint].map((url) => new URL(url).host)
      assert.deepStrictEqual(yield* proxy.requests, hosts)
    })
  )

  it.live("cuts tunnels, and the client comes again", () =>
    Effect.gen(function* () {
      const proxy = yield* ConnectProxy.make()
      const audit = yield* withServer(
        Effect.andThen(
          ingest(proxy, proxy.cut),
          ZerobusLocal.use((local) => local.audit(table))
        )
      )
      assert.deepInclude(audit, { connections: 2, distinctRecords: 2, duplicates: 0 })
    })
  )

  it.live("lets in who has the credentials", () =>
    Effect.gen(function* () {
      const proxy = yield* ConnectProxy.make({ credentials: "ann:secret" })
      yield* withServer(ingest(proxy, Effect.void, proxy.url.replace("//", "//ann:secret@")))
      assert.strictEqual((yield* proxy.requests).length, 2)
      const failure = yield* Effect.flip(withServer(ingest(proxy)))
      assert.notInclude(JSON.stringify(failure), "secret@")
    })
  )

  const bad: ReadonlyArray<ConnectProxy.Behaviour> = ["silent", "garbage", { refuse: 403 }]
  for (const behaviour of bad) {
    it.live(`keeps the client out: ${JSON.stringify(behaviour)}`, () =>
      Effect.gen(function* () {
        const proxy = yield* ConnectProxy.make()
        yield* proxy.behave(behaviour)
        const failure = yield* Effect.flip(withServer(ingest(proxy)))
        assert.strictEqual(failure._tag, "Retryable")
        assert.isAbove((yield* proxy.requests).length, 0)
      })
    )
  }
})
