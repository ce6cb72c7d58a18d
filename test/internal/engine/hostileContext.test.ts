/**
 * Loggers, tracers, metrics, schedulers, schedules and credentials of the program that throw do not
 * change what a stream does.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Context,
  Effect,
  Exit,
  Logger,
  Metric,
  References,
  Schedule,
  Scheduler,
  Scope,
  Tracer
} from "effect"
import type {
  HeadersProviderShape,
  RecordAck,
  StreamConfigurationOptions,
  TableProperties
} from "effect-zerobus"
import { guarded } from "../../../src/internal/engine/sessionHeaders.ts"
import * as A from "../../support/acceptance.ts"
import { code, type Script } from "../../support/scriptedServer.ts"
import { collected, type Reported } from "../../support/uncaught.ts"

const broken = (): never => {
  throw new TypeError("secret")
}
const span = (change: Partial<Record<"end" | "attribute" | "event", () => never>>) =>
  Tracer.make({ span: (given) => Object.assign(new Tracer.NativeSpan(given), change) })

/** Services of a program, and the word for them in the warning. */
const contexts: Readonly<
  Record<string, readonly [Context.Context<never>, warning: string | undefined]>
> = {
  "a logger": [logging(Logger.make(broken)), "logger"],
  "a logger of JSON, and an annotation that is none": [
    Context.merge(
      logging(
        Logger.make(({ fiber }) => JSON.stringify(fiber.getRef(References.CurrentLogAnnotations)))
      ),
      context(References.CurrentLogAnnotations, { order: 5n })
    ),
    "logger"
  ],
  "a tracer": [context(Tracer.Tracer, Tracer.make({ span: broken })), "tracer"],
  "the end of a span": [context(Tracer.Tracer, span({ end: broken })), "tracer"],
  "an attribute of a span": [context(Tracer.Tracer, span({ attribute: broken })), "tracer"],
  "an event of a span": [context(Tracer.Tracer, span({ event: broken })), undefined],
  "a metric registry": [
    context(Metric.MetricRegistry, new Proxy(new Map(), { get: broken }) as never),
    "metric registry"
  ],
  "the beginning of a fiber, in metrics of the program": [
    context(Metric.FiberRuntimeMetrics, { recordFiberStart: ofStreams, recordFiberEnd: () => {} }),
    "fiber metrics"
  ],
  "the end of a fiber, in metrics of the program": [
    context(Metric.FiberRuntimeMetrics, { recordFiberStart: () => {}, recordFiberEnd: ofStreams }),
    "fiber metrics"
  ]
}

function context<I, S>(key: Context.Key<I, S>, value: S): Context.Context<never> {
  return Context.make(key, value) as unknown as Context.Context<never>
}
function logging(logger: Logger.Logger<unknown, unknown>): Context.Context<never> {
  return Context.merge(
    context(Logger.CurrentLoggers, new Set([logger])),
    context(References.MinimumLogLevel, "All")
  )
}

/**
 * Throws in the fibers of streams, whose log annotations contain the table, and not in those of the
 * test.
 */
function ofStreams(own: Context.Context<never>): void {
  if ("table" in Context.get(own, References.CurrentLogAnnotations)) broken()
}

/** The first connection is lost after two records, the second is rotated, the third works. */
const eventful: ReadonlyArray<Script> = [
  {
    onMessage: (connection, { wireOffset }) =>
      void (wireOffset === 1 ? connection.cut() : connection.ack(wireOffset))
  },
  {
    onMessage: (connection, { wireOffset }) => {
      connection.ack(wireOffset)
      if (wireOffset === 1) connection.closing(0)
    }
  },
  {}
]
const options = {
  batching: "off",
  recoveryBackoff: 0,
  drainTimeout: 100,
  flushTimeout: 5_000,
  scopeCloseTimeout: 1_000
} as const satisfies StreamConfigurationOptions

/** Ten records over three connections, then the end by `close` or by the scope. */
const run = (services: Context.Context<never>, leave: "close" | "scope") =>
  Effect.gen(function* () {
    const { server, zerobus } = yield* A.client(...eventful)
    const inside = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(zerobus.createStream(A.table, options), scope)
      for (let n = 0; n < 10; n++) yield* (yield* stream.ingestRecord(A.record(n))).await
      yield* stream.flush
      if (leave === "close") yield* stream.close
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
    })
    yield* Effect.updateContext(inside, (own: Context.Context<never>) =>
      Context.merge(own, services)
    )
    assert.strictEqual(server.connections.length, 3)
    assert.deepStrictEqual([...new Set(server.records)], A.recordsFrom(0, 10))
  }).pipe(Effect.scoped)

const warnings = (reported: Reported, word: string | undefined) => {
  assert.deepStrictEqual(reported.uncaught, [])
  assert.deepStrictEqual(
    reported.warnings,
    word === undefined ? [] : [`The program's ${word} threw (TypeError). Streams go on without it.`]
  )
}

describe("a stream in a program whose context throws", () => {
  for (const [name, [services, word]] of Object.entries(contexts)) {
    for (const leave of ["close", "scope"] as const) {
      it.live(`loses nothing by ${name}, and ends by ${leave}`, () =>
        collected((reported) =>
          Effect.map(run(services, leave), () =>
            warnings(reported, leave === "close" ? word : undefined)
          )
        )
      )
    }
  }

  it.live("ends and resumes all waiters before it logs a line", () =>
    collected(() =>
      Effect.gen(function* () {
        const order: Array<string> = []
        const logger = Logger.make(({ message }) => {
          order.push(String((message as ReadonlyArray<unknown>)[0]))
          broken()
        })
        const { stream } = yield* A.open(
          { ...options, recovery: false },
          {
            onMessage: (connection) => connection.fail(code.PERMISSION_DENIED)
          }
        ).pipe(Effect.provideService(Logger.CurrentLoggers, new Set([logger])))
        const ack = yield* stream.ingestRecord(A.record(1))
        Effect.runCallback(ack.await, { onExit: ({ _tag }) => order.push(_tag) })
        yield* A.until("the stream fails", () => order.length === 2)
        assert.deepStrictEqual(order, ["Failure", "The stream has failed"])
        assert.strictEqual((yield* stream.getUnackedRecords).length, 1)
      }).pipe(Effect.scoped)
    )
  )

  it.live("is delivered by a scheduler that refuses every third task", () =>
    collected((reported) =>
      Effect.gen(function* () {
        const scheduler = new Scheduler.MixedScheduler()
        let tasks = 0
        const refusing: Scheduler.Scheduler = {
          executionMode: "async",
          shouldYield: (fiber) => scheduler.shouldYield(fiber),
          makeDispatcher: () => {
            const dispatcher = scheduler.makeDispatcher()
            return {
              scheduleTask: (task, priority) => {
                if (tasks > 0 && ++tasks % 3 === 0) broken()
                dispatcher.scheduleTask(task, priority)
              },
              flush: () => dispatcher.flush()
            }
          }
        }
        const { server, zerobus } = yield* A.client(...eventful)
        const scope = yield* Scope.make()
        const stream = yield* zerobus
          .createStream(A.table, options)
          .pipe(Scope.provide(scope), Effect.provideService(Scheduler.Scheduler, refusing))
        tasks = 1
        for (let n = 0; n < 10; n++) {
          yield* stream.ingestRecord(A.record(n))
          yield* stream.flush
        }
        yield* stream.close
        assert.isAbove(tasks, 9)
        assert.deepStrictEqual([...new Set(server.records)], A.recordsFrom(0, 10))
        warnings(reported, "scheduler")
      }).pipe(Effect.scoped)
    )
  )
})

describe("a recovery schedule that is broken", () => {
  const garbage: Schedule.Schedule<unknown> = Schedule.fromStep(
    Effect.succeed(() => Effect.succeed(undefined as never))
  )
  const schedules: Readonly<Record<string, Schedule.Schedule<unknown>>> = {
    "dies when it begins": Schedule.fromStep(Effect.die("secret")),
    "throws when it begins": Schedule.fromStep(Effect.sync(broken)),
    "dies at a step": Schedule.fromStep(Effect.succeed(() => Effect.die("secret"))),
    "throws at a step": Schedule.fromStep(Effect.succeed(broken)),
    "gives nothing": garbage,
    "interrupts itself": Schedule.fromStep(Effect.succeed(() => Effect.interrupt)),
    "throws in an observer of its fiber": Schedule.fromStep(
      Effect.succeed(() =>
        Effect.withFiber((fiber) => {
          fiber.addObserver((): void => broken())
          return Effect.die("no credentials")
        })
      )
    )
  }
  for (const [name, recoverySchedule] of Object.entries(schedules)) {
    it.live(`and ${name} ends the recovery with the cause, and everything stays readable`, () =>
      collected(() =>
        Effect.gen(function* () {
          const { stream } = yield* A.open(
            { ...options, recoverySchedule: recoverySchedule as never },
            { onMessage: (connection) => connection.cut() }
          )
          const ack = yield* stream.ingestRecord(A.record(1))
          const error = yield* Effect.flip(ack.await)
          assert.strictEqual(A.tagged(error, "Retryable").reason._tag, "ConnectionLost")
          assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(1)])
        }).pipe(Effect.scoped)
      )
    )
  }
})

describe("a defect in the engine", () => {
  it.live("ends the stream with all waiters resumed and the records readable", () =>
    Effect.gen(function* () {
      const clock = yield* Effect.clockWith(Effect.succeed)
      // A failing clock stands for any defect: a session reads it for every acknowledgement.
      let isBroken = false
      const breakable = Object.assign(Object.create(clock) as typeof clock, {
        monotonicTimeNanosUnsafe: () => (isBroken ? broken() : clock.monotonicTimeNanosUnsafe())
      })
      const { server, stream } = yield* A.open(
        { ...options, batching: "off", maxInflightRecords: 3 },
        A.silent
      ).pipe(Effect.provideService(Clock.Clock, breakable))
      const acks: Array<RecordAck> = []
      for (let n = 0; n < 3; n++) acks.push(yield* stream.ingestRecord(A.record(n)))
      yield* A.until("they arrive", () => server.writes === 3)
      const waiting = yield* A.started(Effect.exit(stream.ingestRecord(A.record(3))))
      const told = yield* A.started(Effect.exit(acks[2]!.await))
      const flushed = yield* A.started(Effect.exit(stream.flush))
      isBroken = true
      server.last.ack(0)
      yield* A.until("all are answered", () => waiting.done() && told.done() && flushed.done())
      isBroken = false
      assert.deepStrictEqual(
        [waiting.value()._tag, told.value()._tag, flushed.value()._tag],
        ["Failure", "Failure", "Failure"]
      )
      assert.deepStrictEqual(yield* stream.getUnackedRecords, A.recordsFrom(0, 3))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(stream.close)))
    }).pipe(Effect.scoped)
  )
})

describe("credentials that throw", () => {
  const providers: Readonly<Record<string, () => HeadersProviderShape>> = {
    "in an observer of their fiber": () => ({
      getHeaders: () =>
        Effect.withFiber((fiber) => {
          fiber.addObserver((): void => broken())
          return Effect.die("no credentials")
        })
    }),
    "what cannot be read": () => ({
      getHeaders: () =>
        Effect.die(
          new Proxy(new Error("secret"), { getPrototypeOf: () => broken(), get: () => broken() })
        )
    }),
    "as no effect in the middle": () => ({
      getHeaders: () => Effect.flatMap(Effect.void, (): Effect.Effect<never> => undefined as never)
    })
  }
  for (const [name, make] of Object.entries(providers)) {
    it.live(`${name} cost an attempt, typed`, () =>
      collected(() =>
        Effect.gen(function* () {
          const { zerobus } = yield* A.client()
          const given = { ...options, headersProvider: make(), recovery: false }
          const error = yield* Effect.flip(zerobus.createStream(A.table, given))
          assert.include(A.tagged(error, "Retryable").message, "The headers provider failed: ")
        }).pipe(Effect.scoped)
      )
    )
  }
})

describe("credentials of a layer whose getters throw", () => {
  for (const name of ["getHeaders", "invalidate"]) {
    it.effect(`(${name}) are no credentials, or ones that cannot be renewed`, () =>
      Effect.gen(function* () {
        const shape = Object.defineProperty(
          { getHeaders: () => Effect.succeed({ a: "b" }) },
          name,
          {
            get: broken
          }
        ) as HeadersProviderShape
        const { getHeaders, invalidate } = guarded(shape, Context.empty())
        assert.isUndefined(invalidate)
        const given = yield* Effect.exit(getHeaders("t"))
        if (name === "invalidate") assert.deepStrictEqual(given, Exit.succeed({ a: "b" }))
        else A.tagged(A.failureOf(given), "Retryable")
      })
    )
  }
})

describe("a record whose refusal cannot be described", () => {
  it.live("is refused at the call, and the stream goes on", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...options })
      const unreadable = new Proxy(new Error("secret"), { getPrototypeOf: broken, get: broken })
      const thrown = (): never => {
        throw unreadable
      }
      const record = Object.defineProperty({}, "n", { get: thrown, enumerable: true })
      for (const refused of [record, { toJSON: thrown }, new Proxy({}, { ownKeys: thrown })]) {
        const error = yield* Effect.flip(stream.ingestRecord(refused as TableProperties.JsonRecord))
        assert.notInclude(
          A.tagged(
            error as never as { _tag: "InvalidArgument"; message: string },
            "InvalidArgument"
          ).message,
          "secret"
        )
      }
      yield* (yield* stream.ingestRecord(A.record(1))).await
      assert.deepStrictEqual(server.records, [A.record(1)])
    }).pipe(Effect.scoped)
  )
})
