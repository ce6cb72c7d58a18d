/**
 * `npm run bench:variant -- [rounds]`: the cost of a VARIANT value in the local server, by its
 * size. Encodes texts of 1 MB and of 8 MB in turn and prints the processor time of both and their
 * ratio, which is 8 if the work is linear. A ratio is taken within a round; the table shows the
 * median of the rounds with the smallest and the largest. Exits with 1 if a median is above 10.
 */
import { encodeVariant } from "../../src/local/parquet/variantEncoder.ts"
import { spreadOf, spreadText, table } from "./figures.ts"

const rounds = Number(process.argv[2] ?? 5)
const MEGABYTE = 1024 * 1024
const LIMIT = 10

/** An array or object with as many items as fit into this many bytes. */
const filled = (
  bytes: number,
  open: string,
  close: string,
  item: (index: number) => string
): string => {
  const items: Array<string> = []
  let size = 2
  for (let index = 0; ; index++) {
    const text = item(index)
    size += text.length + 1
    if (size > bytes) return `${open}${items.join(",")}${close}`
    items.push(text)
  }
}

/**
 * A text 400 levels deep; 500 are allowed. Its string is long, because otherwise the encoded value
 * would exceed the limit of 16 MiB.
 */
const nested = (open: string, close: string): string =>
  `${open.repeat(400)}"${"x".repeat(1500)}"${close.repeat(400)}`

const texts: Readonly<Record<string, (bytes: number) => string>> = {
  "one text of digits": (bytes) => `"${"7".repeat(bytes - 2)}"`,
  "integers": (bytes) => filled(bytes, "[", "]", (index) => String(100_000_000_000 + index * 7919)),
  "decimals": (bytes) =>
    filled(bytes, "[", "]", (index) => `${index}.${String(index).padStart(9, "0")}1`),
  "nested arrays": (bytes) => filled(bytes, "[", "]", () => nested("[", "]")),
  "nested objects": (bytes) => filled(bytes, "[", "]", () => nested('{"a":', "}")),
  "objects of three fields": (bytes) =>
    filled(bytes, "[", "]", (index) => `{"a":${index},"b":"x","c":null}`),
  "different keys": (bytes) => filled(bytes, "{", "}", (index) => `"key ${index}":${index}`)
}

/** The processor time to encode a text, in milliseconds. */
const timeOf = (text: string): number => {
  const before = process.threadCpuUsage()
  const encoded = encodeVariant(text)
  const { system, user } = process.threadCpuUsage(before)
  if (typeof encoded === "string") throw new Error(`A text was refused: ${encoded}.`)
  return (system + user) / 1000
}

let slower = 0
const rows: Array<ReadonlyArray<string>> = []
for (const [name, make] of Object.entries(texts)) {
  const small = make(MEGABYTE)
  const large = make(8 * MEGABYTE)
  timeOf(small)
  const pairs = Array.from({ length: rounds }, () => ({
    small: timeOf(small),
    large: timeOf(large)
  }))
  const ratio = spreadOf(pairs.map((pair) => pair.large / pair.small))
  const middle = (values: ReadonlyArray<number>) => spreadOf(values).median.toFixed(0)
  if (ratio.median > LIMIT) slower++
  rows.push([
    name,
    middle(pairs.map((pair) => pair.small)),
    middle(pairs.map((pair) => pair.large)),
    spreadText(ratio)
  ])
}
console.log(table(["value", "1 MB, ms", "8 MB, ms", "ratio"], rows))
if (slower > 0) process.exitCode = 1
