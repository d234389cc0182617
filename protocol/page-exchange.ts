import { z } from 'zod';

/** A list of pages that both ends of a move know (host-plugins/pages/page-source.ts); what is in it nobody is told. */
export const PageSourceFacts = z.strictObject({
  kind: z.string().max(64),
  digest: z.string().max(128),
  pages: z.int().min(0),
});

/** How pages went: how many of each, counted each time one was sent. */
export const PageJourney = z.strictObject({
  /** Of nothing but zeros. */
  zero: z.int(),
  /** In full, compressed. */
  new: z.int(),
  /** As the name of one that had gone before in the same move. */
  repeated: z.int(),
  /** As the name of one that the target had: by what it had it from. */
  referenced: z.array(z.strictObject({ kind: z.string(), pages: z.int() })),
});
export type PageJourney = z.infer<typeof PageJourney>;
