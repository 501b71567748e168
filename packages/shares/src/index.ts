export { type ClassClock, createClassClock, type Demand } from './class-clock.ts'
export { createShares, type SharesOptions } from './create-shares.ts'
export { lastPlace, placeOf } from './places.ts'
export type { Place, Shares } from './shares.ts'
