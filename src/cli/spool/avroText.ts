/**
 * Converts Avro records to JSON text by their schema, in the forms that `zerobus ingest` reads.
 */
import { AvroProblem } from "../../internal/avro/avroProblem.ts"
import { parseAvroSchema } from "../../internal/avro/avroSchema.ts"
import { datumReader, datumText } from "../../internal/avro/datumReader.ts"

/**
 * Returns a function from payloads to text. It returns `undefined` for a payload that does not
 * match the schema.
 */
export const avroTextOf = (schema: Uint8Array): ((payload: Uint8Array) => string | undefined) => {
  const found = attempt(() => datumReader(parseAvroSchema(new TextDecoder().decode(schema))))
  return (payload) => (found === undefined ? undefined : attempt(() => datumText(found(payload))))
}

const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch (error) {
    if (error instanceof AvroProblem) return undefined
    throw error
  }
}
