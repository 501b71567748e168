/** One server-sent event. `id` and `event` are empty where the event did not name them. */
export interface SseEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

export interface SseParser {
  /** Takes the next piece of the stream, cut anywhere. */
  feed(text: string): void
}

/** Takes what inferq sends: lines end in `\n`. A comment is told without its colon and the space behind it. */
export function createSseParser(
  onEvent: (event: SseEvent) => void,
  onComment: (comment: string) => void = () => {},
): SseParser {
  let rest = ''
  let id = ''
  let event = ''
  let data: string[] = []

  const dispatch = (): void => {
    if (data.length > 0 || event !== '') onEvent({ id, event, data: data.join('\n') })
    id = ''
    event = ''
    data = []
  }

  const takeLine = (line: string): void => {
    if (line === '') {
      dispatch()
      return
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (colon === 0) onComment(value)
    else if (field === 'id') id = value
    else if (field === 'event') event = value
    else if (field === 'data') data.push(value)
  }

  return {
    feed(text) {
      rest += text
      let start = 0
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
        takeLine(rest.slice(start, end))
        start = end + 1
      }
      rest = rest.slice(start)
    },
  }
}
