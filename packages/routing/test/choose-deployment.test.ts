import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chooseDeployment } from '../src/index.ts'

const group = fc.uniqueArray(
  fc.record({ id: fc.string({ maxLength: 4 }), weight: fc.double({ min: 0, max: 1e6, noNaN: true }) }),
  {
    selector: (deployment) => deployment.id,
    minLength: 1,
    maxLength: 8,
  },
)
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('chooseDeployment', () => {
  it('chooses nothing from nothing', () => {
    expect(chooseDeployment([], () => 0)).toBeUndefined()
  })

  it('shares by weight', () => {
    const deployments = [
      { id: 'a', weight: 3 },
      { id: 'b', weight: 0 },
      { id: 'c', weight: 1 },
    ]
    const chosen = [0, 0.5, 0.74, 0.75, 0.99].map((value) => chooseDeployment(deployments, () => value)?.id)
    expect(chosen).toEqual(['a', 'a', 'a', 'c', 'c'])
  })

  it('always chooses one of the group, and one with weight while there is one', () => {
    fc.assert(
      fc.property(group, chance, (deployments, value) => {
        const chosen = chooseDeployment(deployments, () => value)
        expect(deployments).toContain(chosen)
        if (deployments.some((deployment) => deployment.weight > 0)) expect(chosen?.weight).toBeGreaterThan(0)
      }),
    )
  })

  it('avoids what has failed while there is anything else', () => {
    fc.assert(
      fc.property(group, chance, fc.array(fc.nat(7)), (deployments, value, indexes) => {
        const avoid = indexes.flatMap((index) => deployments[index]?.id ?? [])
        const chosen = chooseDeployment(deployments, () => value, avoid)
        const othersLeft = deployments.some((deployment) => !avoid.includes(deployment.id))
        expect(avoid.includes(chosen?.id ?? '')).toBe(!othersLeft)
      }),
    )
  })
})
