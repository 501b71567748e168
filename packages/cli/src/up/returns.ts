import type { ChildState } from '@inferq/runtime'

/** Told when a part of ours has died, and when it is back. */
export type Returned = (part: string, event: 'gone' | 'back') => void

/** Turns a supervisor's states into news: the first start is none. */
export function reportReturns(part: string, onChange: Returned): (state: ChildState) => void {
  let gone = false
  return (state) => {
    if (state === 'down' && !gone) {
      gone = true
      onChange(part, 'gone')
    } else if (state === 'up' && gone) {
      gone = false
      onChange(part, 'back')
    }
  }
}
