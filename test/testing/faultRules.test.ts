/**
 * A fault that could not trigger is refused at injection, so that no test passes because nothing
 * went wrong.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Faults, Latency, ZerobusLocal } from "effect-zerobus/testing"
import * as A from "../support/acceptance.ts"

const table = "main.default.orders"
const action = { _tag: "Hold" } as const

/** Refused faults, with the path of the problem below the fault. */
const wrong: ReadonlyArray<readonly [fault: unknown, path: string]> = [
  [Faults.disconnect({ afterRecords: 5, nth: 3 }), "nth"],
  [Faults.disconnect({ offset: 5, nth: 3 }), "nth"],
  [Faults.disconnect({ offset: 5, afterRecords: 3 }), "afterRecords"],
  [Faults.hold("ack", 2, { offset: 3 }), "nth"],
  [Faults.disconnect({ nth: 0 }), "nth"],
  [Faults.disconnect({ nth: 1.5 }), "nth"],
  [Faults.disconnect({ afterRecords: 0 }), "afterRecords"],
  [Faults.disconnect({ offset: -1 }), "offset"],
  [Faults.disconnect({ connection: 0 }), "connection"],
  [Faults.disconnect({ times: 0 }), "times"],
  [Faults.reject({ status: "UNAVAILABLE", offset: 1 }), "offset"],
  [Faults.reject({ status: "BUSY" as never }), "action.code"],
  [Faults.disconnect({ how: "rst" as never }), "action.how"],
  [Faults.badAck("wrong" as never), "action.kind"],
  [Faults.delay("ack", "Infinity"), "action.millis"],
  [Faults.ackAt([-1]), "action.acks"],
  [Faults.ackAt([1], { nth: 2 } as object), "nth"],
  [Faults.ackLatency({} as never), "action.latency"],
  [{ at: "foo", action: { _tag: "Bar" } }, "at"],
  [{ at: "ack", action: { _tag: "Bar" } }, "action"],
  [{ at: "ack", action: { _tag: "toString" } }, "action"],
  [{ at: "ack" }, "action"],
  [{ action }, "at"],
  [{ at: "ack", action, afterRecord: 5 }, "afterRecord"],
  [{ at: "ack", action: { ...action, millis: 5 } }, "action.millis"],
  [{ at: "ack", action: { _tag: "Lose" } }, "at"],
  [{ at: "message", action: Faults.ackAt([1]).action }, "at"],
  [null, ""]
]

/** Every fault constructor with valid options. */
const right: ReadonlyArray<Faults.Fault> = [
  Faults.disconnect({}),
  Faults.disconnect({ at: "durable", offset: 0, connection: 1, times: Infinity, how: "fin" }),
  Faults.reject({ status: "UNAVAILABLE", details: Uint8Array.of(1), message: "" }),
  Faults.fail({ status: "ABORTED", at: "connect", nth: 2 }),
  Faults.endStream({ afterRecords: 1 }),
  Faults.rejectTokens(),
  Faults.expireToken(),
  Faults.closeSignal({ duration: "2 seconds" }),
  Faults.closeSignal({ withAck: true, offset: 3 }),
  Faults.hold("create"),
  Faults.hold("ack", undefined, { offset: 3 }),
  Faults.delay("halfClose", 0.5),
  Faults.stallAcks({ offset: 2 }),
  Faults.ackAt([0, 2, 2], { connection: 1, times: 2, afterwards: "silence" }),
  Faults.ackLatency(Latency.uniform("1 millis", "2 millis"), { seed: -1 }),
  Faults.loseMessages(),
  Faults.dropMessages({ nth: 3 }),
  Faults.ignoreCreate(),
  Faults.badAck("missing", { at: "create" }),
  Faults.rawResponse(Buffer.of(1))
]

layer(ZerobusLocal.layerMemory, { excludeTestServices: true })("a script", (it) => {
  it.effect(
    "refuses a fault that could not strike as it says, and adds none of those given with it",
    () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(`${table}(id BIGINT)`)
        for (const [fault, path] of wrong) {
          const given = [Faults.stallAcks(), fault as Faults.Fault]
          const error = A.tagged(
            yield* Effect.flip(local.inject(table, ...given)),
            "InvalidArgument"
          )
          assert.strictEqual(
            error.path.join("."),
            `faults.1${path === "" ? "" : `.${path}`}`,
            error.message
          )
          assert.include(error.message, error.path.join("."))
        }
        yield* local.inject(table, ...right)
        yield* local.clearFaults(table)
      })
  )

  it.effect("refuses a table that is not there, so that a mistyped name is noticed", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      for (const [name, said] of [
        ["main.default.nope", /There is no table main\.default\.nope .*createTable/],
        ["nope", /Write catalog\.schema\.table/]
      ] as const) {
        const fault = Faults.disconnect({})
        assert.match(
          A.tagged(yield* Effect.flip(local.inject(name, fault)), "InvalidTable").message,
          said
        )
        assert.match(
          A.tagged(yield* Effect.flip(local.audit({ name })), "InvalidTable").message,
          said
        )
      }
    })
  )
})

describe("the samples above", () => {
  it("have every constructor of faults of streams", () => {
    const built = new Set(right.map((fault) => fault.action._tag))
    const all = [...wrong.map(([fault]) => (fault as Faults.Fault | null)?.action?._tag), ...built]
    assert.includeMembers(
      [...built],
      [...new Set(all)].filter((tag) => tag !== undefined && !["Bar", "toString"].includes(tag))
    )
    assert.strictEqual(built.size, 14)
  })
})
