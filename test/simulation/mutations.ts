/**
 * Planted bugs: small mistakes that could be made in the engine, which the simulation must find. A
 * mutation replaces one exact text in a copy of the sources. If the engine has changed and the text
 * is gone, the mutation fails with an error and must be rewritten.
 */

/** One exact text of one file, and its replacement. */
export interface Replacement {
  /** Relative to `src`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutation extends Replacement {
  readonly name: string
  /** Further replacements that make programs with few records reach the bug. */
  readonly also?: ReadonlyArray<Replacement>
  /** The runs that must find it; the simulation by default. */
  readonly by?: "simulation" | "lanes" | "crashes" | "arrow" | "model" | "replies"
  /** True if it is not a bug: then nothing may be found. */
  readonly harmless?: boolean
}

const zone = "internal/landing/landingZone.ts"
const zoneMessages = "internal/landing/zoneMessages.ts"
const window = "internal/landing/window.ts"
const session = "internal/engine/session.ts"
const flight = "internal/engine/flight.ts"
const supervisor = "internal/engine/supervisor.ts"
const isolation = "internal/engine/isolation.ts"
const acknowledgements = "internal/receipts/acknowledgements.ts"
const stream = "internal/engine/stream.ts"
const streamClose = "internal/engine/streamClose.ts"
const chunk = "internal/landing/chunk.ts"
const tokenCache = "internal/net/tokenCache.ts"
const zerobus = "Zerobus.ts"
const turns = "internal/landing/turns.ts"
const line = "internal/landing/turnLine.ts"
const pieces = "internal/userCode/pieces.ts"

/** A few records use up a turn of the event loop, so that callers wait in line. */
export const smallTurns: ReadonlyArray<Replacement> = [
  { file: turns, find: "TURN = 2 * 1024 * 1024", replace: "TURN = 300" },
  { file: line, find: "STRIDE = 64 * 1024", replace: "STRIDE = 40" },
  { file: line, find: "QUEUED = 1024 * 1024", replace: "QUEUED = 200" }
]

/** Two records already count as many. */
const smallPieces: Replacement = { file: pieces, find: "PIECE = 256", replace: "PIECE = 1" }

export const mutations: ReadonlyArray<Mutation> = [
  {
    name: "a replay skips the oldest record",
    file: window,
    find: "    this.cursor = this.head\n  }",
    replace: "    this.cursor = Math.min(this.head + 1, this.messages.length)\n  }"
  },
  {
    name: "a new session continues where the lost one stopped",
    file: window,
    find: "    this.cursor = this.head\n  }",
    replace: "  }"
  },
  {
    name: "a replay goes out in the wrong order",
    file: window,
    find: "    this.cursor = this.head\n  }",
    replace:
      "    this.cursor = this.head\n    this.messages = [...this.messages.slice(0, this.head), " +
      "...this.messages.slice(this.head).reverse()]\n  }"
  },
  {
    name: "an acknowledgement frees one message too many",
    file: flight,
    find: "    const count = wire.settle(upTo)\n",
    replace: "    const count = wire.settle(Math.min(upTo + 1, wire.handed))\n"
  },
  {
    name: "an acknowledgement beyond the sent requests is accepted",
    file: flight,
    find: "    if (upTo >= session.wire.handed) return",
    replace:
      "    upTo = Math.min(upTo, session.wire.handed - 1)\n    if (upTo >= session.wire.handed) " +
      "return"
  },
  {
    name: "an acknowledgement without offset counts as offset 0",
    file: flight,
    find:
      `    if (upTo === undefined) return violation("The server sent an acknowledgement ` +
      `without an offset.")`,
    replace: "    if (upTo === undefined) upTo = 0"
  },
  {
    name: "a negative acknowledgement is ignored",
    file: flight,
    find: `    if (upTo < 0) return violation("The server acknowledged a negative offset.")`,
    replace: "    if (upTo < 0) return undefined"
  },
  {
    name: "an acknowledgement counts before its request was sent",
    file: flight,
    find: "Math.min(this.held + 1, wire.left(session.call.sentUnsafe() - 1))",
    replace: "this.held + 1"
  },
  {
    name: "repeated acknowledgements feed the silence timer",
    file: flight,
    find: "    if (upTo <= this.held) {\n",
    replace: "    if (upTo <= this.held) {\n      this.silentSince = core.now()\n"
  },
  {
    name: "the silence timer runs while nothing is in flight",
    file: flight,
    find: "this.timing = !this.over && !this.isIdle",
    replace: "this.timing = !this.over"
  },
  {
    name: "the watermark starts again with each session",
    file: supervisor,
    find: "  core.zone.rewindUnsafe()\n",
    replace: "  core.zone.rewindUnsafe()\n  core.acks.watermark = -1\n"
  },
  {
    name: "a waiter that gave up is still admitted",
    file: zone,
    find: "      if (!leave()) return false\n",
    replace: ""
  },
  {
    name: "an acknowledgement gives its room back only in part",
    file: zoneMessages,
    find: "      this.usedRecords -= message.offsets\n",
    replace: "      this.usedRecords -= 1\n"
  },
  {
    name: "a short record overtakes waiting records",
    file: zone,
    find:
      "  offerUnsafe(record: A): number | Refusal {\n    if (this.waiters.size > 0) return " +
      "Full\n",
    replace: "  offerUnsafe(record: A): number | Refusal {\n"
  },
  {
    name: "bytes in flight have no bound",
    file: zone,
    find: "this.usedBytes + charge <= maxInflightBytes - this.overhead",
    replace: "charge <= maxInflightBytes"
  },
  {
    name: "time is taken from the wall clock",
    file: "internal/engine/streamCore.ts",
    find: "Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)",
    replace: "clock.currentTimeMillisUnsafe()"
  },
  {
    name: "single records join an explicit batch",
    file: zone,
    find: "    this.open = !atomic && continues ? message : undefined\n",
    replace: "    this.open = continues ? message : undefined\n"
  },
  {
    name: "a chunk goes back to the pool twice",
    file: chunk,
    find: "    this.target?.retain().release()\n    this.target = undefined\n",
    replace:
      "    this.target?.retain().release()\n    this.target?.retain().release()\n    " +
      "this.target = undefined\n"
  },
  {
    name: "flush forgets the last record",
    file: stream,
    find: "    const target = nextOffsetOf(core) - 1\n    if (target <= core.acks.watermark)",
    replace: "    const target = nextOffsetOf(core) - 2\n    if (target <= core.acks.watermark)"
  },
  {
    name: "queued records are not handed back",
    file: zoneMessages,
    find: "    while (this.nextUnsafe() !== undefined);\n",
    replace: ""
  },
  {
    name: "the end of a scope does not wait until every waiter is notified",
    file: streamClose,
    find: "  yield* core.finished.await\n  const cause",
    replace: "  const cause"
  },
  {
    name: "credentials are requested while the stream closes",
    file: supervisor,
    find: "    if (core.closeRequested.isDone) return yield* close\n    attempts++\n",
    replace: "    attempts++\n"
  },
  {
    name: "recreating drops the oldest record",
    file: stream,
    find: "  core.zone.adoptUnsafe(adopted)\n",
    replace: "  core.zone.adoptUnsafe(adopted.slice(1))\n"
  },
  {
    name: "a waiter notified of the end finds the stream still active",
    file: "internal/engine/streamUnacked.ts",
    find: "    if (!core.ended) {",
    replace: "    if (!core.finished.isDone) {",
    by: "model"
  },
  {
    name: "recreating twice sends the records twice",
    file: "internal/engine/streamUnacked.ts",
    find: "    origin.recreated = true\n",
    replace: ""
  },
  {
    name: "the budget is never spent",
    file: supervisor,
    find: "    if (Exit.isFailure(delay)) {\n",
    replace: "    if (Exit.isFailure(delay)) {\n      yield* pause(core, 1_000)\n      continue\n"
  },
  {
    name: "it retries without a pause",
    file: supervisor,
    find: "    yield* pause(core, millis)\n  }\n",
    replace: "  }\n"
  },
  {
    name: "progress does not refill the budget",
    file: supervisor,
    find: "    if (worth || first) {\n",
    replace: "    if (first) {\n"
  },
  {
    name: "uptime refills the budget while something is unacknowledged",
    file: supervisor,
    find: "(zone.oldestUnsafe()?.acceptedAt ?? now()) - openedAt",
    replace: "now() - openedAt"
  },
  {
    name: "a rotation refills the budget",
    file: supervisor,
    find: "    if (worth || first) {\n",
    replace: '    if (worth || first || attempt.end._tag === "Rotated") {\n'
  },
  {
    name: "a stream with nothing unacknowledged fails by lost connections",
    file: supervisor,
    find: "      if (!goesOn) return yield* fail(failure, log)\n",
    replace: "      return yield* fail(failure, log)\n"
  },
  {
    name: "an idle stream does not notice its next record",
    file: supervisor,
    find: "    const due = Effect.raceFirst(core.zone.awaitNext, core.closeRequested.await)\n",
    replace: "    const due = core.closeRequested.await\n"
  },
  {
    name: "the first record of an idle stream gets no fresh budget",
    file: supervisor,
    find: "    const first = wasEmpty && !isEmpty\n",
    replace: "    const first = false\n"
  },
  {
    name: "the silence of earlier sessions does not count",
    file: flight,
    find: "this.core.silence = this.core.now() - this.silentSince",
    replace: "this.core.silence = 0"
  },
  {
    name: "the oldest suspect counts as the refused one",
    file: isolation,
    find: "  if (inFlight > 1) return undefined\n",
    replace: ""
  },
  {
    name: "a refused record takes the next one with it",
    file: zoneMessages,
    find: "    const { records } = this.window.replay()!\n    this.acknowledgeUnsafe(1)\n",
    replace:
      "    const { records } = this.window.replay()!\n    " +
      "this.acknowledgeUnsafe(this.window.replay() === undefined ? 1 : 2)\n"
  },
  {
    name: "the receipt of a refused record succeeds",
    file: acknowledgements,
    find:
      "    return offset <= this.watermark ? (this.refusalOf(offset) ?? " +
      "Exit.succeed(offset)) : this.outcome\n",
    replace: "    return offset <= this.watermark ? Exit.succeed(offset) : this.outcome\n"
  },
  {
    name: "a refusal spends a retry",
    file: supervisor,
    find: "      if (!worth) attempts--\n      const ending",
    replace:
      "      if (!worth && Exit.isFailure(yield* Effect.exit(apart(step(0, failure as " +
      "Retryable))))) return yield* fail(failure)\n      const ending"
  },
  {
    name: "a rejection spends the budget that progress gave",
    file: supervisor,
    find: "    if (worth) {\n      yield* reportRecovery",
    replace: "    if (worth && !rejected) {\n      yield* reportRecovery"
  },
  {
    name: "refused credentials are used again",
    file: supervisor,
    find: "    if (cause?.rejected && provider.invalidate !== undefined) {",
    replace: "    if (cause?.rejected && provider.invalidate !== undefined && attempts < 0) {"
  },
  {
    name: "a final error is retried",
    file: supervisor,
    find: `failure._tag === "Retryable" || (rejected`,
    replace: "true || (rejected"
  },
  {
    name: "sending continues after the server announced its end",
    file: session,
    find: "!closeRequested.isDone\n  sending.stop()\n",
    replace: "!closeRequested.isDone\n"
  },
  {
    name: "the connection is dropped without a half-close",
    file: session,
    find: "  yield* session.call.halfClose\n",
    replace: ""
  },
  {
    name: "the old connection stays open during the next one",
    file: supervisor,
    find: "yield* Effect.scoped(attemptSession(core, provider, opened))",
    replace: "(yield* attemptSession(core, provider, opened)) as never"
  },
  {
    name: "closing can be interrupted when half begun",
    file: streamClose,
    find: "  return Effect.uninterruptibleMask((restore) =>\n    Effect.flatMap(",
    replace:
      "  return ((build: (restore: <X>(x: X) => X) => Effect.Effect<void, AckError>) => " +
      "build((x) => x))((restore) =>\n    Effect.flatMap("
  },
  {
    name: "acknowledged waiters are not woken at once",
    file: acknowledgements,
    find: "first.offset <= this.watermark ?",
    replace: "first.offset < this.watermark ?"
  },
  {
    name: "an acknowledgement that arrived before its request was sent is dropped",
    file: flight,
    find: "      if (this.held >= this.session.wire.settled) this.apply()\n",
    replace: "",
    by: "replies"
  },
  {
    name: "waiters are in the wrong order",
    file: "internal/receipts/offsetHeap.ts",
    find: "a.offset < b.offset ||",
    replace: "a.offset > b.offset ||",
    by: "replies"
  },
  {
    name: "a late reader does not receive earlier durable offsets",
    file: acknowledgements,
    find: "return Effect.map(this.settled(Offset(watermark + 1)), () => Offset(this.watermark))",
    replace:
      "return Effect.suspend(() => this.outcome ?? Effect.map(this.await(Offset(watermark + " +
      "1)), () => Offset(this.watermark)))"
  },
  {
    name: "a sink drops the last record of a chunk",
    file: stream,
    find: "      for (const record of records) note(",
    replace: "      for (const record of records.length > 2 ? records.slice(0, -1) : records) note("
  },
  {
    name: "a sink does not wait until all is durable",
    file: stream,
    find: "records === 0 ? Effect.void : Effect.andThen(raising(intake.settled), flush)",
    replace: "Effect.void"
  },
  {
    name: "withStream does not close",
    file: zerobus,
    find: "          if (!isTakenOver(stream)) yield* stream.close\n",
    replace: ""
  },
  {
    name: "the user's schedule is not used",
    file: supervisor,
    find: "  options.recoverySchedule ??\n",
    replace: ""
  },
  {
    name: "a schedule does not receive the failure",
    file: supervisor,
    find: "taken(now, retry)",
    replace:
      'taken(now, new Retryable({ reason: RetryableReason.ConnectionLost({ message: "" }), ' +
      "attempts }))"
  },
  {
    name: "each stream mints a separate token",
    file: tokenCache,
    find: "      if (running === undefined) return start(key)\n",
    replace: '      if (key !== "") return start(key)\n'
  },
  {
    name: "two callers that find no token at the same moment both request one",
    file: tokenCache,
    find: "      if (running === undefined) return start(key)\n",
    replace: "      if (running === undefined) return Effect.suspend(() => start(key))\n"
  },
  {
    name: "a token's life begins when it arrives",
    file: tokenCache,
    find: "    const expiresAt = startedAt + life\n",
    replace: "    const expiresAt = (yield* now) + life\n    void startedAt\n"
  },
  {
    name: "a token is renewed again and again while that fails",
    file: tokenCache,
    find:
      "    entry.renewAt = at + Math.min(Math.max((entry.expiresAt - at) / 2, options.lead " +
      "/ 300), options.lead / 60)\n",
    replace: "    void [entry, at]\n"
  },
  {
    name: "a refused token stays in the cache",
    file: tokenCache,
    find: "if (entry !== undefined && rejected(entry.token)) entries.delete(key)",
    replace: "if (entry !== undefined && rejected(entry.token)) void entries"
  },
  {
    name: "turns of a few records",
    harmless: true,
    file: line,
    find: "  lookAt = STRIDE\n",
    replace: "  lookAt = 0\n",
    also: smallTurns
  },
  {
    name: "callers waiting in line when a turn ends are dropped",
    file: turns,
    find: "    if (this.line.length > 0) this.schedule(scheduler, dispatcher)\n",
    replace: "",
    also: smallTurns
  },
  {
    name: "only the first in line has a turn scheduled",
    file: turns,
    find: "    this.scheduled.delete(scheduler)\n",
    replace: "",
    also: smallTurns
  },
  {
    name: "an error thrown by an observer stays in the engine's call",
    file: "internal/userCode/wake.ts",
    find: "    resume(value)\n  } catch (error) {\n    reportUncaught(error)\n",
    replace: "    resume(value)\n  } catch (error) {\n    throw error\n"
  },
  {
    name: "an observer of a durable offset throws into the session",
    file: acknowledgements,
    find: "wake(first.resume, answer)",
    replace: "first.resume(answer)"
  },
  {
    name: "receipts resolved in pieces of one",
    harmless: true,
    ...smallPieces
  },
  {
    name: "receipts after a piece are never resolved",
    file: pieces,
    find: "if (!scheduling) this.run()",
    replace: "this.busy = scheduling",
    also: [smallPieces]
  },
  {
    name: "an observer of a state or a close throws into the supervisor",
    file: "internal/userCode/answer.ts",
    find: "wake(resume, exit)",
    replace: "resume(exit)"
  },
  {
    name: "an observer of an ingest call throws into the session that made room",
    file: "internal/engine/streamIngest.ts",
    find: "join((answer) => wake(resume, answer))",
    replace: "join((answer) => resume(answer))"
  },
  {
    name: "a logger that throws ends the supervisor",
    file: "internal/userCode/shield.ts",
    find: "new Set([...loggers].map(guardLogger))",
    replace: "loggers"
  },
  {
    name: "a tracer that throws ends the supervisor",
    file: "internal/userCode/shield.ts",
    find: "tracer: tracer && guardTracer(tracer)",
    replace: "tracer"
  },
  {
    name: "a metric that throws ends the session",
    file: "internal/engine/tableMetrics.ts",
    find: "        else series.hooks.update(input, context)\n      } catch (error) {\n",
    replace:
      "        else series.hooks.update(input, context)\n      } catch (error) {\n        throw " +
      "error\n"
  },
  {
    name: "a scheduler that throws ends fibers of the stream",
    file: "internal/userCode/shield.ts",
    find: "scheduler: guardScheduler(scheduler)",
    replace: "scheduler",
    also: [
      {
        file: "internal/landing/nextTurn.ts",
        find: "guardScheduler(scheduler).makeDispatcher()",
        replace: "scheduler.makeDispatcher()"
      }
    ]
  }
]
