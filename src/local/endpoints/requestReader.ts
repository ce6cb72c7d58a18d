/**
 * Reads the requests of one call directly from its HTTP/2 stream.
 *
 * In grpc-js, each request pauses and resumes the HTTP/2 stream, waits for two promises and passes
 * through a second stream. Bypassing this relies on internals of grpc-js, so it is done only if
 * they look as expected: exactly one listener reads the HTTP/2 stream, and nothing was read yet.
 * Otherwise all requests are read from the call of grpc-js.
 *
 * grpc-js still handles the headers, the end of the call and its status. It also handles a request
 * that is compressed or too large: its frame is given back, and grpc-js reads it and all following
 * ones.
 */
import type * as Grpc from "@grpc/grpc-js"
import type { ServerHttp2Stream } from "node:http2"
import { ChunkMemory, useFurther } from "./chunkMemory.ts"
import { FrameSplitter } from "../../internal/grpc/frameSplitter.ts"

type Call = Grpc.ServerDuplexStream<Uint8Array, Uint8Array>

/** The internals of grpc-js calls that are used here. Each may be missing. */
interface Inside {
  readonly call?: { readonly stream?: ServerHttp2Stream }
}

type DataListener = (chunk: Buffer) => void

type Receive = (request: Uint8Array) => void

/** The HTTP/2 stream of a call, if the internals look as expected. */
const streamOf = (call: Call): ServerHttp2Stream | undefined => {
  const stream = (call as unknown as Inside).call?.stream
  const isKnown =
    typeof stream?.unshift === "function" &&
    stream.listenerCount("data") === 1 &&
    stream.readableDidRead === false
  return isKnown ? stream : undefined
}

/** Delivers the requests of one call in order, each once, and none while reading is paused. */
export class RequestReader {
  private readonly call: Call
  private readonly splitter: FrameSplitter
  /** The listener with which grpc-js reads the HTTP/2 stream. */
  private readonly listener: DataListener
  /** The HTTP/2 stream that is read here; undefined when requests are read from the call. */
  private stream: ServerHttp2Stream | undefined
  private readonly memory: ChunkMemory | undefined
  private receive: Receive = () => {}
  private isPaused = false
  private isOver = false

  /** grpc-js, which has the same limit, refuses requests of more than `largest` bytes. */
  constructor(call: Call, largest: number) {
    this.call = call
    this.stream = streamOf(call)
    this.listener = (this.stream?.listeners("data")[0] ?? (() => {})) as DataListener
    this.memory = this.stream === undefined ? undefined : new ChunkMemory(this.stream)
    const deliver = (request: Uint8Array): boolean => {
      this.receive(request)
      return !this.isPaused && !this.isOver
    }
    this.splitter = new FrameSplitter(largest, deliver, useFurther)
  }

  /** Whether requests are read directly from the HTTP/2 stream. */
  get isDirect(): boolean {
    return this.stream !== undefined
  }

  /** Starts reading. `receive` is called with each request and must not throw. */
  start(receive: Receive): void {
    const { listener, stream } = this
    this.receive = receive
    if (stream !== undefined) {
      stream.on("data", this.read)
      stream.removeListener("data", listener)
    }
    // Makes grpc-js resume the HTTP/2 stream and report its end. Frames that are given back are
    // delivered here.
    this.call.on("data", receive)
  }

  pause(): void {
    this.isPaused = true
    ;(this.stream ?? this.call).pause()
  }

  resume(): void {
    this.isPaused = false
    ;(this.stream ?? this.call).resume()
  }

  /** The request with this view is no longer used; its memory may be reused for the next one. */
  release(view: Uint8Array): void {
    this.splitter.release(view)
  }

  /** Ends the call: nothing more is delivered. */
  end(): void {
    this.isOver = true
    // The HTTP/2 stream closes only after everything was read.
    if (this.isPaused) this.resume()
  }

  private readonly read = (chunk: Buffer): void => {
    if (this.isOver) return
    const stream = this.stream!
    // grpc-js resumes the stream when it starts reading.
    if (this.isPaused) return this.readLater(stream, chunk)
    const rest = this.splitter.split(chunk)
    if (this.isOver) return
    this.memory!.read(chunk.buffer, this.splitter.unfinished)
    if (rest === undefined) return
    if (this.isPaused) this.readLater(stream, rest)
    else this.giveBack(stream, rest)
  }

  private readLater(stream: ServerHttp2Stream, bytes: Buffer): void {
    stream.pause()
    stream.unshift(bytes)
  }

  /** Passes this frame and all following ones to grpc-js. */
  private giveBack(stream: ServerHttp2Stream, bytes: Buffer): void {
    this.stream = undefined
    stream.removeListener("data", this.read)
    stream.on("data", this.listener)
    this.listener(bytes)
  }
}
