/** Planted bugs in streams with several lanes; the runs with lanes must find them. */
import { type Mutation, smallTurns } from "../mutations.ts"

const zone = "internal/lanes/lanesZone.ts"
const laneZone = "internal/lanes/laneZone.ts"
const messages = "internal/lanes/laneMessages.ts"
const receipts = "internal/lanes/laneReceipts.ts"
const stream = "internal/engine/streamLanes.ts"

export const laneMutations: ReadonlyArray<Mutation> = [
  {
    name: "records are still sent to closed lanes",
    by: "lanes",
    file: zone,
    find: "    this.active = lanes\n    this.current = Math.min(this.current, lanes - 1)\n",
    replace: "    if (lanes > this.active) this.active = lanes\n"
  },
  {
    name: "a recreated stream begins with one lane although several left records",
    by: "lanes",
    file: stream,
    find: "? Math.max(ended.zone.active, ended.zone.lanesInUse) : 1",
    replace: "? 1 : 1"
  },
  {
    name: "the watermark passes records that other lanes have not settled",
    by: "lanes",
    file: zone,
    find: "if (offsets.oldest < oldest) oldest = offsets.oldest",
    replace: "if (offsets.oldest < oldest && oldest === this.nextOffset) oldest = offsets.oldest"
  },
  {
    name: "a caller that waits gets another lane than its key has",
    by: "lanes",
    file: zone,
    find: "      line = lane\n",
    replace: "      line = (lane + 1) % this.lanes.length\n"
  },
  {
    name: "a record overtakes records of its lane that wait for room",
    by: "lanes",
    file: zone,
    find: "      if (this.lines.holdsBack(lane)) return Full\n      const zone",
    replace: "      const zone"
  },
  {
    name: "a recreated stream puts the records left over on the next lane",
    by: "lanes",
    file: zone,
    find: "      const lane = this.lanes[index]!\n",
    replace: "      const lane = this.lanes[(index + 1) % this.lanes.length]!\n"
  },
  {
    name: "unacknowledged records of lanes are returned lane by lane",
    by: "lanes",
    file: messages,
    find:
      "    .flatMap((lane) => lane.unackedUnsafe().flatMap((message) => stretchesOf(lane, " +
      "message)))\n    .sort((a, b) => a.offset - b.offset)",
    replace:
      "    .flatMap((lane) => lane.unackedUnsafe().flatMap((message) => stretchesOf(lane, " +
      "message)))"
  },
  {
    name: "a receipt waits for the first lane",
    by: "lanes",
    file: stream,
    find: "      return lanes[zone.takenBy]!\n",
    replace: "      return lanes[0]!\n"
  },
  {
    name: "a stream ends while some of its lanes continue",
    by: "lanes",
    file: stream,
    find: "    if (--open > 0) return decides\n",
    replace:
      "    open--\n    if (whole.ended || (failed === undefined && open > 0)) return decides\n"
  },
  {
    name: "each lane has the bounds of the stream for itself",
    by: "lanes",
    file: laneZone,
    find: "    const { bytes, limits, records } = this.budget\n",
    replace:
      "    const { limits } = this.budget\n    const [bytes, records] = [this.usedBytes, " +
      "this.usedRecords]\n"
  },
  {
    name: "a lane uses its own offsets as those of the stream",
    by: "lanes",
    file: receipts,
    find: "this.raiseUnsafe(this.offsets.settle(laneOffset))",
    replace: "this.raiseUnsafe((this.offsets.settle(laneOffset), laneOffset))"
  },
  {
    name: "a gathering lane is not notified of the next turn",
    by: "lanes",
    file: laneZone,
    find: "      this.queue.tellNextTurn()\n",
    replace: "",
    also: smallTurns
  },
  {
    name: "a record goes to another lane while that of its key gathers",
    by: "lanes",
    file: zone,
    find: "lane < this.lanes.length ? lane : this.freest()",
    replace: "lane < this.lanes.length && !this.lanes[lane]!.isGathering ? lane : this.freest()",
    also: smallTurns
  },
  {
    name: "the watermark passes records that a lane gathers",
    by: "lanes",
    file: zone,
    find:
      "for (const { offsets } of this.lanes) if (offsets.oldest < oldest) oldest = " +
      "offsets.oldest",
    replace:
      "for (const lane of this.lanes) if (!lane.isGathering && lane.offsets.oldest < oldest) " +
      "oldest = lane.offsets.oldest",
    also: smallTurns
  },
  {
    name: "lanes that gather over turns of a few records",
    by: "lanes",
    harmless: true,
    file: "internal/landing/turnLine.ts",
    find: "  lookAt = STRIDE\n",
    replace: "  lookAt = 0\n",
    also: smallTurns
  }
]
