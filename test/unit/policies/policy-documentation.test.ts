import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { builtInSettings, type Sourced } from '../../../policies/choose/settings.ts';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import { policyJsonSchema } from '../../../policies/language/policy-json-schema.ts';

interface ObjectSchema {
  properties: Record<string, ObjectSchema>;
  items: ObjectSchema;
}

const read = (name: string) => readFile(new URL(`../../../${name}`, import.meta.url), 'utf8');

describe('what editors and people read', () => {
  it('is the schema of this language: else run `node policies/write-json-schema.ts`', async () => {
    expect(JSON.parse(await read('policies/policy.schema.json'))).toEqual(policyJsonSchema());
  });

  it('explains every key', async () => {
    const guide = await read('docs/policies.md');
    const { properties } = policyJsonSchema() as unknown as ObjectSchema;
    const { when, ...sections } = properties;
    const { if: condition } = when?.items.properties ?? {};
    for (const [section, schema] of Object.entries(sections)) {
      expect(guide).toContain(`\`${section}\``);
      for (const key of Object.keys(schema.properties ?? {}))
        expect(guide).toContain(`| \`${section}.${key}\` |`);
    }
    for (const key of Object.keys(condition?.properties ?? {})) {
      expect(guide).toContain(`| \`${key}\` |`);
    }
  });

  it('tells the true defaults', async () => {
    const guide = await read('docs/policies.md');
    const rows = new Map(
      [...guide.matchAll(/^\| `(\w+\.\w+)` \|.*\| ([^|]+) \|$/gm)].map((row) => [row[1], row[2]]),
    );
    const { services: _, ...sections } = builtInSettings;
    const text = (value: unknown): string => {
      if (Array.isArray(value)) return `[${value.join(', ')}]`;
      if (typeof value === 'object' && value !== null && 'share' in value) return `${value.share}%`;
      return String(value);
    };
    const seconds = (value: unknown) => `${Number(value) / 1000} s`;
    const minutes = (value: unknown) => `${Number(value) / 60_000} min`;
    const units: Record<string, (value: unknown) => string> = {
      'vcpus.share': (value) => `${value}%`,
      'memory.share': (value) => `${value}%`,
      'move.maxDelay': seconds,
      'move.keepCache': (value) => `${value} MiB`,
      'triggers.idleFor': minutes,
      'triggers.answerIn': seconds,
      'triggers.near': (value) => `${value}%`,
      'triggers.fading': (value) => `${value}%`,
      'triggers.nearFor': seconds,
      'triggers.fadingFor': seconds,
      'triggers.stayFor': seconds,
      'triggers.holdOff': minutes,
      'network.anchorFor': (value) => `${Number(value) / 3_600_000} h`,
    };
    for (const [section, keys] of Object.entries(sections)) {
      for (const [key, { value }] of Object.entries(keys as Record<string, Sourced<unknown>>)) {
        const name = `${section}.${key}`;
        expect(rows.get(name), name).toBe(`\`${(units[name] ?? text)(value)}\``);
      }
    }
  });

  it('shows only examples that are policies', async () => {
    const guide = await read('docs/policies.md');
    const examples = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
    expect(examples.length).toBeGreaterThan(2);
    for (const example of examples) {
      expect(() =>
        parsePolicy(example.startsWith('version') ? example : `version: 1\n${example}`, 'docs'),
      ).not.toThrow();
    }
  });
});
