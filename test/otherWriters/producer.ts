/**
 * A real client that sends numbered records to a table and records which were acknowledged and
 * which refused.
 */
import { Effect, Exit, Scope, Semaphore } from "effect"
import { TableProperties, Zerobus, type ZerobusStream } from "effect-zerobus"
import { partOf, type Row } from "./changes.ts"

/** The columns of the tables of this suite. */
export const columns =
  "id BIGINT NOT NULL, part INT, note STRING, amount DECIMAL(9,2), at TIMESTAMP, tags ARRAY<STRING>"

/** A column that another writer added. */
export interface Extra {
  readonly column: string
  readonly type: "integer" | "string"
}

/** A client of one table. Its calls run one at a time. */
export interface Producer {
  /**
   * Sends a batch and waits until it is durable. A failure is only recorded, and the next batch
   * opens a new stream.
   */
  readonly send: (count: number) => Effect.Effect<void>
  /** Opens a new stream for the next batch, whose records also have this column. */
  readonly follow: (extra: Extra) => Effect.Effect<void>
  readonly close: Effect.Effect<void>
  /** All records that may have reached the server, as the rows that they must become. */
  readonly sent: ReadonlyMap<number, Row>
  readonly acknowledged: ReadonlySet<number>
  /** The server's messages when it ended or refused a stream. */
  readonly refusals: ReadonlyArray<string>
}

const record = (id: number, extras: ReadonlyArray<Extra>) => ({
  id,
  part: partOf(id),
  note: "sent",
  amount: `${id % 1000}.25`,
  at: 1_767_225_600_000_000 + id,
  tags: ["a", `${id}`],
  ...Object.fromEntries(
    extras.map(({ column, type }) => [column, type === "integer" ? id % 100 : `extra ${id}`])
  )
})

export const makeProducer = Effect.fnUntraced(function* (tableName: string) {
  const zerobus = yield* Zerobus
  const table = TableProperties.json(tableName)
  const sent = new Map<number, Row>()
  const acknowledged = new Set<number>()
  const refusals: Array<string> = []
  const extras: Array<Extra> = []
  const turn = yield* Semaphore.make(1)
  let next = 0
  let open: { readonly stream: ZerobusStream<any>; readonly scope: Scope.Closeable } | undefined

  const close = Effect.suspend(() => {
    const scope = open?.scope
    open = undefined
    return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
  })
  const stream = Effect.gen(function* () {
    if (open !== undefined) return open.stream
    const scope = yield* Scope.make()
    const made = yield* zerobus.createStream(table).pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    open = { stream: made, scope }
    return made
  })
  const send = (count: number) =>
    Effect.gen(function* () {
      const to = yield* stream
      const records = Array.from({ length: count }, (_, n) => record(next + n, extras))
      next += count
      for (const each of records) sent.set(each.id, { ...each, at: BigInt(each.at) } as Row)
      const ack = yield* to.ingestRecords(records)
      yield* ack!.await
      for (const { id } of records) acknowledged.add(id)
    }).pipe(
      Effect.catch((failure) => {
        refusals.push(failure.message)
        return close
      })
    )
  yield* Effect.addFinalizer(() => close)
  const producer: Producer = {
    send: (count) => turn.withPermit(send(count)),
    follow: (extra) =>
      turn.withPermit(
        Effect.andThen(
          close,
          Effect.sync(() => void extras.push(extra))
        )
      ),
    close: turn.withPermit(close),
    sent,
    acknowledged,
    refusals
  }
  return producer
})
