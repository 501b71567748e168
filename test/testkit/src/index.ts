export { freePort } from './free-port.ts'
export { createTestRedis, type TestRedis } from './redis.ts'
export { createSseReader, type SseEvent, type SseReader } from './sse-reader.ts'
export { until } from './until.ts'
