import { describe, expect, it } from 'vitest';
import { parseFrozen } from '../../lab/verify/background-service.ts';

describe('the state of a control group', () => {
  it('is not guessed where the kernel does not tell it', () => {
    expect(() => parseFrozen('populated 1\n')).toThrow(/no field "frozen"/);
    expect(() => parseFrozen('')).toThrow(/no field "frozen"/);
  });

  it('is frozen only where the kernel has stopped all of it', () => {
    expect(parseFrozen('populated 1\nfrozen 0\n')).toBe(false);
    expect(parseFrozen('populated 1\nfrozen 1\n')).toBe(true);
  });
});
