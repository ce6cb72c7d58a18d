/**
 * The metric series of a table are looked up once, shared by its streams, and created again if they
 * were removed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Metric } from "effect"
import { tableMetrics } from "../../../src/internal/engine/tableMetrics.ts"
import * as ZerobusMetrics from "../../../src/ZerobusMetrics.ts"

const contextOf = (registry: Map<string, any>, attributes: Readonly<Record<string, string>> = {}) =>
  Context.empty().pipe(
    Context.add(Metric.MetricRegistry, registry),
    Context.add(Metric.CurrentMetricAttributes, attributes)
  ) as Context.Context<never>

const ingested = (context: Context.Context<never>, table: string): number =>
  Metric.withAttributes(ZerobusMetrics.recordsIngested, { table }).valueUnsafe(context).count

describe("the metrics of a table", () => {
  it("are shared by all streams of a table, and differ by table, attributes and registry", () => {
    const attributes = { service: "a" }
    const registry = new Map()
    const context = contextOf(registry, attributes)
    const one = tableMetrics({ table: "t" }, context)
    assert.strictEqual(tableMetrics({ table: "t" }, contextOf(registry, attributes)), one)
    assert.notStrictEqual(tableMetrics({ table: "u" }, context), one)
    assert.notStrictEqual(tableMetrics({ table: "t" }, contextOf(registry, { service: "b" })), one)
    assert.notStrictEqual(tableMetrics({ table: "t" }, contextOf(new Map(), attributes)), one)
    one.recordsIngested.update(3)
    one.recordsIngested.update(4)
    assert.deepStrictEqual([ingested(context, "t"), ingested(context, "u")], [7, 0])
  })

  it(
    "are in the registry from the first stream on, and again from the next one when they were " +
      "removed",
    () => {
      const registry = new Map()
      const context = contextOf(registry)
      tableMetrics({ table: "t" }, context)
      const size = registry.size
      assert.isAbove(size, 10)
      registry.clear()
      tableMetrics({ table: "t" }, context)
      assert.strictEqual(registry.size, size)
    }
  )

  it("count on in a new series when theirs was removed", () => {
    const registry = new Map()
    const context = contextOf(registry)
    const { recordsIngested } = tableMetrics({ table: "t" }, context)
    recordsIngested.update(3)
    registry.clear()
    recordsIngested.update(4)
    recordsIngested.update(5)
    assert.strictEqual(ingested(context, "t"), 9)
  })
})
