import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { policyJsonSchema } from './language/policy-json-schema.ts';
import { shippedPolicies } from './load-policies.ts';

// Run after a change of the language: `node policies/write-json-schema.ts && biome format --write policies`.
writeFileSync(
  join(shippedPolicies, 'policy.schema.json'),
  `${JSON.stringify(policyJsonSchema(), null, 2)}\n`,
);
