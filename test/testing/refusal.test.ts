/**
 * A record that the local server refuses costs only that record, with the server's own checks and
 * with scripted refusals.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"

const untyped = TableProperties.json("main.default.refused")

const run = <A, E>(program: Effect.Effect<A, E, Zerobus | ZerobusLocal>) =>
  Effect.andThen(
    ZerobusLocal.use((local) => local.createTable(`${untyped.tableName}(n INT)`)),
    program
  ).pipe(Effect.provide(ZerobusLocal.layerMemory))

describe("the local server", () => {
  it.live("refuses one record, which it names by offset and index", () =>
    run(
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const zerobus = yield* Zerobus
        const refused: Array<{ offset: number; message: string }> = []
        yield* zerobus.withStream(
          untyped,
          {
            onRefused: ({ cause, offset }) =>
              Effect.sync(() => refused.push({ offset, message: cause.message }))
          },
          (stream) =>
            Effect.forEach(
              Array.from({ length: 500 }, (_, n) => ({ n: n === 321 ? "no number" : n })),
              stream.ingestRecord,
              {
                discard: true
              }
            )
        )
        assert.strictEqual(refused.length, 1)
        assert.strictEqual(refused[0]!.offset, 321)
        assert.match(
          refused[0]!.message,
          /^The server refused the record at offset 321\. The server returned INVALID_ARGUMENT: Record 0 of the batch was refused, column n/
        )
        const audit = yield* local.audit(untyped)
        assert.strictEqual(audit.distinctRecords, 499)
      })
    )
  )

  for (const earlier of ["durable", "lost"] as const) {
    it.live(
      `refuses the fifth message, those before it unacknowledged and ${earlier}, and nothing is ` +
        `lost`,
      () =>
        run(
          Effect.gen(function* () {
            const local = yield* ZerobusLocal
            const zerobus = yield* Zerobus
            yield* local.inject(untyped, ...Faults.refuse({ nth: 5, earlier }))
            const refused: Array<number> = []
            yield* zerobus.withStream(
              untyped,
              {
                batching: "off",
                onRefused: ({ offset }) => Effect.sync(() => refused.push(offset))
              },
              (stream) =>
                Effect.forEach(
                  Array.from({ length: 20 }, (_, n) => ({ n })),
                  stream.ingestRecord,
                  { discard: true }
                )
            )
            // The server refuses nothing when the suspect records are sent again.
            assert.deepStrictEqual(refused, [])
            const audit = yield* local.audit(untyped)
            assert.strictEqual(audit.distinctRecords, 20)
          })
        )
    )
  }
})
