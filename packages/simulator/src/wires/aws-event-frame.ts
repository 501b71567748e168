import { crc32 } from 'node:zlib'

const stringType = 7

/**
 * One message of AWS's binary event stream: lengths and their checksum, headers, payload, and a checksum over all of it
 * (https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html). Given as text of one character a byte.
 */
export function encodeFrame(headers: Readonly<Record<string, string>>, payload: string): string {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => encodeHeader(name, value)))
  const body = Buffer.from(payload)
  const frame = Buffer.alloc(12 + head.length + body.length + 4)
  frame.writeUInt32BE(frame.length, 0)
  frame.writeUInt32BE(head.length, 4)
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8)
  head.copy(frame, 12)
  body.copy(frame, 12 + head.length)
  frame.writeUInt32BE(crc32(frame.subarray(0, frame.length - 4)), frame.length - 4)
  return frame.toString('latin1')
}

function encodeHeader(name: string, value: string): Buffer {
  const header = Buffer.alloc(1 + name.length + 3 + Buffer.byteLength(value))
  header.writeUInt8(name.length, 0)
  header.write(name, 1)
  header.writeUInt8(stringType, 1 + name.length)
  header.writeUInt16BE(Buffer.byteLength(value), 2 + name.length)
  header.write(value, 4 + name.length)
  return header
}
