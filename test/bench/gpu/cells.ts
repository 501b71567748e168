/** What `npm run bench -- gpu` measures. */
export const gpuCells = ['gate', 'overload', 'fairness', 'lane', 'embeddings', 'swaps'] as const
export type GpuCell = (typeof gpuCells)[number]
