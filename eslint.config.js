import { readFileSync } from 'node:fs';
import tseslint from 'typescript-eslint';

/** What Biome cannot see, because it needs types, and the rules of this house. Formatting and style are Biome's. */

/** The files of tsconfig.pure.json: given the same values they decide the same, whenever and wherever. */
const pure = JSON.parse(readFileSync(new URL('tsconfig.pure.json', import.meta.url), 'utf8')).include.filter(
  (pattern) => !pattern.endsWith('.d.ts'),
);

const notPure = (what) => `${what}: this file is pure (tsconfig.pure.json); take it as an argument instead`;
const printers = [
  '**/main.ts',
  '**/*-main.ts',
  'host-plugins/cli/**/*.ts',
  'policies/write-json-schema.ts',
  'host-plugins/system/host-inventory/print-system-facts.ts',
  'packaging/**/*.ts',
  'bench/**/*.ts',
  'test/**/*.ts',
];

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'coverage/', '.checks/', '**/*.js', '**/*.cjs', '**/*.mjs'] },
  {
    files: ['**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-array-delete': 'error',
      '@typescript-eslint/no-base-to-string': 'error',
      '@typescript-eslint/no-deprecated': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-for-in-array': 'error',
      '@typescript-eslint/no-implied-eval': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-misused-spread': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-unsafe-argument': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-call': 'error',
      '@typescript-eslint/no-unsafe-enum-comparison': 'error',
      '@typescript-eslint/no-unsafe-member-access': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/restrict-plus-operands': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'error',
      'no-console': 'error',
      'no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: 'systeminformation',
              allowImportNames: ['battery', 'cpu', 'graphics', 'mem', 'osInfo', 'system', 'uuid'],
              message:
                'Only these functions of systeminformation may be used, by name, and never with user input: the others block, start dozens of processes, or had advisories.',
            },
          ],
        },
      ],
    },
  },
  { files: printers, rules: { 'no-console': 'off' } },
  {
    files: pure,
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: notPure('Date.now() reads the clock') },
        { object: 'Math', property: 'random', message: notPure('Math.random() is chance') },
        { object: 'performance', property: 'now', message: notPure('performance.now() reads the clock') },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
          message: notPure('new Date() reads the clock'),
        },
        { selector: 'CallExpression[callee.name="Date"]', message: notPure('Date() reads the clock') },
        {
          selector: ':function[async=true], AwaitExpression',
          message: 'Decisions are synchronous: this file is pure (tsconfig.pure.json) and waits for nothing.',
        },
      ],
    },
  },
  {
    // What a test looks at arrived over a socket or from a file, and its assertions are the parser.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
    },
  },
);
