import { z } from 'zod';
import { PolicyDocument } from './policy-document.ts';

/**
 * JSON Schema of a policy file, for completion and checks in editors; draft 7, which the YAML language servers
 * read. What a schema cannot say (min at most max, each value once) is checked by `parsePolicy` alone.
 */
export function policyJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(PolicyDocument, { io: 'input', target: 'draft-7' });
  return { ...schema, title: 'Wireless Dock+ policy' };
}
