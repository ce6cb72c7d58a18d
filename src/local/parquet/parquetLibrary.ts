/**
 * The imports from hyparquet and hyparquet-writer. The parts below `src` are not documented API, so
 * they are imported only here, to check a new version of either package in one place.
 */
export {
  parquetMetadata,
  parquetMetadataAsync,
  parquetReadObjects,
  snappyUncompress
} from "hyparquet"
export type { ColumnMetaData, CompressionCodec, FileMetaData, RowGroup } from "hyparquet"
export { parquetHeader } from "hyparquet/src/column.js"
export { readRleBitPackedHybrid } from "hyparquet/src/encoding.js"
export { ByteWriter } from "hyparquet-writer"
export type { SchemaElement } from "hyparquet-writer"
export { writePageHeader } from "hyparquet-writer/src/datapage.js"
export { writeMetadata } from "hyparquet-writer/src/metadata.js"
export { snappyCompress } from "hyparquet-writer/src/snappy.js"
