/**
 * Reads the messages on the wire for the history, and makes hostile ones. It depends on the
 * protocol's field numbers only, not on the engine or the server, so that it does not repeat an
 * error of their codecs.
 */

type Field = readonly [number: number, value: number | Uint8Array]

export const fields = (bytes: Uint8Array): ReadonlyArray<Field> => {
  const found: Array<Field> = []
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 63n) throw new Error("truncated message")
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number(BigInt.asIntN(64, value))
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    if ((tag & 7) === 0) found.push([tag >>> 3, varint()])
    else if ((tag & 7) === 2) {
      const length = varint()
      if (at + length > bytes.length) throw new Error("truncated field")
      found.push([tag >>> 3, bytes.subarray(at, at + length)])
      at += length
    } else throw new Error(`wire type ${tag & 7}`)
  }
  return found
}

export const field = (list: ReadonlyArray<Field>, number: number) =>
  list.find(([n]) => n === number)?.[1]

/** A request as the history stores it. */
export type RequestText =
  | { readonly kind: "create" }
  | { readonly kind: "resume" }
  | {
      readonly kind: "ingest"
      readonly wireOffset: number | undefined
      readonly payloads: ReadonlyArray<Uint8Array>
    }

/** Reads a request, also of a persistent stream; throws if the client wrote an invalid one. */
export const readRequestText = (bytes: Uint8Array, persistent = false): RequestText => {
  const [part] = fields(bytes)
  if (part === undefined || typeof part[1] === "number")
    throw new Error("a request without payload")
  if (part[0] === 1) return { kind: "create" }
  if (persistent && part[0] === 2) return { kind: "resume" }
  const inner = fields(part[1])
  const offset = field(inner, 1)
  const content = field(inner, 2) ?? field(inner, 3)
  if (!(content instanceof Uint8Array)) throw new Error("an ingest request without record")
  const payloads =
    part[0] === (persistent ? 3 : 2)
      ? [content]
      : fields(content).map(([, value]) => value as Uint8Array)
  return { kind: "ingest", wireOffset: typeof offset === "number" ? offset : undefined, payloads }
}

/** A response as the history stores it. `bad`: no correct server ever sends it. */
export interface ResponseText {
  readonly created?: boolean
  /** The wire offset up to which everything was durable when a persistent stream was resumed. */
  readonly resumed?: number
  readonly ack?: number | "missing"
  /** How many rows of an Arrow connection are durable. */
  readonly rows?: number
  readonly closeAfter?: number | "none"
  readonly bad?: "unknown" | "malformed"
}

/** Reads a response, also of a persistent stream; its answer to a resume counts as created. */
export const readResponseText = (bytes: Uint8Array, persistent = false): ResponseText => {
  try {
    const text: { -readonly [K in keyof ResponseText]: ResponseText[K] } = {}
    for (const [tag, value] of fields(bytes)) {
      if (typeof value === "number") continue
      if (persistent && tag === 2) {
        const committed = field(fields(value), 1)
        text.created = true
        text.resumed = typeof committed === "number" ? committed : -1
        continue
      }
      const number = persistent && tag > 2 ? tag - 1 : tag
      if (number === 1) text.created = true
      else if (number === 2) {
        const offset = field(fields(value), 1)
        text.ack = typeof offset === "number" ? offset : "missing"
      } else if (number === 3) {
        const duration = field(fields(value), 1)
        const parts = duration instanceof Uint8Array ? fields(duration) : []
        const [seconds, nanos] = [field(parts, 1) ?? 0, field(parts, 2) ?? 0]
        text.closeAfter =
          duration instanceof Uint8Array
            ? Math.max(0, Number(seconds) * 1000 + Number(nanos) / 1e6)
            : "none"
      }
    }
    return Object.keys(text).length === 0 ? { bad: "unknown" } : text
  } catch {
    return { bad: "malformed" }
  }
}

const varintBytes = (value: number): ReadonlyArray<number> => {
  const out: Array<number> = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80)
  out.push(Number(rest))
  return out
}

const message = (tag: number, content: ReadonlyArray<number>): ReadonlyArray<number> => [
  tag,
  content.length,
  ...content
]

/** Responses of a hostile server. */
export const hostile = {
  ack: (upTo: number) => Uint8Array.from(message(0x12, [0x08, ...varintBytes(upTo)])),
  ackWithoutOffset: Uint8Array.from(message(0x12, [])),
  created: Uint8Array.from(message(0x0a, message(0x0a, [0x78]))),
  unknownKind: Uint8Array.from(message(0x7a, [0x08, 0x01])),
  empty: new Uint8Array(0),
  malformed: Uint8Array.of(0x12, 0x7f, 0x08),
  closeWithoutDuration: Uint8Array.from(message(0x1a, [])),
  ackAndClose: (upTo: number, seconds: number) =>
    Uint8Array.from([
      ...message(0x12, [0x08, ...varintBytes(upTo)]),
      ...message(0x1a, message(0x0a, [0x08, ...varintBytes(seconds)]))
    ])
}
