/** Planted bugs in streams with Arrow batches; the runs with Arrow batches must find them. */
import type { Mutation } from "../mutations.ts"

const wire = "internal/flight/rowWire.ts"
const suffix = "internal/flight/suffix.ts"
const rpc = "internal/flight/flightRpc.ts"

export const arrowMutations: ReadonlyArray<Mutation> = [
  {
    name: "a batch counts as acknowledged one row early",
    by: "arrow",
    file: wire,
    find: "end !== undefined && end <= upTo;",
    replace: "end !== undefined && end <= upTo + 1;"
  },
  {
    name: "rows of a batch that are acknowledged are sent again",
    by: "arrow",
    file: wire,
    find: "return this.settled - this.oldest",
    replace: "return 0"
  },
  {
    name: "the suffix of a batch leaves out one row too many",
    by: "arrow",
    file: suffix,
    find: "parts.push(Buffer.from(slice(alone, left)))",
    replace: "parts.push(Buffer.from(slice(alone, Math.min(left + 1, length - 1))))"
  },
  {
    name: "the suffix of a record begins with its last batch",
    by: "arrow",
    file: suffix,
    find: "else if (left < length) {",
    replace: "else if (left < length && batch !== batches[0]) {"
  },
  {
    name: "frames of a later session keep the numbers of the first one",
    by: "arrow",
    file: wire,
    find: "stampFrame(frame.buffer, frame, this.frameNumber++)",
    replace: "stampFrame(frame.buffer, frame, this.frameNumber++ + this.settled)"
  },
  {
    name: "an acknowledgement of rows counts for one row more",
    by: "arrow",
    file: rpc,
    find: "upTo: ackUpToRecords - 1",
    replace: "upTo: ackUpToRecords"
  }
]
