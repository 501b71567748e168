/** What every call of the bench asks. */
export const prompt =
  'Explain to a new colleague, in a few plain words, how a letter finds its way through the sorting office.'
