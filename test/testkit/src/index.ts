export { createTestRedis, type TestRedis } from './redis.ts'
export { createSseReader, type SseEvent, type SseReader } from './sse-reader.ts'
export { type ServiceProcess, type Stack, startStack } from './stack.ts'
export { until } from './until.ts'
