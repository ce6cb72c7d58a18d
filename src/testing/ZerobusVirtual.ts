/**
 * The local server without sockets, in the test's process and on its clock. With a `TestClock` no
 * test waits, and the same seed and program produce the same trace.
 *
 * Protocol, checks, tables, faults, gates and audit are those of `ZerobusLocal`. There is no token
 * endpoint, catalog, TLS or anything below gRPC: tokens are fake, and `Faults.disconnect` ends the
 * call.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HeadersProvider } from "../HeadersProvider.ts"
import { type Latency, makeSampler } from "../local/faults/latency.ts"
import { makeMemoryTableStoreWith } from "../local/store/memoryTableStore.ts"
import { makeServerCounters } from "../local/endpoints/serverCounters.ts"
import { invalidArgument, unauthenticated } from "../local/stream/serverStatus.ts"
import { rpcs } from "../local/stream/rpcs.ts"
import type { Peer } from "../local/stream/streamContract.ts"
import { makeStreamHub, type StreamHub } from "../local/stream/streamHost.ts"
import { makeDelays, timersOfProgram } from "../local/timers.ts"
import { makeTrace } from "../local/faults/trace.ts"
import { Zerobus } from "../Zerobus.ts"
import type { InvalidArgument } from "../ZerobusError.ts"
import { boundsOf, limitsOf, optionProblem, type ZerobusVirtualOptions } from "./localOptions.ts"
import * as MemoryTransport from "./MemoryTransport.ts"
import { serverScript, type ZerobusScript } from "./serverScript.ts"

const shortly: Latency = { _tag: "Constant", millis: 1 }

/**
 * A server without sockets. Its layer provides it together with a connected {@link Zerobus} client.
 *
 * @example
 * it.effect("arrive", () => Effect.gen(function*() {
 *   const virtual = yield* ZerobusVirtual
 *   yield* virtual.createTable("main.default.orders(id BIGINT)")
 *   const ingesting = yield* Effect.forkChild(program)
 *   yield* TestClock.adjust("1 minute")
 *   yield* Fiber.join(ingesting)
 * }).pipe(
 *   Effect.provide(
 *     ZerobusVirtual.layer({ seed: 7, latency: Latency.uniform("1 millis", "20 millis") })
 *   )
 * ))
 *
 * @since 0.1.0
 * @category services
 */
export class ZerobusVirtual extends Context.Service<ZerobusVirtual, ZerobusScript>()(
  "effect-zerobus/ZerobusVirtual"
) {
  /** Server and client. Fails with `InvalidArgument` that names the option. */
  static readonly layer = (
    options: ZerobusVirtualOptions = {}
  ): Layer.Layer<ZerobusVirtual | Zerobus, InvalidArgument> =>
    Layer.unwrap(
      Effect.gen(function* () {
        const problem = optionProblem(options)
        if (problem !== undefined) return yield* problem
        const seed = options.seed ?? 1
        const timers = yield* timersOfProgram
        const counters = makeServerCounters()
        const bounds = boundsOf(options, 256 * 1024 * 1024, 10_000)
        const trace = makeTrace(bounds.traceEvents, timers.now)
        const sync = makeSampler(options.syncLatency ?? shortly, seed, -2)
        const syncs = makeDelays(timers)
        const store = yield* makeMemoryTableStoreWith((tell) => {
          // Never synchronous: the caller needs its ticket before the record is reported durable.
          syncs.add(sync(), () => queueMicrotask(tell))
        })
        const hub = makeStreamHub({
          store,
          timers,
          limits: limitsOf(options),
          observe: () => counters.observer,
          auditBytes: bounds.auditBytes,
          trace: bounds.traceEvents > 0 ? trace : undefined
        })
        const tokens = makeTokens()
        const network = yield* MemoryTransport.seeded({ latency: options.latency ?? shortly, seed })
        // Each server has its own client, even when several are built together.
        const client = Layer.fresh(Zerobus.layerNoDeps).pipe(
          Layer.provide([
            MemoryTransport.layer(serverOf(hub, tokens), network),
            Layer.succeed(HeadersProvider, tokens.provider)
          ])
        )
        const script = serverScript({ store, hub, counters, trace, onReplay: () => {} })
        return Layer.merge(client, Layer.succeed(ZerobusVirtual, script))
      })
    )
}

interface Tokens {
  readonly provider: HeadersProvider["Service"]
  readonly revoked: Set<string>
}

/** Fake tokens: a new one after each refused token. */
const makeTokens = (): Tokens => {
  let number = 1
  const current = () => `Bearer virtual-${number}`
  return {
    revoked: new Set(),
    provider: {
      getHeaders: () => Effect.sync(() => ({ authorization: current() })),
      invalidate: (_, rejected) =>
        Effect.sync(() => {
          if (rejected["authorization"] === current()) number++
        })
    }
  }
}

const serverOf =
  (hub: StreamHub, { revoked }: Tokens): MemoryTransport.MemoryServer =>
  (headers, link, rpc) => {
    const authorization = headers["authorization"] ?? ""
    const tableName = headers["x-databricks-zerobus-table-name"]
    const peer: Peer = {
      write: link.write,
      finish: link.finish,
      cut: (how) => link.cut(how === "reset" ? "read ECONNRESET" : "the connection ended"),
      pause: link.pause,
      resume: link.resume,
      revoke: () => void revoked.add(authorization)
    }
    const refused = { receive: () => {}, halfClosed: () => {}, cancelled: () => {} }
    if (tableName === undefined) {
      peer.finish(invalidArgument("The header x-databricks-zerobus-table-name is missing", 4010))
      return refused
    }
    if (revoked.has(authorization)) {
      peer.finish(unauthenticated("The token has expired, fetch a new one"))
      return refused
    }
    return rpcs[rpc ?? "EphemeralStream"](hub, peer, tableName)
  }
