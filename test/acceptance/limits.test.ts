/**
 * Every public call that can wait ends at its own limit, at most 250 ms late and never early, with
 * its typed error. Runs on the virtual clock, with servers that never answer.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Context,
  Effect,
  Exit,
  Layer,
  Option,
  Redacted,
  Schedule,
  Scope,
  Stream
} from "effect"
import {
  Column,
  Credentials,
  HeadersProvider,
  type HeadersProviderShape,
  type StreamConfigurationOptions,
  Table,
  UnityCatalog,
  type ZerobusError,
  type ZerobusStream
} from "effect-zerobus"
import { TestClock } from "effect/testing"
import * as A from "../support/acceptance.ts"
import { catalogServer } from "../support/catalogServer.ts"
import { code, type Script } from "../support/scriptedServer.ts"
import { tokenServer } from "../support/tokenServer.ts"

const minute = 60_000

/** The permitted delay beyond a call's limit, in milliseconds. */
const SLACK = 250

/** A call that waits for a party that never answers, and how it must end. */
interface Case {
  readonly name: string
  /** Milliseconds from the call to its end. */
  readonly limit: number
  /** The tag of its error, followed by the reason or the cause; `undefined` if it succeeds. */
  readonly ends: string | undefined
  /** Prepares everything and returns the call. */
  readonly call: Effect.Effect<Effect.Effect<unknown, unknown, Scope.Scope>, unknown, Scope.Scope>
  /** Waits for data over sockets before the clock may move. */
  readonly underWay?: () => boolean
}

/** `Retryable/ConnectTimeout`, `FlushTimeout/close`, `StreamClosed/Retryable/AckTimeout`, ... */
const nameOf = (error: ZerobusError): string => {
  switch (error._tag) {
    case "Retryable":
      return `Retryable/${error.reason._tag}`
    case "FlushTimeout":
      return `FlushTimeout/${error.operation}`
    case "StreamClosed":
      return error.cause === undefined ? "StreamClosed" : `StreamClosed/${nameOf(error.cause)}`
    default:
      return error._tag
  }
}

const endOf = (exit: Exit.Exit<unknown, unknown>): string | undefined =>
  Exit.isSuccess(exit) ? undefined : nameOf(A.failureOf(exit) as ZerobusError)

const holds = ({ call, ends, limit, name, underWay }: Case) =>
  it.effect(`${name}: ${ends ?? "succeeds"} after ${limit} ms`, () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const running = yield* A.started(Scope.provide(yield* Scope.provide(call, scope), scope))
      if (underWay !== undefined) yield* A.until("it receives the request", underWay)
      const from = yield* Clock.currentTimeMillis
      // In whole attempts, so that a timer that starts another attempt does so at its own time.
      if (limit > 0) {
        yield* A.advance(limit - 1, Math.max(1, Math.floor(limit / 60)))
        assert.isFalse(running.done(), `it ended before its limit: ${String(running.exit())}`)
      }
      for (let over = 0; over <= SLACK && !running.done(); over++) {
        yield* TestClock.adjust(1)
        yield* A.settle
      }
      const took = (yield* Clock.currentTimeMillis) - from
      assert.isTrue(running.done(), `it has not ended ${SLACK} ms after its limit`)
      assert.strictEqual(endOf(running.exit()!), ends)
      assert.isAtMost(took, limit + SLACK)
      // Background work ends too, in its own time.
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      for (let n = 0; n < 100 && !closing.done(); n++) yield* A.advance(1_000, 1_000)
      assert.isTrue(closing.done(), "its scope does not close")
    })
  )

// Parties that never answer.
const unanswered: Script = { onCreate: () => {} }
/** Acknowledges nothing, and does not end the call when the client half-closes it. */
const dumb: Script = { onMessage: () => {}, onHalfClose: () => {} }
/** Reads no bytes after the create request. */
const stalled: Script = {
  ...dumb,
  onCreate: (connection) => (connection.pause(), connection.accept())
}
/** At the first record, announces its end in an hour; acknowledges none. */
const leaving: Script = {
  onMessage: (connection, { wireOffset }) =>
    wireOffset === 0 ? connection.closing(60 * minute) : undefined,
  onHalfClose: () => {}
}
/** Breaks the connection at the first record. */
const breaking: Script = { onMessage: (connection) => connection.cut() }
const never: HeadersProviderShape = HeadersProvider.make({ getHeaders: Effect.never })

const options = {
  batching: "off",
  recoveryTimeout: 2_000,
  flushTimeout: 3_000,
  drainTimeout: 400,
  serverLackOfAckTimeout: 10 * minute,
  recoverySchedule: Schedule.spaced(0),
  scopeCloseTimeout: 0,
  onUnacked: () => Effect.void
} as const satisfies StreamConfigurationOptions

/** Opening a stream in ways that fail. */
const opening = (script: Script, more: StreamConfigurationOptions<any> = {}): Case["call"] =>
  Effect.map(A.client(script), ({ zerobus }) =>
    zerobus.createStream(A.table, { ...options, ...more })
  )

/**
 * A call on a stream with one record that is never acknowledged, in the phase that the scripts
 * cause.
 */
const onStream = (
  scripts: ReadonlyArray<Script>,
  call: (stream: ZerobusStream<any>) => Effect.Effect<unknown, unknown, Scope.Scope>,
  more: StreamConfigurationOptions<any> = {}
): Case["call"] =>
  Effect.gen(function* () {
    const { stream } = yield* A.open({ ...options, ...more }, ...scripts)
    yield* stream.ingestRecord(A.record(0))
    yield* A.settle
    return call(stream)
  })

/** The phases of a stream without progress. */
const phases: ReadonlyArray<readonly [phase: string, scripts: ReadonlyArray<Script>]> = [
  ["that is silent", [dumb]],
  ["that takes no bytes", [stalled]],
  ["that pauses for an hour", [leaving]],
  ["that does not take the connection back", [breaking, unanswered]],
  ["that takes no bytes of the replay", [breaking, stalled]]
]

describe("opening", () => {
  const attempts = (count: number) => ({ recoverySchedule: Schedule.recurs(count - 1) })
  const cases: ReadonlyArray<Case> = [
    {
      name: "createStream at a server that does not answer, by default",
      limit: 15_000,
      ends: "Retryable/ConnectTimeout",
      call: Effect.map(A.client(unanswered), ({ zerobus }) =>
        zerobus.createStream(A.table, { recovery: false })
      )
    },
    {
      name: "createStream at a server that does not answer",
      limit: 2_000,
      ends: "Retryable/ConnectTimeout",
      call: opening(unanswered, { recovery: false })
    },
    {
      name: "createStream with a provider that does not answer",
      limit: 2_000,
      ends: "Retryable/ConnectTimeout",
      call: opening({}, { recovery: false, headersProvider: never })
    },
    {
      name: "createStream with a beforeOpen that does not end",
      limit: 2_000,
      ends: "Retryable/ConnectTimeout",
      call: opening({}, { beforeOpen: Effect.never })
    },
    {
      name: "createStream with a provider whose invalidation does not end",
      limit: 2_000,
      ends: "InvalidToken",
      call: opening(A.refusing(code.UNAUTHENTICATED), {
        recovery: false,
        headersProvider: HeadersProvider.make({
          getHeaders: Effect.succeed({}),
          invalidate: Effect.never
        })
      })
    },
    {
      name: "createStream with a beforeOpen that does not end",
      limit: 2_000,
      ends: "Retryable/ConnectTimeout",
      call: opening({}, { beforeOpen: Effect.never })
    },
    {
      name: "createStream with three attempts",
      limit: 6_000,
      ends: "Retryable/ConnectTimeout",
      call: opening(unanswered, attempts(3))
    },
    {
      name: "createStream with three attempts and a pause between",
      limit: 7_000,
      ends: "Retryable/ConnectTimeout",
      call: opening(unanswered, {
        recoverySchedule: Schedule.upTo(Schedule.spaced(500), { times: 2 })
      })
    },
    {
      name: "withStream at a server that does not answer",
      limit: 2_000,
      ends: "Retryable/ConnectTimeout",
      call: Effect.map(A.client(unanswered), ({ zerobus }) =>
        zerobus.withStream(A.table, { ...options, recovery: false }, () => Effect.void)
      )
    },
    {
      name: "a sink at a server that does not answer",
      limit: 2_000,
      ends: "Retryable/ConnectTimeout",
      call: Effect.map(A.client(unanswered), ({ zerobus }) =>
        Stream.run(Stream.make(A.record(0)), zerobus.sink(A.table, { ...options, recovery: false }))
      )
    },
    {
      name: "recreateStream at a server that does not answer",
      limit: 2_000,
      ends: "Retryable/ConnectTimeout",
      call: Effect.gen(function* () {
        const { server, stream, zerobus } = yield* A.open(
          { ...options, recovery: false },
          dumb,
          unanswered
        )
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.cut()
        yield* A.settle
        return zerobus.recreateStream(stream)
      })
    }
  ]
  cases.forEach(holds)
})

describe("waiting for durability", () => {
  const calls: ReadonlyArray<
    readonly [name: string, ends: string, call: Parameters<typeof onStream>[1]]
  > = [
    ["flush", "FlushTimeout/flush", (stream) => stream.flush],
    ["waitForOffset", "FlushTimeout/waitForOffset", (stream) => stream.waitForOffset(0 as never)],
    [
      "ack.await",
      "FlushTimeout/waitForOffset",
      (stream) =>
        Effect.sync(() => stream.offerUnsafe(A.record(1))!).pipe(Effect.flatMap((ack) => ack.await))
    ],
    [
      "toSink",
      "FlushTimeout/flush",
      (stream) => Stream.run(Stream.make(A.record(1)), stream.toSink)
    ]
  ]
  for (const [name, ends, call] of calls) {
    holds({
      name: `${name} at a server that is silent, by default`,
      limit: 5 * minute,
      ends,
      call: onStream([dumb], call, { flushTimeout: undefined })
    })
    for (const [phase, scripts] of phases) {
      holds({
        name: `${name} at a server ${phase}`,
        limit: 3_000,
        ends,
        // One attempt to connect takes longer than the wait.
        call: onStream(scripts, call, { recoveryTimeout: minute })
      })
    }
  }
})

describe("closing", () => {
  for (const [phase, scripts] of phases) {
    // If a session is open, the drain follows the flush.
    const drain = phase.includes("does not take the connection back") ? 0 : 400
    holds({
      name: `close at a server ${phase}`,
      limit: 3_000 + drain,
      ends: "FlushTimeout/close",
      call: onStream(scripts, (stream) => stream.close, { recoveryTimeout: minute })
    })
    holds({
      name: `the end of a scope at a server ${phase}`,
      limit: 1_000 + drain,
      ends: undefined,
      call: Effect.gen(function* () {
        const { zerobus } = yield* A.client(...scripts)
        const scope = yield* Scope.make()
        const stream = yield* zerobus
          .createStream(A.table, { ...options, recoveryTimeout: minute, scopeCloseTimeout: 1_000 })
          .pipe(Scope.provide(scope))
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        return Scope.close(scope, Exit.void)
      })
    })
  }
  const cases: ReadonlyArray<Case> = [
    {
      name: "close by default",
      limit: 5 * minute + 500,
      ends: "FlushTimeout/close",
      call: onStream([dumb], (stream) => stream.close, {
        flushTimeout: undefined,
        drainTimeout: undefined
      })
    },
    {
      name: "close with nothing left, at a server that does not end",
      limit: 400,
      ends: undefined,
      call: Effect.map(A.open(options, dumb), ({ stream }) => stream.close)
    },
    {
      name: "a second close while the first one waits",
      limit: 3_400,
      ends: "FlushTimeout/close",
      call: onStream([dumb], (stream) =>
        Effect.all([stream.close, stream.close], { concurrency: "unbounded" })
      )
    },
    {
      name: "withStream",
      limit: 3_400,
      ends: "FlushTimeout/close",
      call: Effect.map(A.client(dumb), ({ zerobus }) =>
        zerobus.withStream(A.table, options, (stream) => stream.ingestRecord(A.record(0)))
      )
    },
    {
      name: "a sink: its flush, then its scope",
      limit: 3_000 + 1_000 + 400,
      ends: "FlushTimeout/flush",
      call: Effect.map(A.client(dumb), ({ zerobus }) =>
        Stream.run(
          Stream.make(A.record(0)),
          zerobus.sink(A.table, { ...options, scopeCloseTimeout: 1_000 })
        )
      )
    },
    {
      name: "the end of a scope by default, with a handler that does not end",
      // The handler has 5 seconds less the drain of 500 ms.
      limit: 20_000 + 5_000,
      ends: undefined,
      call: Effect.gen(function* () {
        const { zerobus } = yield* A.client(dumb)
        const scope = yield* Scope.make()
        const stream = yield* zerobus
          .createStream(A.table, { onUnacked: () => Effect.never })
          .pipe(Scope.provide(scope))
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        return Scope.close(scope, Exit.void)
      })
    }
  ]
  cases.forEach(holds)
})

describe("waiting for room", () => {
  const full = { maxInflightRecords: 1, recovery: false } as const
  const calls: ReadonlyArray<
    readonly [string, (stream: ZerobusStream<any>) => Effect.Effect<unknown, unknown>]
  > = [
    ["ingestRecord", (stream) => stream.ingestRecord(A.record(1))],
    [
      "ingestRecord in a generator",
      (stream) =>
        Effect.gen(function* () {
          yield* stream.ingestRecord(A.record(1))
        })
    ],
    ["ingestRecords", (stream) => stream.ingestRecords(A.recordsFrom(1, 3))]
  ]
  for (const [name, call] of calls) {
    holds({
      name: `${name} ends with its stream, by default`,
      limit: minute,
      ends: "StreamClosed/Retryable/AckTimeout",
      call: onStream([dumb], call, { ...full, serverLackOfAckTimeout: undefined })
    })
    holds({
      name: `${name} at a server that takes no bytes`,
      limit: 1_000,
      ends: "StreamClosed/Retryable/AckTimeout",
      call: onStream([stalled], call, { ...full, serverLackOfAckTimeout: 1_000 })
    })
    holds({
      name: `${name} with three attempts, of which each is silent`,
      limit: 3_000,
      ends: "StreamClosed/Retryable/AckTimeout",
      call: onStream([dumb], call, {
        maxInflightRecords: 1,
        serverLackOfAckTimeout: 1_000,
        recoverySchedule: Schedule.recurs(2)
      })
    })
    holds({
      name: `${name} at a server that does not take the connection back`,
      limit: 4_000,
      ends: "StreamClosed/Retryable/ConnectTimeout",
      call: onStream([breaking, unanswered], call, {
        maxInflightRecords: 1,
        recoverySchedule: Schedule.recurs(2)
      })
    })
  }
  holds({
    name: "offerUnsafe does not wait",
    limit: 0,
    ends: undefined,
    call: onStream(
      [dumb],
      (stream) => Effect.sync(() => assert.isUndefined(stream.offerUnsafe(A.record(1)))),
      full
    )
  })
})

describe("reading", () => {
  const lost = { recovery: false, serverLackOfAckTimeout: 1_000 } as const
  const cases: ReadonlyArray<Case> = [
    {
      name: "durableOffsets ends with its stream",
      limit: 1_000,
      ends: "Retryable/AckTimeout",
      call: onStream([dumb], (stream) => Stream.runDrain(stream.durableOffsets), lost)
    },
    {
      name: "stateChanges ends with its stream",
      limit: 1_000,
      ends: undefined,
      call: onStream([dumb], (stream) => Stream.runDrain(stream.stateChanges), lost)
    },
    {
      name: "getUnackedRecords of an open stream does not wait",
      limit: 0,
      ends: "InvalidState",
      call: onStream([dumb], (stream) => stream.getUnackedRecords)
    },
    {
      name: "getUnackedBatches of an open stream does not wait",
      limit: 0,
      ends: "InvalidState",
      call: onStream([dumb], (stream) => stream.getUnackedBatches)
    },
    {
      name: "recreateStream of an open stream does not wait",
      limit: 0,
      ends: "InvalidState",
      call: Effect.map(A.open(options, dumb), ({ stream, zerobus }) =>
        zerobus.recreateStream(stream)
      )
    },
    {
      name: "poll does not wait",
      limit: 0,
      ends: undefined,
      call: onStream([dumb], (stream) =>
        Effect.flatMap(
          Effect.sync(() => stream.offerUnsafe(A.record(1))!),
          (ack) => Effect.map(ack.poll, (exit) => assert.isTrue(Option.isNone(exit)))
        )
      )
    }
  ]
  cases.forEach(holds)
})

describe("the workspace", () => {
  const principal = {
    clientId: "client",
    clientSecret: Redacted.make("secret"),
    proxy: false
  } as const
  /** The number of requests to the silent party in the current case. */
  let asked: () => number = () => 0
  /** A call that requests a token from an endpoint that never answers. */
  const tokens = (
    call: (settings: {
      readonly serverEndpoint: string
      readonly workspaceUrl: string
    }) => Effect.Effect<Effect.Effect<unknown, unknown, Scope.Scope>, unknown, Scope.Scope>
  ): Case["call"] =>
    Effect.gen(function* () {
      const server = yield* tokenServer("hang")
      asked = () => server.requests.length
      return yield* call({
        serverEndpoint: "https://1.zerobus.example.com",
        workspaceUrl: server.url
      })
    })
  const provider = (settings: { readonly serverEndpoint: string; readonly workspaceUrl: string }) =>
    Effect.map(Layer.build(Credentials.layer({ ...settings, ...principal })), (context) =>
      Context.get(context, HeadersProvider)
    )
  const name = "main.default.readings"
  /** A call of the catalog. Its token endpoint answers, the catalog does not. */
  const catalog = (call: Effect.Effect<unknown, unknown, UnityCatalog>): Case["call"] =>
    Effect.gen(function* () {
      const server = yield* catalogServer
      server.tables.set(name, "never")
      // The first request is for a token; it is answered.
      asked = () => server.requests.length - 1
      return Effect.provide(call, UnityCatalog.layer({ workspaceUrl: server.url, ...principal }))
    })
  const underWay = () => asked() === 1
  const table = Table.make(name, { id: Column.BigInt })
  const cases: ReadonlyArray<Case> = [
    {
      name: "getHeaders",
      limit: 30_000,
      ends: "Retryable/TokenServiceUnavailable",
      call: tokens((settings) =>
        Effect.map(provider(settings), ({ getHeaders }) => getHeaders(name))
      ),
      underWay
    },
    {
      name: "catalogToken",
      limit: 30_000,
      ends: "Retryable/TokenServiceUnavailable",
      call: tokens((settings) =>
        Effect.succeed(Credentials.catalogToken({ ...settings, ...principal }))
      ),
      underWay
    },
    {
      name: "createStream with credentials that are requested from the token endpoint",
      limit: 2_000,
      ends: "Retryable/ConnectTimeout",
      call: tokens((settings) =>
        Effect.flatMap(provider(settings), (headersProvider) =>
          opening({}, { recovery: false, headersProvider })
        )
      ),
      underWay
    },
    {
      name: "getTable while the token endpoint hangs",
      limit: 30_000,
      ends: "Retryable/TokenServiceUnavailable",
      call: tokens(({ workspaceUrl }) =>
        Effect.succeed(
          Effect.provide(
            UnityCatalog.use((one) => one.getTable(name)),
            UnityCatalog.layer({ workspaceUrl, ...principal })
          )
        )
      ),
      underWay
    },
    {
      name: "getTable while the catalog hangs",
      limit: 30_000,
      ends: "Retryable/CatalogUnavailable",
      call: catalog(UnityCatalog.use((one) => one.getTable(name))),
      underWay
    },
    {
      name: "Table.fromCatalog",
      limit: 30_000,
      ends: "Retryable/CatalogUnavailable",
      call: catalog(Table.fromCatalog(name)),
      underWay
    },
    {
      name: "Table.check",
      limit: 30_000,
      ends: "Retryable/CatalogUnavailable",
      call: catalog(Table.check(table)),
      underWay
    }
  ]
  cases.forEach(holds)
})
