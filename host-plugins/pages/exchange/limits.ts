/** Both ends hold these; what breaks them ends the channel. They bound the memory of either end (docs/page-exchange.md). */
export const limits = {
  version: 1,
  /** Of pages with content in a batch. */
  batchPages: 128,
  batchZeroPages: 32_768,
  batchLiteralBytes: 256 * 1024,
  batchEntries: 2_048,
  batchOperationBytes: 64 * 1024,
  /** Batches on their way: being made, sent, or not acknowledged. */
  batchesUnderWay: 16,
  /** How many pages sent in full can be named again: the last so many. */
  recentPages: 16_384,
  helloBytes: 64 * 1024,
  returnBytes: 64 * 1024,
  sources: 256,
} as const;
