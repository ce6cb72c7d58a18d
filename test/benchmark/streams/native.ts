/**
 * The official native SDK: `ingestRecord`, whose promise resolves at the acknowledgement, for an
 * observed record, and `ingestRecordOffset` for the others.
 */
import { descriptor, TABLE } from "../clients/client.ts"
import { loadNative } from "../nativeSdk.ts"
import type { LoadLone } from "./lone.ts"

export const load: LoadLone = ({ port, streams: count, tokens }) => {
  const { RecordType, ZerobusSdk } = loadNative(process.env.NATIVE_SDK ?? "")
  return Promise.resolve(async (records) => {
    const url = `http://127.0.0.1:${port}`
    const sdk = new ZerobusSdk(url, tokens?.workspaceUrl ?? url)
    const table = { tableName: TABLE, descriptorProto: Buffer.from(descriptor).toString("base64") }
    const headers = {
      getHeadersCallback: (): ReadonlyArray<readonly [string, string]> => [
        ["authorization", "Bearer benchmark"],
        ["x-databricks-zerobus-table-name", TABLE]
      ]
    }
    const streams = await Promise.all(
      Array.from({ length: count }, () =>
        sdk.createStream(
          table,
          tokens?.clientId ?? "",
          tokens?.clientSecret ?? "",
          { recordType: RecordType.Proto },
          ...(tokens === undefined ? [headers] : [])
        )
      )
    )
    let next = 0
    return {
      send: (due, acknowledged) => {
        for (const { observed, stream } of due) {
          const record = records[next++ % records.length]!
          const started = performance.now()
          if (observed) {
            void streams[stream]!.ingestRecord(record).then(() =>
              acknowledged(performance.now() - started)
            )
          } else void streams[stream]!.ingestRecordOffset(record)
        }
      },
      flush: async () => {
        await Promise.all(streams.map((stream) => stream.flush()))
      },
      close: async () => {
        await Promise.all(streams.map((stream) => stream.close()))
      }
    }
  })
}
