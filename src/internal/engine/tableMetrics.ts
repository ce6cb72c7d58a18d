/**
 * The series of one table in a metric registry, looked up once and shared by all streams to the
 * table. Effect looks a series up for each update, by a key that it rebuilds when tables take
 * turns. That costs more than sending a small record.
 *
 * The registry belongs to the user and may throw. An update that throws is lost.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { RetryableReason } from "../../ZerobusError.ts"
import * as ZerobusMetrics from "../../ZerobusMetrics.ts"
import { warnOnce } from "../userCode/wake.ts"

type Registry = Map<string, Metric.Metric.Metadata<any, any>>

/** The attributes that identify the series of a stream; `lane` in a stream with several. */
export type SeriesOf = { readonly table: string; readonly lane?: string }

/** One series. */
export interface Series {
  readonly update: (input: number) => void
  /** Adds it to the registry unless it is there. */
  readonly ensure: () => void
}

/** Why a connection is replaced: a transient failure, or refused credentials. */
const reconnectCauses: Readonly<
  Record<
    Exclude<RetryableReason["_tag"], "SpoolUnavailable"> | "InvalidToken" | "PermissionDenied",
    true
  >
> = {
  ConnectionLost: true,
  ConnectTimeout: true,
  ServerUnavailable: true,
  AckTimeout: true,
  TokenServiceUnavailable: true,
  CatalogUnavailable: true,
  InvalidToken: true,
  PermissionDenied: true
}

const makeSeries = (
  metric: Metric.Metric<number, any>,
  attributes: Metric.Metric.AttributeSet,
  registry: Registry,
  context: Context.Context<never>
): Series => {
  const bound = Metric.withAttributes(metric, attributes)
  let key: string | undefined
  return {
    update: (input) => {
      try {
        const series = key === undefined ? undefined : registry.get(key)
        // A series that was removed is created again.
        if (series === undefined) bound.updateUnsafe(input, context)
        else series.hooks.update(input, context)
      } catch (error) {
        warnOnce(registry, "metric registry", error)
      }
    },
    ensure: () => {
      try {
        if (key === undefined || registry.get(key) === undefined)
          key = keyOf(bound, registry, context)
      } catch (error) {
        warnOnce(registry, "metric registry", error)
      }
    }
  }
}

/** The key of a metric's series in the registry. Adds the series if it is missing. */
const keyOf = (
  metric: Metric.Metric<number, any>,
  registry: Registry,
  context: Context.Context<never>
): string | undefined => {
  let key: string | undefined
  const noting: Registry = new Map()
  noting.get = (asked) => registry.get((key = asked))
  noting.set = (asked, series) => {
    registry.set(asked, series)
    return noting
  }
  metric.valueUnsafe(Context.add(context, Metric.MetricRegistry, noting) as Context.Context<never>)
  return key
}

const makeTableMetrics = (
  series: SeriesOf,
  registry: Registry,
  attributes: Metric.Metric.AttributeSet
) => {
  // Without the rest of the stream's context, which must not live as long as the registry.
  const context = Context.empty().pipe(
    Context.add(Metric.MetricRegistry, registry),
    Context.add(Metric.CurrentMetricAttributes, attributes)
  ) as Context.Context<never>
  const of = (metric: Metric.Metric<number, any>, more?: Metric.Metric.AttributeSet): Series =>
    makeSeries(metric, { ...series, ...more }, registry, context)
  const named = {
    recordsIngested: of(ZerobusMetrics.recordsIngested),
    bytesIngested: of(ZerobusMetrics.bytesIngested),
    recordsDurable: of(ZerobusMetrics.recordsDurable),
    bytesDurable: of(ZerobusMetrics.bytesDurable),
    recordsResent: of(ZerobusMetrics.recordsResent),
    recordsReturned: of(ZerobusMetrics.recordsReturned),
    ackLatency: of(ZerobusMetrics.ackLatency),
    recordsRefused: of(ZerobusMetrics.recordsRefused),
    staleAcknowledgements: of(ZerobusMetrics.staleAcknowledgements),
    sessionsOpened: of(ZerobusMetrics.sessionsOpened),
    pauses: of(ZerobusMetrics.pauses)
  }
  const reconnects = new Map(
    Object.keys(reconnectCauses).map(
      (cause) => [cause, of(ZerobusMetrics.reconnects, { cause })] as const
    )
  )
  return { ...named, context, reconnects, all: [...Object.values(named), ...reconnects.values()] }
}

/** The counters and the histogram of one table. */
export type TableMetrics = ReturnType<typeof makeTableMetrics>

/** By registry, by the attributes that the program sets on all its metrics, and by table. */
const known = new WeakMap<
  Registry,
  WeakMap<Metric.Metric.AttributeSet, Map<string, TableMetrics>>
>()

/**
 * The metrics of a table, or of one lane, in a stream's context. They are in the registry from now
 * on.
 */
export const tableMetrics = (series: SeriesOf, context: Context.Context<never>): TableMetrics => {
  const registry = Context.get(context, Metric.MetricRegistry)
  const attributes = Context.get(context, Metric.CurrentMetricAttributes)
  const byAttributes =
    known.get(registry) ?? new WeakMap<Metric.Metric.AttributeSet, Map<string, TableMetrics>>()
  known.set(registry, byAttributes)
  const byTable = byAttributes.get(attributes) ?? new Map<string, TableMetrics>()
  byAttributes.set(attributes, byTable)
  // The name of a table contains no space.
  const name = series.lane === undefined ? series.table : `${series.table} ${series.lane}`
  const metrics = byTable.get(name) ?? makeTableMetrics(series, registry, attributes)
  byTable.set(name, metrics)
  for (const one of metrics.all) one.ensure()
  return metrics
}
