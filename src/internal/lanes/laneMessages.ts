/**
 * Unacknowledged records of all lanes, in the order of the stream's offsets. Neighbouring records
 * in a message of a lane may have distant offsets, so messages are split into runs.
 */
import { type Message, payloadsIn } from "../landing/chunk.ts"
import { readLength } from "../protobuf/envelope.ts"
import type { LaneZone } from "./laneZone.ts"

/** Records of one message with consecutive offsets, or a batch. */
class Stretch {
  readonly offset: number
  readonly atomic: boolean
  private readonly message: Message
  private readonly start: number
  private readonly end: number

  constructor(offset: number, message: Message, start: number, end: number) {
    this.offset = offset
    this.atomic = message.atomic
    this.message = message
    this.start = start
    this.end = end
  }

  payloads(): Array<Uint8Array> {
    return payloadsIn(this.message.chunk.buffer, this.start, this.end)
  }
}

/** Everything unacknowledged in the lanes of a stream that takes no more records. */
export const leftInOrder = (lanes: ReadonlyArray<LaneZone<any>>): ReadonlyArray<Stretch> =>
  lanes
    .flatMap((lane) => lane.unackedUnsafe().flatMap((message) => stretchesOf(lane, message)))
    .sort((a, b) => a.offset - b.offset)

const stretchesOf = ({ offsets }: LaneZone<any>, message: Message): ReadonlyArray<Stretch> => {
  const first = offsets.at(message.offset)
  if (message.atomic) return [new Stretch(first, message, message.start, message.end)]
  const stretches: Array<Stretch> = []
  let [start, from, count] = [message.start, first, 0]
  let position = message.start
  for (let i = 0; i < message.records; i++) {
    const offset = offsets.at(message.offset + i)
    if (offset !== from + count) {
      stretches.push(new Stretch(from, message, start, position))
      ;[start, from, count] = [position, offset, 0]
    }
    const { length, next } = readLength(message.chunk.buffer, position + 1)
    position = next + length
    count++
  }
  stretches.push(new Stretch(from, message, start, position))
  return stretches
}

/**
 * The offsets that a new stream gives to the unacknowledged records of an ended one: 0, 1, 2, ...
 * in the order of the old offsets. Per lane, in its order.
 */
export const renumbered = (
  lanes: ReadonlyArray<LaneZone<any>>
): ReadonlyArray<ReadonlyArray<number>> => {
  const old = lanes.flatMap((lane, index) =>
    Array.from(lane.offsets.toArray(), (offset) => ({ index, offset }))
  )
  old.sort((a, b) => a.offset - b.offset)
  const renumbered: ReadonlyArray<Array<number>> = lanes.map(() => [])
  old.forEach(({ index }, offset) => renumbered[index]!.push(offset))
  return renumbered
}
