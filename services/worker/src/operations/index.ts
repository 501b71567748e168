import type { Operation as OperationName } from '@inferq/contracts'
import { completeChat, completeText } from './completion.ts'
import { embed } from './embeddings.ts'
import type { Operation } from './operation.ts'
import { summarize } from './summarize.ts'

export const operations: Readonly<Record<OperationName, Operation>> = {
  chat: completeChat,
  text: completeText,
  embeddings: embed,
  summary: summarize,
}
