export { costOf } from './cost-of.ts'
export { lookUpModel } from './look-up-model.ts'
export type { Capabilities, CostOf, LookUpModel, ModelFacts, Price } from './port.ts'
