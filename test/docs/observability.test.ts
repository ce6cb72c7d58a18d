/**
 * Compares `docs/observability.md`, its dashboard and its alert rules with what the client exposes:
 * a real run against the local server provides the names and labels that Prometheus sees.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { TableProperties, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs"
import { parse } from "yaml"
import { root } from "../support/localEnvironment.ts"
import { named, read, rowsBelow } from "../support/pages.ts"

const page = read("docs/observability.md")
const alertsText = read("docs/observability/alerts.yaml")
const dashboardText = read("docs/observability/dashboard.json")

/** The text that Prometheus scrapes after a run with every kind of event. */
const exposed = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  const orders = TableProperties.json("main.default.orders")
  yield* local.createTable("main.default.orders(id BIGINT)")
  yield* local.inject(orders, Faults.disconnect({ nth: 2 }))
  const zerobus = yield* Zerobus
  const stream = yield* zerobus.createStream(orders, { batching: "off", recoveryBackoff: 1 })
  for (let id = 0; id < 5; id++) yield* (yield* stream.ingestRecord({ id })).await
  return yield* PrometheusMetrics.format()
}).pipe(Effect.scoped, Effect.provide(ZerobusLocal.layerMemory))

const samplesIn = (text: string) =>
  [...text.matchAll(/^(zerobus_\w+)\{([^}]*)\}/gm)].map(([, name, labels]) => ({
    name: name!,
    labels: [...labels!.matchAll(/(\w+)="/g)].map(([, label]) => label!)
  }))

interface Rule {
  readonly alert: string
  readonly expr: string
}
const rules = (parse(alertsText).groups as ReadonlyArray<{ rules: ReadonlyArray<Rule> }>).flatMap(
  ({ rules }) => rules
)
interface Panel {
  readonly title: string
  readonly targets: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
}
const panels = JSON.parse(dashboardText).panels as ReadonlyArray<Panel>
const targets = panels.flatMap(({ targets }) => targets)

const metricsOf = (expression: string) => expression.match(/\bzerobus_\w+/g) ?? []
const labelsOf = (expression: string) => [
  ...[...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/,\s*/)),
  ...[...expression.matchAll(/[{,]\s*(\w+)\s*(?:=~?|!=|!~)/g)].map(([, label]) => label!)
]

describe("the dashboard and the alerts", () => {
  it.live("use metrics and labels that the client exposes", () =>
    Effect.gen(function* () {
      const samples = samplesIn(yield* exposed)
      assert.isAbove(samples.length, 10)
      const labels = new Map<string, Set<string>>()
      for (const { labels: found, name } of samples) {
        const known = labels.get(name) ?? new Set()
        found.forEach((label) => known.add(label))
        labels.set(name, known)
      }
      const expressions = [...rules, ...targets].map(({ expr }) => expr)
      assert.isAbove(expressions.length, 20)
      for (const expression of expressions) {
        const metrics = metricsOf(expression)
        assert.isAbove(metrics.length, 0, expression)
        for (const metric of metrics) {
          assert.isTrue(labels.has(metric), `${metric} in ${expression}`)
          for (const label of labelsOf(expression))
            assert.include([...labels.get(metric)!], label, expression)
        }
      }
      for (const { expr, legendFormat } of targets) {
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          assert.include(labelsOf(expr), label!, legendFormat)
        }
      }
    })
  )

  it("leave out no metric", () => {
    const inPanels = targets
      .flatMap(({ expr }) => metricsOf(expr))
      .map((name) => name.replace(/_bucket$/, ""))
    const metrics = [...read("src/ZerobusMetrics.ts").matchAll(/Metric\.\w+\(\s*"(zerobus_\w+)"/g)]
    const names = metrics.map(([, name]) => name!)
    assert.isAbove(names.length, 10)
    assert.includeMembers([...new Set(inPanels)], names)
    const inPage = rowsBelow(page, "## Metrics")
      .slice(1)
      .flatMap(([cell]) => named(cell!))
    assert.deepStrictEqual([...inPage].sort(), names.sort())
  })

  it("match the page", () => {
    const inPage = rowsBelow(page, "## Alerts")
      .slice(1)
      .map(([cell]) => named(cell!)[0])
    assert.deepStrictEqual(
      inPage,
      rules.map(({ alert }) => alert)
    )
  })
})

const sources = Fs.globSync(["src/*.ts", "src/internal/**/*.ts"], { cwd: root }).map(read).join("")

describe("the page on observability", () => {
  it("quotes lines of the log as they are", () => {
    const lines = rowsBelow(page, "## Logs")
      .flatMap(([, text]) => named(text!))
      .filter((text) => /^[A-Z].* /.test(text))
    assert.isAbove(lines.length, 5)
    for (const line of lines) assert.include(sources, `"${line}`)
  })

  it("names every span of the client", () => {
    const spans = [
      ...sources.matchAll(/Effect\.fn\("([\w.]+)"|"(Zerobus(?:Stream)?\.[a-z]\w+)"/g)
    ].map(([, fn, span]) => fn ?? span!)
    const inPage = /^Spans are [^]*?\n$/m.exec(page)![0].match(/(?<=`)\w+\.\w+(?=`)/g)!
    assert.sameMembers([...new Set(spans)], inPage)
  })
})
