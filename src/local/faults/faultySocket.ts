/**
 * A connection with scripted faults below the protocol: cut after so many bytes, silent from then
 * on, slow, cut into small pieces, or with damaged HTTP/2 frames. It stands between the socket and
 * whoever speaks the protocol.
 */
import type { Socket } from "node:net"
import { Duplex } from "node:stream"
import { type FrameFault, makeFrameEditor } from "./frameEditor.ts"
import type { Timers } from "../timers.ts"

/**
 * What happens to a connection. `up` is from the client to the server.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionFault =
  | FrameFault
  /**
   * Ends it after so many bytes: by RST, by FIN, or by saying nothing more, in both directions or
   * in this one, while it stays open.
   */
  | {
      readonly _tag: "CutAfter"
      /** The direction that it concerns. */
      readonly direction: "up" | "down"
      /** Bytes that still pass. */
      readonly bytes: number
      /** How it ends. */
      readonly how: "reset" | "fin" | "blackHole" | "halfOpen"
    }
  /** Passes so many bytes a second. */
  | {
      readonly _tag: "Throttle"
      /** The direction that it concerns. */
      readonly direction: "up" | "down"
      /** Bytes that pass in a second. */
      readonly bytesPerSecond: number
    }
  /** Passes pieces of so many bytes, each in a write of its own. */
  | {
      readonly _tag: "Pieces"
      /** The direction that it concerns. */
      readonly direction: "up" | "down"
      /** Bytes of a piece. */
      readonly size: number
    }

type Of<Tag extends ConnectionFault["_tag"]> = Extract<ConnectionFault, { readonly _tag: Tag }>

/** One direction of a connection: takes chunks, delivers what is left of them, in order. */
const makeLane = (
  direction: "up" | "down",
  faults: ReadonlyArray<ConnectionFault>,
  timers: Timers,
  deliver: (bytes: Buffer) => void,
  cut: (how: Of<"CutAfter">["how"]) => void
) => {
  const mine = faults.filter((fault) => "direction" in fault && fault.direction === direction)
  const end = mine.find((fault): fault is Of<"CutAfter"> => fault._tag === "CutAfter")
  const pace = mine.find((fault): fault is Of<"Throttle"> => fault._tag === "Throttle")
  const pieces = mine.find((fault): fault is Of<"Pieces"> => fault._tag === "Pieces")
  const pieceSize =
    pieces?.size ??
    (pace === undefined ? Infinity : Math.max(1, Math.floor(pace.bytesPerSecond / 20)))
  let passed = 0
  let over = false

  /** Passes a chunk; `done` is called when the next one may come. */
  return (chunk: Buffer, done: () => void): void => {
    const step = (from: number): void => {
      // What comes after the end is taken and not passed on.
      if (over || from >= chunk.length) return done()
      const left = end === undefined ? Infinity : end.bytes - passed
      const piece = chunk.subarray(from, Math.min(chunk.length, from + Math.min(pieceSize, left)))
      passed += piece.length
      if (piece.length > 0) deliver(piece)
      if (end !== undefined && passed >= end.bytes) {
        over = true
        cut(end.how)
        return done()
      }
      const next = from + piece.length
      if (pace !== undefined)
        timers.after((piece.length / pace.bytesPerSecond) * 1000, () => step(next))
      else if (next < chunk.length) setImmediate(step, next)
      else done()
    }
    step(0)
  }
}

/**
 * Passes lists of parts over a lane, one list after the other and each part in a write of its own.
 */
const inParts = (lane: (chunk: Buffer, done: () => void) => void) => {
  const waiting: Array<{ readonly parts: ReadonlyArray<Buffer>; readonly done: () => void }> = []
  let busy = false
  const pass = (): void => {
    const next = busy ? undefined : waiting.shift()
    if (next === undefined) return
    busy = true
    const step = (index: number): void => {
      const part = next.parts[index]
      if (part === undefined) {
        busy = false
        // This may bring the next list at once.
        next.done()
        return pass()
      }
      if (index === 0) lane(part, () => step(1))
      else setImmediate(() => lane(part, () => step(index + 1)))
    }
    step(0)
  }
  return (parts: ReadonlyArray<Buffer>, done: () => void): void => {
    waiting.push({ parts, done })
    pass()
  }
}

/** Puts faults between a socket and its user. */
export const faultySocket = (
  socket: Socket,
  faults: ReadonlyArray<ConnectionFault>,
  timers: Timers
): Duplex => {
  let silent = false
  let halfSilent = false
  const frames = faults.filter(
    (fault): fault is FrameFault =>
      fault._tag !== "CutAfter" && fault._tag !== "Throttle" && fault._tag !== "Pieces"
  )
  const editor = frames.length === 0 ? undefined : makeFrameEditor(frames)
  const cut = (how: Of<"CutAfter">["how"]) => {
    if (how === "halfOpen") {
      halfSilent = true
      return
    }
    silent = true
    if (how === "reset") socket.resetAndDestroy()
    else if (how === "fin") socket.end()
  }
  const up = inParts(makeLane("up", faults, timers, (bytes) => void duplex.push(bytes), cut))
  const down = inParts(makeLane("down", faults, timers, (bytes) => void socket.write(bytes), cut))

  const duplex = new Duplex({
    allowHalfOpen: true,
    read: () => {
      if (!passing) socket.resume()
    },
    write: (chunk: Buffer, _, done) => {
      if (silent) return done()
      down(editor === undefined ? [chunk] : editor.down(chunk), done)
    },
    final: (done) => {
      if (!silent && !halfSilent) socket.end()
      done()
    },
    destroy: (error, done) => {
      // A silent connection stays open: only the client, or the end of the server, closes it.
      if (!silent && !halfSilent) socket.destroy()
      done(error)
    }
  })
  // One chunk at a time, so that a slow one is not overtaken, not even by the end.
  let passing = false
  let ended = false
  socket.on("data", (chunk: Buffer) => {
    if (silent) return
    passing = true
    socket.pause()
    const edited = editor?.up(chunk)
    if (edited !== undefined && edited.down.length > 0) down(edited.down, () => {})
    up(edited?.up ?? [chunk], () => {
      passing = false
      if (ended) duplex.push(null)
      else if (duplex.readableLength < duplex.readableHighWaterMark) socket.resume()
    })
  })
  socket.on("end", () => {
    ended = true
    if (!passing) duplex.push(null)
  })
  socket.on("close", () => duplex.destroy())
  return duplex
}
