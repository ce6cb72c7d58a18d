/**
 * Telemetry of a program: log lines, spans and metrics, stored for a test.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

/** One log line. */
export interface Line {
  readonly level: string
  readonly text: unknown
  /** The values after the text. */
  readonly details: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

/** The telemetry so far. */
export class Reports {
  readonly lines: Array<Line> = []
  readonly spans: Array<{
    readonly name: string
    readonly attributes: Readonly<Record<string, unknown>>
  }> = []

  /** The log lines with this text. */
  linesOf(text: string): ReadonlyArray<Line> {
    return this.lines.filter((line) => line.text === text)
  }

  /** The attributes of the spans with this name. */
  spansOf(name: string): ReadonlyArray<Readonly<Record<string, unknown>>> {
    return this.spans.filter((span) => span.name === name).map((span) => span.attributes)
  }
}

/** Runs a program and stores its log lines of all levels, and its spans when they start. */
export const reporting = <A, E, R>(
  program: (reports: Reports) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const reports = new Reports()
  const logger = Logger.make((options) => {
    const [text, ...details] = Array.isArray(options.message)
      ? (options.message as ReadonlyArray<unknown>)
      : [options.message]
    reports.lines.push({
      level: options.logLevel,
      text,
      details: details[0],
      annotations: options.fiber.getRef(References.CurrentLogAnnotations)
    })
  })
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const end = span.end.bind(span)
      span.end = (endTime, exit) => {
        end(endTime, exit)
        reports.spans.push({ name: span.name, attributes: Object.fromEntries(span.attributes) })
      }
      return span
    }
  })
  return program(reports).pipe(
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.withTracer(tracer)
  )
}

/**
 * The metrics of one table: `name` or `name/cause` mapped to the count, or to the number of
 * observations.
 */
export const metricsOf = (table: string): Effect.Effect<Readonly<Record<string, number>>> =>
  Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(
      all.flatMap(({ attributes, id, state }) => {
        const named = (attributes ?? {}) as Readonly<Record<string, string>>
        if (named["table"] !== table) return []
        const value = (state as { readonly count?: number; readonly value?: number }) ?? {}
        const name =
          id.replace("zerobus_", "") + (named["cause"] === undefined ? "" : `/${named["cause"]}`)
        return [
          [
            named["stream"] === undefined ? name : `${name} of ${named["stream"]}`,
            value.count ?? value.value ?? NaN
          ]
        ]
      })
    )
  )
