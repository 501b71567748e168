import type { PlantedBug } from './bug.ts'
import { answerBugs } from './bugs/answers.ts'
import { jobBugs } from './bugs/jobs.ts'
import { moneyBugs } from './bugs/money.ts'
import { readerBugs } from './bugs/readers.ts'
import { systemBugs } from './bugs/system.ts'

/** One for each rule at least. */
export const plantedBugs: readonly PlantedBug[] = [
  ...jobBugs,
  ...answerBugs,
  ...readerBugs,
  ...moneyBugs,
  ...systemBugs,
]
