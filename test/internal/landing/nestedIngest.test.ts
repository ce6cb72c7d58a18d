/**
 * Encoders run user code: getters, `toJSON`, codecs. Its effects on streams must not change the
 * record that is being encoded, nor records that were accepted before.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Column from "../../../src/Column.ts"
import { CHUNK_SIZE } from "../../../src/internal/landing/chunk.ts"
import type { LandingZone, Refusal } from "../../../src/internal/landing/landingZone.ts"
import { bytesCodec, jsonTextCodec } from "../../../src/internal/codec/untypedCodecs.ts"
import * as Table from "../../../src/Table.ts"
import { InvalidArgument } from "../../../src/ZerobusError.ts"
import { makeZone } from "../../support/zones.ts"

const typed = Table.make("main.default.nested", {
  a: Column.String,
  s: Column.Struct({ x: Column.String, y: Column.String })
})
const typedZone = Effect.map(
  makeZone({}, typed.codec as never),
  (zone) => zone as unknown as LandingZone<unknown>
)

const payloads = (zone: LandingZone<any>) => {
  zone.closeUnsafe()
  return zone.unackedUnsafe().flatMap((message) => message.payloads())
}
const readAll = (zone: LandingZone<any>) => payloads(zone).map((bytes) => typed.codec.read(bytes))
const refusedAsNested = (result: number | Refusal | (() => void)) => {
  if (!(result instanceof InvalidArgument)) return assert.fail(`not refused: ${String(result)}`)
  assert.include(result.message, "Encoding a record of this stream ingested another one into it")
  assert.deepStrictEqual(result.path, [])
}

describe("a record whose encoder ingests into the same stream", () => {
  it.effect("is accepted, while what its encoder hands in is refused, in each way to hand in", () =>
    Effect.gen(function* () {
      let inside: (() => void) | undefined
      const zone: LandingZone<Uint8Array> = yield* makeZone(
        {},
        {
          read: bytesCodec.read,
          write: (record, sink) => {
            const now = inside
            inside = undefined
            now?.()
            return bytesCodec.write(record, sink)
          }
        }
      )
      const long = Uint8Array.from({ length: 300 }, () => 9)
      const ways = [
        () => zone.offerUnsafe(Uint8Array.of(1)),
        () => zone.offerBatchUnsafe([Uint8Array.of(2)]),
        () => zone.waitUnsafe([Uint8Array.of(3)], false, () => assert.fail("admitted")),
        () => zone.waitUnsafe([Uint8Array.of(4)], true, () => assert.fail("admitted"))
      ]
      const expected: Array<ReadonlyArray<number>> = []
      for (const way of ways) {
        let asked = 0
        const ask = () => {
          asked++
          refusedAsNested(way())
        }
        inside = ask
        assert.isNumber(zone.offerUnsafe(long))
        inside = ask
        assert.isNumber(zone.offerBatchUnsafe([Uint8Array.of(5), long]))
        inside = ask
        const admitted: Array<unknown> = []
        zone.waitUnsafe([Uint8Array.of(6)], false, (offset) => admitted.push(offset))
        assert.deepStrictEqual([asked, admitted.length], [3, 1])
        expected.push([...long], [5], [...long], [6])
      }
      // The zone is still usable.
      assert.isNumber(zone.offerUnsafe(Uint8Array.of(7)))
      assert.deepStrictEqual(
        payloads(zone).map((bytes) => [...bytes]),
        [...expected, [7]]
      )
    })
  )

  it.effect(
    "is not written into those accepted before, when the encoder writes on afterwards",
    () =>
      Effect.gen(function* () {
        const zone = yield* typedZone
        const plain = { a: "", s: { x: "f".repeat(60), y: "y" } }
        const count = Math.floor(CHUNK_SIZE / 76) - 2
        for (let n = 0; n < count; n++) assert.strictEqual(zone.offerUnsafe(plain), n)
        const outer = {
          a: "x".repeat(400),
          s: {
            get x() {
              refusedAsNested(zone.offerUnsafe(plain))
              return "outer"
            },
            y: "why"
          }
        }
        assert.strictEqual(zone.offerUnsafe(outer), count)
        const read = readAll(zone)
        assert.strictEqual(read.length, count + 1)
        assert.deepStrictEqual(
          read.slice(0, count),
          Array.from({ length: count }, () => plain)
        )
        assert.deepStrictEqual(read[count], { a: "x".repeat(400), s: { x: "outer", y: "why" } })
      })
  )

  it.effect("leaves the zone usable when reading a batch's records throws", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone()
      const batch = [Uint8Array.of(1)]
      Object.defineProperty(batch, 0, {
        get: () => {
          throw new Error("by a getter")
        }
      })
      assert.throws(() => zone.offerBatchUnsafe(batch), "by a getter")
      assert.strictEqual(zone.offerUnsafe(Uint8Array.of(2)), 0)
    })
  )
})

describe("a record whose encoder ingests into another stream", () => {
  it.effect("is written whole, though the other one's write moves to another chunk", () =>
    Effect.gen(function* () {
      const zone = yield* typedZone
      const other = yield* typedZone
      const small = { a: "", s: { x: "f", y: "y" } }
      for (let n = 0; n < CHUNK_SIZE / 20; n++) assert.strictEqual(other.offerUnsafe(small), n)
      const inner = { a: "", s: { x: "n".repeat(CHUNK_SIZE / 2), y: "z" } }
      const outer = {
        a: "",
        s: {
          get x() {
            assert.isNumber(other.offerUnsafe(inner))
            return "outer"
          },
          y: "why"
        }
      }
      assert.strictEqual(zone.offerUnsafe(outer), 0)
      assert.deepStrictEqual(readAll(zone), [{ a: "", s: { x: "outer", y: "why" } }])
      assert.deepStrictEqual(readAll(other).at(-1), inner)
    })
  )
})

describe("callers that wait for room", () => {
  const limits = { maxInflightBytes: 2000, coalesceBytes: 100 } as const
  const jsonZone = Effect.map(
    makeZone(limits, jsonTextCodec as never),
    (zone) => zone as unknown as LandingZone<unknown>
  )

  it.effect(
    "are not let in while a record is encoded whose encoder takes one of them out of the line",
    () =>
      Effect.gen(function* () {
        const zone = yield* jsonZone
        zone.offerUnsafe({ first: 1, pad: "p".repeat(1000) })
        const admitted: Array<string> = []
        const wait = (name: string, record: unknown) =>
          zone.waitUnsafe([record], false, () => admitted.push(name))
        const leave = wait("big", { big: "b".repeat(1500) })
        wait("small", { small: 2 })
        assert.isFunction(
          wait("third", {
            toJSON: () => {
              if (typeof leave === "function") leave()
              return { third: 3 }
            }
          })
        )
        assert.deepStrictEqual(admitted, ["small", "third"])
        const texts = payloads(zone).map((bytes) => Buffer.from(bytes).toString())
        assert.deepStrictEqual(texts.slice(1), ['{"small":2}', '{"third":3}'])
      })
  )

  it.effect("are answered when an encoder closes the stream, refused or not", () =>
    Effect.gen(function* () {
      for (const refuse of [true, false]) {
        const zone = yield* jsonZone
        zone.offerUnsafe({ first: 1, pad: "p".repeat(1000) })
        const answers: Array<unknown> = []
        zone.waitUnsafe([{ big: "b".repeat(1500) }], false, (offset) => answers.push(offset))
        const last = zone.waitUnsafe(
          [
            {
              toJSON: () => {
                zone.closeUnsafe()
                return refuse ? undefined : { last: 1 }
              }
            }
          ],
          false,
          (offset) => answers.push(offset)
        )
        assert.strictEqual(last instanceof InvalidArgument, refuse)
        assert.deepStrictEqual(answers, refuse ? [undefined] : [undefined, undefined])
      }
    })
  )
})
