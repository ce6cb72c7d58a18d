/**
 * A connection with scripted faults below the protocol: cut or silent after a number of bytes,
 * slow, split into small pieces, or with damaged HTTP/2 frames. It wraps the socket for the
 * protocol implementation.
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
   * Ends the connection after this many bytes: by RST, by FIN, or by silence while it stays open,
   * in both directions (`blackHole`) or only in this one (`halfOpen`).
   */
  | {
      readonly _tag: "CutAfter"
      /** The affected direction. */
      readonly direction: "up" | "down"
      /** The number of bytes that pass before the end. */
      readonly bytes: number
      /** How it ends. */
      readonly how: "reset" | "fin" | "blackHole" | "halfOpen"
    }
  /** Passes this many bytes per second. */
  | {
      readonly _tag: "Throttle"
      /** The affected direction. */
      readonly direction: "up" | "down"
      /** Bytes that pass in a second. */
      readonly bytesPerSecond: number
    }
  /** Passes pieces of this many bytes, each in a separate write. */
  | {
      readonly _tag: "Pieces"
      /** The affected direction. */
      readonly direction: "up" | "down"
      /** Bytes of a piece. */
      readonly size: number
    }

type Of<Tag extends ConnectionFault["_tag"]> = Extract<ConnectionFault, { readonly _tag: Tag }>

/** One direction of a connection: accepts chunks and delivers their remaining bytes in order. */
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

  /** Passes a chunk; `done` is called when the next one may follow. */
  return (chunk: Buffer, done: () => void): void => {
    const step = (from: number): void => {
      // Bytes after the end are accepted and dropped.
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

/** Passes lists of parts over a lane, one list after another, each part in a separate write. */
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
        // This may add the next list immediately.
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

/** Wraps a socket with faults. */
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
      // A silent connection stays open: only the client or the shutdown of the server closes it.
      if (!silent && !halfSilent) socket.destroy()
      done(error)
    }
  })
  // One chunk at a time, so that a slow chunk is not overtaken by others or by the end.
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
