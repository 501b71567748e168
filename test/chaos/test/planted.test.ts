import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { rules } from '../history/history.ts'
import { groups } from '../planted/bug.ts'
import { plantedBugs } from '../planted/bugs.ts'
import { findBugs } from '../planted/find-bugs.ts'
import { checkPatches, plant } from '../planted/plant.ts'
import { runRules } from '../run/run.ts'

// A machine that is busy may take long for what is quick.
const patienceMs = 300_000

/** Drawn once: any other does as well. */
const seed = 1

describe('a planted bug', () => {
  it('is there for every rule', () => {
    const broken = new Set(plantedBugs.map(({ rule }) => rule))
    expect([...rules, ...runRules].filter((rule) => !broken.has(rule))).toEqual([])
  })

  it('can be told from the others of its group, and has a name of its own', () => {
    expect(new Set(plantedBugs.map(({ name }) => name)).size).toBe(plantedBugs.length)
    for (const group of groups) {
      const broken = plantedBugs.filter((bug) => bug.group === group).map(({ rule }) => rule)
      expect(new Set(broken).size).toBe(broken.length)
    }
  })

  it('finds its place in the product as it is now', () => {
    expect(() => checkPatches(plantedBugs)).not.toThrow()
  })

  it('that has no place, or more than one, is told with its name and file', () => {
    const file = 'services/ingress/src/routes/openai.ts'
    const bug = (find: string) => [{ name: 'lost', patches: [{ file, find, replace: '' }] }]
    expect(() => plant(bug('what nobody wrote'))).toThrow(`the bug "lost" cannot be planted: ${file} has 0 times`)
    expect(() => plant(bug('import'))).toThrow(/"lost" cannot be planted: \S+openai\.ts has \d+ times/)
    const nowhere = [{ name: 'lost', patches: [{ file: 'packages/none.ts', find: '', replace: '' }] }]
    expect(() => checkPatches(nowhere)).toThrow('the bug "lost" cannot be planted: there is no packages/none.ts')
  })

  it('is in its copy alone, which goes', () => {
    const first = plant([])
    const second = plant([])
    try {
      expect(second.root).not.toBe(first.root)
      expect(existsSync(`${first.root}/packages/cli/src/main.ts`)).toBe(true)
    } finally {
      first.remove()
      second.remove()
    }
    expect(existsSync(first.root)).toBe(false)
  })

  it.each(groups)('is caught: %s', { timeout: patienceMs }, async (group) => {
    const { missed } = await findBugs(
      plantedBugs.filter((bug) => bug.group === group),
      { seed },
    )
    expect(missed.map(({ name, rule }) => `${name}: ${rule}`)).toEqual([])
  })
})
