import { z } from 'zod';

/**
 * How far a device is trusted, as its user says: `owned` is the user's own, `known` somebody else's whom they trust,
 * `kiosk` one that is used without trusting it.
 */
export const TrustLevel = z.enum(['owned', 'known', 'kiosk']);
export type TrustLevel = z.infer<typeof TrustLevel>;
