/**
 * Compares the encoding of typed records with the static code that protobufjs generates for the
 * same messages.
 *
 * Run with
 * `node --conditions=effect-zerobus-source --expose-gc test/benchmark/encoder.bench.ts [--check]`.
 * Three shapes: 3 columns, 20 columns, and 105 columns with nesting. Each shape runs in a separate
 * process. Both encoders run in turns over the same 1,000 records: ours with all its checks,
 * protobufjs without `verify` and with plain numbers for 64-bit integers, its fastest form. Prints
 * medians of the rounds, and the median of the ratios within each round. `--check` exits with 1 if
 * a ratio is below 1.
 */
import { DateTime, Result } from "effect"
import { Column, Table } from "effect-zerobus"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { planTable } from "../../src/internal/protobuf/messagePlan.ts"
import { planToProto } from "../../src/cli/generate/protoText.ts"
import type { ByteSink } from "../../src/internal/recordCodec.ts"

const root = resolve(import.meta.dirname, "../..")
const records = 1_000
const rounds = 15
const roundMillis = 200

/** A table, and for each record number the inputs of our encoder and of protobufjs. */
interface Shape {
  readonly table: Table.Table<any>
  readonly ours: (n: number) => unknown
  readonly plain: (n: number) => unknown
}

const at = 1_767_225_600_000
const text = (n: number, column: number): string =>
  `value-${column}-${(n * 7919 + column * 104_729) % 100_000}`

const small: Shape = {
  table: Table.make("main.bench.small", {
    device_name: Column.String,
    temp: Column.Int,
    humidity: Column.BigInt
  }),
  ours: (n) => ({
    device_name: `sensor-${n % 100}`,
    temp: 20 + (n % 15),
    humidity: BigInt(50 + (n % 40))
  }),
  plain: (n) => ({ device_name: `sensor-${n % 100}`, temp: 20 + (n % 15), humidity: 50 + (n % 40) })
}

// Five types in turn: text, integers, doubles, timestamps, booleans.
const kinds = 5
const scalarColumn = (index: number) =>
  [Column.String, Column.Int, Column.Double, Column.Timestamp, Column.Boolean][index % kinds]!
const scalarValue = (n: number, index: number, plain: boolean): unknown => {
  switch (index % kinds) {
    case 0:
      return text(n, index)
    case 1:
      return (n * 31 + index) % 1_000_000
    case 2:
      return n * 1.5 + index
    case 3:
      return plain ? (at + n * 1000) * 1000 : DateTime.makeUnsafe(at + n * 1000)
    default:
      return (n + index) % 2 === 0
  }
}
const flat = <A>(count: number, from: number, value: (index: number) => A): Record<string, A> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`column_${from + index}`, value(from + index)])
  )

const medium: Shape = {
  table: Table.make("main.bench.medium", flat(20, 0, scalarColumn)),
  ours: (n) => flat(20, 0, (index) => scalarValue(n, index, false)),
  plain: (n) => flat(20, 0, (index) => scalarValue(n, index, true))
}

const largeRecord = (n: number, plain: boolean): unknown => ({
  ...flat(100, 0, (index) => scalarValue(n, index, plain)),
  place: {
    ...flat(5, 0, (index) => scalarValue(n, index, plain)),
    inner: flat(5, 5, (index) => scalarValue(n, index, plain))
  },
  tags: ["lab", "outside", text(n, 1)],
  points: [0, 1, 2].map((step) => ({ lat: n + step / 2, lon: step - n / 2 })),
  counts: [n, n + 1, n + 2, n + 3],
  note: n % 2 === 0 ? (plain ? undefined : null) : "odd"
})
const large: Shape = {
  table: Table.make("main.bench.large", {
    ...flat(100, 0, scalarColumn),
    place: Column.Struct({
      ...flat(5, 0, scalarColumn),
      inner: Column.Struct(flat(5, 5, scalarColumn))
    }),
    tags: Column.Array(Column.String),
    points: Column.Array(Column.Struct({ lat: Column.Double, lon: Column.Double })),
    counts: Column.Array(Column.Int),
    note: Column.nullable(Column.String)
  }),
  ours: (n) => largeRecord(n, false),
  plain: (n) => largeRecord(n, true)
}

const shapes: Readonly<Record<string, Shape>> = {
  "3 columns": small,
  "20 columns": medium,
  "105 columns, nested": large
}

interface StaticType {
  readonly encode: (record: unknown) => { readonly finish: () => Uint8Array }
}

/** The static module that protobufjs generates for a table. */
const generateStatic = (shape: Shape): StaticType => {
  mkdirSync(join(root, "reports"), { recursive: true })
  const folder = mkdtempSync(join(root, "reports/encoder-"))
  try {
    const plan = Result.getOrThrow(planTable(shape.table.definition))
    writeFileSync(join(folder, "table.proto"), planToProto(plan, { packageName: "bench" }))
    const pbjs = join(root, "node_modules/protobufjs-cli/bin/pbjs")
    const options = [
      "-t",
      "static-module",
      "-w",
      "commonjs",
      "--keep-case",
      "--no-comments",
      "-o",
      join(folder, "table.cjs")
    ]
    execFileSync(process.execPath, [pbjs, ...options, join(folder, "table.proto")], {
      stdio: "inherit"
    })
    return createRequire(import.meta.url)(join(folder, "table.cjs")).bench[plan.name] as StaticType
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** One shape, both encoders in turns: nanoseconds per record for each round. */
const measure = (shape: Shape) => {
  const type = generateStatic(shape)
  const ours = Array.from({ length: records }, (_, n) => shape.ours(n))
  const plain = Array.from({ length: records }, (_, n) => shape.plain(n))
  // As large as the engine's chunk. It starts over when a record might not fit, as the engine takes
  // the next chunk.
  const sink: ByteSink = {
    buffer: Buffer.allocUnsafeSlow(256 * 1024),
    position: 0,
    mark: 0,
    ensure: (bytes) => {
      if (sink.position + bytes > sink.buffer.length) throw new Error("the sink is too small")
    }
  }
  const { write } = shape.table.codec
  let size = 0
  for (let n = 0; n < records; n++) {
    sink.position = 0
    const refused = write(ours[n], sink)
    if (refused !== undefined) throw refused
    const expected = type.encode(plain[n]).finish()
    if (Buffer.compare(sink.buffer.subarray(0, sink.position), expected) !== 0)
      throw new Error(`record ${n} differs`)
    size += expected.length
  }
  const runOurs = (): void => {
    for (let n = 0; n < records; n++) {
      if (sink.position > 192 * 1024) sink.position = 0
      write(ours[n], sink)
    }
  }
  let kept: Uint8Array | undefined
  const runPlain = (): void => {
    for (let n = 0; n < records; n++) kept = type.encode(plain[n]).finish()
  }
  const time = (run: () => void): number => {
    const start = performance.now()
    let runs = 0
    let elapsed = 0
    do {
      run()
      runs++
      elapsed = performance.now() - start
    } while (elapsed < roundMillis)
    return (elapsed * 1e6) / (runs * records)
  }
  const pairs: Array<readonly [number, number]> = []
  for (let round = -3; round < rounds; round++) {
    const pair =
      round % 2 === 0
        ? ([time(runOurs), time(runPlain)] as const)
        : ([time(runPlain), time(runOurs)].toReversed() as [number, number])
    if (round >= 0) pairs.push(pair)
  }
  if (kept === undefined) throw new Error("nothing was encoded")
  return {
    bytes: Math.round(size / records),
    ours: median(pairs.map(([mine]) => mine)),
    protobufjs: median(pairs.map(([, other]) => other)),
    ratio: median(pairs.map(([mine, other]) => other / mine))
  }
}

const child = process.argv.indexOf("--shape")
if (child >= 0) {
  console.log(JSON.stringify(measure(shapes[process.argv[child + 1] ?? ""]!)))
} else {
  let slower = false
  console.log("shape                  bytes   ours ns/record   protobufjs static ns/record   ratio")
  for (const name of Object.keys(shapes)) {
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      ["--conditions=effect-zerobus-source", import.meta.filename, "--shape", name],
      { encoding: "utf8" }
    )
    if (status !== 0) throw new Error(stderr)
    const result = JSON.parse(stdout) as ReturnType<typeof measure>
    slower ||= result.ratio < 1
    console.log(
      [
        name.padEnd(21),
        String(result.bytes).padStart(6),
        result.ours.toFixed(0).padStart(16),
        result.protobufjs.toFixed(0).padStart(29),
        `${result.ratio.toFixed(2)}x`.padStart(7)
      ].join(" ")
    )
  }
  if (slower && process.argv.includes("--check")) process.exitCode = 1
}
