export { demoModels } from './demo.ts'
export type { LedgerCall, LedgerPage } from './ledger.ts'
export type {
  EmbeddingScript,
  Fault,
  ModelScript,
  Script,
  ScriptedToolCall,
  ScriptPatch,
  SlowBody,
} from './script.ts'
export { ScriptError } from './script-parse.ts'
export { createSimulator, type Simulator, type SimulatorOptions } from './server.ts'
export type { Counters, ModelStats, RequestRecord, Stats, WireName, WireStats } from './stats.ts'
