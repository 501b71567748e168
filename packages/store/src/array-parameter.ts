/** PostgreSQL's types of columns of rows that travel to it. */
export type ColumnType = 'text' | 'float8' | 'integer' | 'bigint' | 'boolean'

/** How one value of a type goes into the binary form of an array. */
interface BinaryType {
  /** Its number in pg_type, the same in every PostgreSQL. */
  readonly oid: number
  /** Other values go as text, so that it is PostgreSQL that converts or refuses them. */
  fits(value: unknown): boolean
  bytesOf(value: unknown): number
  write(to: Buffer, value: unknown, offset: number): void
}

const binaryTypes: Readonly<Record<ColumnType, BinaryType>> = {
  text: {
    oid: 25,
    fits: (value) => typeof value === 'string',
    bytesOf: (value) => Buffer.byteLength(value as string),
    write: (to, value, offset) => void to.write(value as string, offset),
  },
  float8: {
    oid: 701,
    fits: (value) => typeof value === 'number',
    bytesOf: () => 8,
    write: (to, value, offset) => void to.writeDoubleBE(value as number, offset),
  },
  integer: {
    oid: 23,
    fits: (value) => typeof value === 'number' && value === (value | 0),
    bytesOf: () => 4,
    write: (to, value, offset) => void to.writeInt32BE(value as number, offset),
  },
  bigint: {
    oid: 20,
    fits: Number.isSafeInteger,
    bytesOf: () => 8,
    write: (to, value, offset) => void to.writeBigInt64BE(BigInt(value as number), offset),
  },
  boolean: {
    oid: 16,
    fits: (value) => typeof value === 'boolean',
    bytesOf: () => 1,
    write: (to, value, offset) => void to.writeUInt8(value === true ? 1 : 0, offset),
  },
}

const headBytes = 20
const lengthBytes = 4

/**
 * An array to be bound to a parameter of `<type>[]`, null among its values as undefined or null: in PostgreSQL's binary form
 * (a Buffer is what pg sends as binary), since writing and reading the textual one costs both sides twice as much and more.
 * The form: dimensions, whether there are nulls, element type, elements, first index; then each element after its length.
 * https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/arrayfuncs.c (array_recv)
 */
export function arrayParameter(type: ColumnType, items: readonly unknown[]): Buffer | readonly unknown[] {
  const { oid, fits, bytesOf, write } = binaryTypes[type]
  let size = headBytes
  let hasNull = false
  for (const item of items) {
    size += lengthBytes
    if (item === null || item === undefined) hasNull = true
    else if (fits(item)) size += bytesOf(item)
    else return items
  }
  if (items.length === 0) return items
  const array = Buffer.allocUnsafe(size)
  array.writeInt32BE(1, 0)
  array.writeInt32BE(hasNull ? 1 : 0, 4)
  array.writeInt32BE(oid, 8)
  array.writeInt32BE(items.length, 12)
  array.writeInt32BE(1, 16)
  let offset = headBytes
  for (const item of items) {
    const bytes = item === null || item === undefined ? -1 : bytesOf(item)
    array.writeInt32BE(bytes, offset)
    offset += lengthBytes
    if (bytes < 0) continue
    write(array, item, offset)
    offset += bytes
  }
  return array
}
