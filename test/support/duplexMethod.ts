/** A gRPC method with raw bytes as messages, for the test servers. */
import type * as Grpc from "@grpc/grpc-js"

const identity = (bytes: Buffer): Buffer => bytes

/** The definition of a method with a stream of messages in both directions. */
export const duplexMethod = (path: string): Grpc.MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity
})
