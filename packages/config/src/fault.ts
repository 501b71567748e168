/** One thing wrong with a configuration. Never holds the value of a secret. */
export interface Fault {
  readonly file: string
  /** From 1; 0 where no line is to blame. */
  readonly line: number
  /** Path of the key, such as `model_list[0].litellm_params.timeout`; empty for the file as a whole. */
  readonly key: string
  /** What is there, in words. */
  readonly found: string
  /** What would be right, in words. */
  readonly expected: string
  /** A mend, where one is likely. */
  readonly hint?: string
}

/** `inferq.yaml:12: model_list[0].model_nme: found an unknown key; expected one of …; did you mean "model_name"?` */
export function formatFault(fault: Fault): string {
  const place = fault.line > 0 ? `${fault.file}:${fault.line}` : fault.file
  const parts = [`found ${fault.found}`, `expected ${fault.expected}`, fault.hint].filter((part) => part !== undefined)
  return [place, fault.key, parts.join('; ')].filter((part) => part !== '').join(': ')
}
