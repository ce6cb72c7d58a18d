/**
 * Makes a server acknowledge fewer rows than are durable for a while, down to any row of a batch,
 * as the protocol permits. So connections are lost while batches are partly acknowledged.
 */
import type { Peer } from "../../../src/local/stream/streamContract.ts"
import { field, fields } from "../wireText.ts"
import type { SeededRandom } from "../seededRandom.ts"
import type { VirtualTime } from "../virtualTime.ts"

interface Standing {
  readonly ack_up_to_offset: number
  readonly ack_up_to_records: number
  readonly close_stream_duration_ms?: number
}

const read = (response: Uint8Array): Standing =>
  JSON.parse(Buffer.from(field(fields(response), 1) as Uint8Array).toString())

const write = (standing: Standing): Uint8Array => {
  const json = Buffer.from(JSON.stringify(standing))
  // A response is shorter than 128 bytes, so its length is one byte.
  return Uint8Array.of(0x0a, json.length, ...json)
}

/** The peer, with acknowledgements split into parts. */
export const partially = (peer: Peer, random: SeededRandom, time: VirtualTime): Peer => {
  let said: Standing = { ack_up_to_offset: -1, ack_up_to_records: 0 }
  let pending: Uint8Array | undefined
  let over = false
  const flush = (): void => {
    if (pending === undefined || over) return
    const response = pending
    pending = undefined
    said = read(response)
    peer.write(response)
  }
  return {
    ...peer,
    write: (response) => {
      const { ack_up_to_records: rows, close_stream_duration_ms: closing } = read(response)
      pending = response
      if (closing !== undefined || rows <= said.ack_up_to_records || random.chance(0.6))
        return flush()
      const part = random.between(said.ack_up_to_records, rows - 1)
      if (part > said.ack_up_to_records) {
        // The offset is informative: the last fully acknowledged one.
        said = { ...said, ack_up_to_records: part }
        peer.write(write(said))
      }
      time.after(random.pick([1, 50, 2_000]), flush)
    },
    finish: (status) => {
      if (status === undefined || random.chance(0.5)) flush()
      over = true
      peer.finish(status)
    },
    cut: (how) => {
      over = true
      peer.cut(how)
    }
  }
}
