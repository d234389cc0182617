const { globSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

/** Who may import whom (docs/architecture.md). Each rule's comment is what its violation prints. */

/** The files of tsconfig.pure.json below the working folder, as one regular expression. */
const pureFiles = JSON.parse(readFileSync(join(__dirname, 'tsconfig.pure.json'), 'utf8'))
  .include.filter((pattern) => !pattern.endsWith('.d.ts'))
  .flatMap((pattern) => globSync(pattern));
const purePath = `^(?:${pureFiles.map((file) => file.replaceAll('.', '\\.')).join('|')})$`;

const resources = 'vcpu|memory|display|network|storage';
const product = '^(?:protocol|policies|host-plugins|guest-agent)/';

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment:
        'Files that import each other in a circle cannot be understood, nor loaded, one after the other. Move what both need into a third file.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'unresolvable',
      comment: 'This import leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'pure-stays-pure',
      comment:
        'A file of tsconfig.pure.json decides from its arguments alone: at run time it imports only other pure files, zod and yaml. Pass it what it needs, or take a type with `import type`.',
      severity: 'error',
      from: { path: purePath },
      to: {
        pathNot: [purePath, 'node_modules/(?:zod|yaml)/'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'plugins-are-strangers',
      comment:
        'A resource plugin never imports another one: each can be taken out. What two of them share belongs in host-plugins/contract or protocol.',
      severity: 'error',
      from: { path: `^host-plugins/(${resources})/` },
      to: { path: `^host-plugins/(?:${resources})/`, pathNot: '^host-plugins/$1/' },
    },
    {
      name: 'plugins-know-the-contract-only',
      comment:
        'A resource plugin reaches the machine through host-plugins/contract and host-plugins/system; it knows neither the daemon nor the pipeline.',
      severity: 'error',
      from: { path: `^host-plugins/(?:${resources})/` },
      to: { path: '^host-plugins/(?:daemon|cli|pipeline|tunnel|pairing|hand-over|workspace|rpc)/' },
    },
    {
      name: 'one-door-to-dbus',
      comment:
        'dbus-next leaks match rules and hangs for ever when the bus dies; guest-agent/dbus is the one wrapper that knows it (host side: host-plugins/system/dbus). Use that.',
      severity: 'error',
      from: { path: product, pathNot: '^guest-agent/dbus/' },
      to: { path: 'node_modules/dbus-next/' },
    },
    {
      name: 'one-door-to-processes',
      comment:
        'Processes are started in host-plugins/system/process and in guest-agent/run-program.ts: with an argument list, a signal and a bounded output.',
      severity: 'error',
      from: { path: product, pathNot: '^(?:host-plugins/system/process/|guest-agent/run-program\\.ts$)' },
      to: { path: '^(?:node:)?(?:child_process|cluster)$' },
    },
    {
      name: 'inversify-in-modules-only',
      comment:
        'The container is invisible: only module.ts and container.ts import inversify; domain code takes arguments.',
      severity: 'error',
      from: { path: product, pathNot: '/(?:module|container)\\.ts$' },
      to: { path: 'node_modules/(?:inversify|@inversifyjs)/' },
    },
    {
      name: 'agent-stays-in-the-guest',
      comment:
        'The guest agent is one small bundle inside the smallest device: it imports protocol and itself, never the host side.',
      severity: 'error',
      from: { path: '^guest-agent/' },
      to: { path: '^(?:host-plugins|policies|test|packaging)/' },
    },
    {
      name: 'host-reaches-the-agent-by-its-port',
      comment:
        'The host side talks to the agent over the channel. Only host-plugins/system/dbus borrows its D-Bus wrapper.',
      severity: 'error',
      from: { path: '^host-plugins/', pathNot: '^host-plugins/system/dbus/' },
      to: { path: '^guest-agent/' },
    },
    {
      name: 'protocol-is-the-ground',
      comment: 'protocol/ holds the nouns and the messages; it imports nothing of ours and no I/O.',
      severity: 'error',
      from: { path: '^protocol/' },
      to: { path: '^(?!protocol/)', pathNot: 'node_modules/zod/' },
    },
    {
      name: 'policies-know-the-nouns-only',
      comment: 'Policies are decisions about the nouns: of ours they import protocol and themselves.',
      severity: 'error',
      from: { path: '^policies/' },
      to: { path: '^(?:host-plugins|guest-agent|test|packaging)/' },
    },
    {
      name: 'hand-over-stands-alone',
      comment: 'The hand-over knows QEMU, peers and the daemon only through its ports.',
      severity: 'error',
      from: { path: '^host-plugins/hand-over/' },
      to: { path: '^host-plugins/', pathNot: '^host-plugins/(?:hand-over|system)/' },
    },
    {
      name: 'product-knows-no-tests',
      comment: 'What is shipped imports nothing of test/ or packaging/.',
      severity: 'error',
      from: { path: product },
      to: { path: '^(?:test|packaging|bench)/' },
    },
    {
      name: 'shipped-dependencies',
      comment: 'What is shipped may import only "dependencies" of package.json.',
      severity: 'error',
      from: { path: product },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
    cache: false,
  },
};
