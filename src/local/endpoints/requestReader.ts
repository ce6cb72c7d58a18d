/**
 * Reads the requests of one call where HTTP/2 delivers them.
 *
 * In grpc-js each request pauses and resumes its HTTP/2 stream, waits for two promises and passes a
 * second stream. That way is no public part of grpc-js, so it is left only where the inside of the
 * call looks as it is known: exactly one listener reads the HTTP/2 stream, and nothing was read
 * yet. With any other version of grpc-js all requests come out of the call.
 *
 * The headers, the end of the call and its status stay with grpc-js. So does a request that is
 * compressed or too large: its frame is given back, and grpc-js reads it and all that follow.
 */
import type * as Grpc from "@grpc/grpc-js"
import type { ServerHttp2Stream } from "node:http2"
import { ChunkMemory, useFurther } from "./chunkMemory.ts"
import { FrameSplitter } from "../../internal/grpc/frameSplitter.ts"

type Call = Grpc.ServerDuplexStream<Uint8Array, Uint8Array>

/** The inside of grpc-js's calls, as far as it is followed. Everything may be missing. */
interface Inside {
  readonly call?: { readonly stream?: ServerHttp2Stream }
}

type DataListener = (chunk: Buffer) => void

type Receive = (request: Uint8Array) => void

/** The HTTP/2 stream of a call, where it is found as it is known. */
const streamOf = (call: Call): ServerHttp2Stream | undefined => {
  const stream = (call as unknown as Inside).call?.stream
  const isKnown =
    typeof stream?.unshift === "function" &&
    stream.listenerCount("data") === 1 &&
    stream.readableDidRead === false
  return isKnown ? stream : undefined
}

/** The requests of one call. They come in order, each once, and none while reading is paused. */
export class RequestReader {
  private readonly call: Call
  private readonly splitter: FrameSplitter
  /** What reads the HTTP/2 stream for grpc-js. */
  private readonly listener: DataListener
  /** The HTTP/2 stream that is read here; undefined where requests come out of the call. */
  private stream: ServerHttp2Stream | undefined
  private readonly memory: ChunkMemory | undefined
  private receive: Receive = () => {}
  private isPaused = false
  private isOver = false

  /** Requests of more than `largest` bytes are refused by grpc-js, which has the same limit. */
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

  /** Whether requests are read here. */
  get isDirect(): boolean {
    return this.stream !== undefined
  }

  /** Reads from now on. `receive` gets each request and must not throw. */
  start(receive: Receive): void {
    const { listener, stream } = this
    this.receive = receive
    if (stream !== undefined) {
      stream.on("data", this.read)
      stream.removeListener("data", listener)
    }
    // This has grpc-js resume the HTTP/2 stream and report its end. What is given back comes here.
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

  /**
   * Nobody uses the request any more that this is a view of. Its memory may be used for the next
   * one.
   */
  release(view: Uint8Array): void {
    this.splitter.release(view)
  }

  /** The call is over: nothing more is delivered. */
  end(): void {
    this.isOver = true
    // The HTTP/2 stream closes once everything was read.
    if (this.isPaused) this.resume()
  }

  private readonly read = (chunk: Buffer): void => {
    if (this.isOver) return
    const stream = this.stream!
    // grpc-js resumes the stream when it begins.
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

  /** Leaves this frame and all that follow to grpc-js. */
  private giveBack(stream: ServerHttp2Stream, bytes: Buffer): void {
    this.stream = undefined
    stream.removeListener("data", this.read)
    stream.on("data", this.listener)
    this.listener(bytes)
  }
}
