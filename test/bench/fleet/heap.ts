/** Numbers that wait for their turn: the smallest key first, and of equal keys the one that came first. */
export class Heap {
  readonly #keys: number[] = []
  readonly #turns: number[] = []
  readonly #values: number[] = []
  #pushed = 0

  get size(): number {
    return this.#values.length
  }

  /** Undefined when it is empty. */
  get firstKey(): number | undefined {
    return this.#keys[0]
  }

  get first(): number | undefined {
    return this.#values[0]
  }

  push(key: number, value: number): void {
    let place = this.#values.length
    const turn = this.#pushed++
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!this.#isAfter(parent, key, turn)) break
      this.#move(parent, place)
      place = parent
    }
    this.#put(place, key, turn, value)
  }

  pop(): number | undefined {
    const [first] = this.#values
    const key = this.#keys.pop()
    const turn = this.#turns.pop()
    const value = this.#values.pop()
    if (key === undefined || turn === undefined || value === undefined) return undefined
    const size = this.#values.length
    if (size === 0) return first
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= size) break
      if (child + 1 < size && this.#isAfter(child, this.#keys[child + 1] ?? 0, this.#turns[child + 1] ?? 0)) child += 1
      if (this.#isAfter(child, key, turn)) break
      this.#move(child, place)
      place = child
    }
    this.#put(place, key, turn, value)
    return first
  }

  #isAfter(place: number, key: number, turn: number): boolean {
    const other = this.#keys[place] ?? 0
    return other > key || (other === key && (this.#turns[place] ?? 0) > turn)
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#keys[from] ?? 0, this.#turns[from] ?? 0, this.#values[from] ?? 0)
  }

  #put(place: number, key: number, turn: number, value: number): void {
    this.#keys[place] = key
    this.#turns[place] = turn
    this.#values[place] = value
  }
}
