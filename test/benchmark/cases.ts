/** The measured cases and the clients they compare, as data. */
import type { Api, ClientName, ClientSpec, Format } from "./clients/client.ts"

/** The maximum number of records in flight in the throughput cases. */
export const WINDOW = 200_000

/** A throughput case: several clients perform the same work. */
export interface ThroughputCase {
  /** The name of the row, also in the baseline. */
  readonly id: string
  readonly api: Api
  readonly size: number
  readonly format: Format
  readonly streams: number
  readonly tls: boolean
  readonly clients: ReadonlyArray<ClientName>
  /**
   * The budget of the design: minimum ratios to the rates of the native SDK and of the raw
   * transport.
   */
  readonly budget?: { readonly native: number; readonly raw: number; readonly cpu?: number }
}

const all: ReadonlyArray<ClientName> = ["ours", "native", "rawGrpc", "rawHttp2"]
const plain = { format: "bytes", streams: 1, tls: false, clients: all } as const

/** The rows with a budget: the table of the design. */
export const budgeted: ReadonlyArray<ThroughputCase> = [
  {
    ...plain,
    id: "single 1 KB",
    api: "single",
    size: 1024,
    budget: { native: 4.5, raw: 0.75, cpu: 0.2 }
  },
  {
    ...plain,
    id: "single 100 B",
    api: "single",
    size: 100,
    budget: { native: 12, raw: 0.8, cpu: 0.2 }
  },
  { ...plain, id: "batch 1 KB", api: "batch", size: 1024, budget: { native: 1.2, raw: 0.85 } },
  { ...plain, id: "batch 100 B", api: "batch", size: 100, budget: { native: 2, raw: 0.7 } }
]

const noWall: ReadonlyArray<ClientName> = ["ours", "native", "rawGrpc"]

/** Further sizes, formats, numbers of streams, and TLS. */
export const further: ReadonlyArray<ThroughputCase> = [
  { ...plain, id: "single 16 KB", api: "single", size: 16 * 1024 },
  {
    ...plain,
    id: "single 256 KB",
    api: "single",
    size: 256 * 1024,
    clients: ["ours", "native", "rawHttp2"]
  },
  { ...plain, id: "batch 16 KB", api: "batch", size: 16 * 1024, clients: noWall },
  { ...plain, id: "offerUnsafe 1 KB", api: "offer", size: 1024, clients: ["ours", "rawGrpc"] },
  { ...plain, id: "offerUnsafe 100 B", api: "offer", size: 100, clients: ["ours", "rawGrpc"] },
  {
    ...plain,
    id: "JSON objects 200 B",
    api: "single",
    size: 200,
    format: "jsonObject",
    clients: noWall
  },
  {
    ...plain,
    id: "JSON text 200 B",
    api: "single",
    size: 200,
    format: "jsonText",
    clients: noWall
  },
  {
    ...plain,
    id: "batch, JSON objects 200 B",
    api: "batch",
    size: 200,
    format: "jsonObject",
    clients: noWall
  },
  {
    ...plain,
    id: "batch, JSON text 200 B",
    api: "batch",
    size: 200,
    format: "jsonText",
    clients: noWall
  },
  {
    ...plain,
    id: "JSON objects 1 KB",
    api: "single",
    size: 1024,
    format: "jsonObject",
    clients: noWall
  },
  {
    ...plain,
    id: "JSON text 1 KB",
    api: "single",
    size: 1024,
    format: "jsonText",
    clients: noWall
  },
  {
    ...plain,
    id: "typed, 3 columns",
    api: "single",
    size: 64,
    format: "typed3",
    clients: ["ours"]
  },
  {
    ...plain,
    id: "typed, 20 columns",
    api: "single",
    size: 300,
    format: "typed20",
    clients: ["ours"]
  },
  {
    ...plain,
    id: "typed, 105 columns",
    api: "single",
    size: 1000,
    format: "typed105",
    clients: ["ours"]
  },
  {
    ...plain,
    id: "4 streams, single 1 KB",
    api: "single",
    size: 1024,
    streams: 4,
    clients: noWall
  },
  {
    ...plain,
    id: "16 streams, single 1 KB",
    api: "single",
    size: 1024,
    streams: 16,
    clients: noWall
  },
  { ...plain, id: "TLS, single 1 KB", api: "single", size: 1024, tls: true, clients: all },
  { ...plain, id: "TLS, single 100 B", api: "single", size: 100, tls: true, clients: all }
]

/** The spec of one client in a case. */
export const specOf = (
  one: Pick<ThroughputCase, "api" | "size" | "format" | "streams">,
  client: ClientName,
  port: number,
  options: { readonly ca?: string | undefined; readonly window?: number } = {}
): ClientSpec => ({
  client,
  api: one.api,
  size: one.size,
  format: one.format,
  streams: one.streams,
  port,
  ca: options.ca,
  window: options.window ?? WINDOW
})
