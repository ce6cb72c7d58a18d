/** Planted bugs in streams with several lanes and a spool; the runs with crashes must find each. */
import type { Mutation } from "../mutations.ts"

const lanes = "internal/lanes/spooledLanes.ts"
const zone = "internal/engine/spooledZone.ts"
const reader = "internal/spool/spoolReader.ts"
const entries = "internal/spool/entries.ts"

const laneOfKey = "buffer.readUInt32LE(keys + index * KEY_BYTES)"

const planted: ReadonlyArray<Omit<Mutation, "by">> = [
  {
    name: "the lanes of a spool follow from offsets instead of keys",
    file: lanes,
    find: `${laneOfKey} % zone.lanes.length`,
    replace: `(${laneOfKey} + offset + index) % zone.lanes.length`
  },
  {
    name: "the lanes of a spool do not wait for records that one lane has logged",
    file: lanes,
    find:
      "    if (this.laneKey !== undefined && haveKeys !== this.fedKeys && " +
      "!this.zone.isEmpty) return false\n",
    replace: ""
  },
  {
    name: "the lanes of a spool count records as settled that had no room in them",
    file: lanes,
    find: "    zone.nextOffset = offset + taken\n",
    replace: "    zone.nextOffset = offset + records\n"
  },
  {
    name: "the lanes of a spool record as acknowledged what a single lane has settled",
    file: zone,
    find: "    zone.onRoom = () => {\n      log.acknowledge(core.acks.watermark)\n",
    replace:
      "    zone.onRoom = () => {\n      log.acknowledge(Math.max(...core.lanes.map((lane) => " +
      "lane.acks.watermark)))\n"
  },
  {
    name:
      "the lanes of a spool read the keys of a run from its start although a part of it is " +
      "taken",
    file: reader,
    find: "    if (entry.keys >= 0) entry.keys += records * KEY_BYTES\n",
    replace: ""
  },
  {
    name:
      "the lanes of a spool read the keys of a run from its start although a part of it is " +
      "acknowledged",
    file: entries,
    find: "  if (entry.keys >= 0) entry.keys += records * KEY_BYTES\n",
    replace: ""
  },
  {
    name: "the lanes of a spool resolve receipts when the first lane has settled",
    file: lanes,
    find: "    this.zone.takenBy = key % this.zone.lanes.length\n",
    replace: "    this.zone.takenBy = 0\n"
  }
]

export const crashLaneMutations: ReadonlyArray<Mutation> = planted.map((mutation) => ({
  ...mutation,
  by: "crashes"
}))
